//! The cache's store in Redis, shared by all replicas: `product:{id}` with an expiry, and the ids of what is sold in a set without one.
//! Writes compare first, in a script, so that two replicas cannot undo each other.

use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, RedisResult};

use super::ACTIVE_MAX;
use super::store::Write;
use crate::value::id::ProductId;

const PREFIX: &str = "product:";
const ACTIVE: &str = "products:active";
/// For a connection; who waits for it has given up long before.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// Ids in one step of reading the set.
const SCAN_COUNT: usize = 1000;

/// Writes each product whose text is still the one that was read, and says which. A key of another type counts as absent and is replaced.
const WRITE: &str = r"
local written = {}
for i = 2, #KEYS do
  local at = (i - 2) * 5
  local before, text, life, active, id = ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], ARGV[at + 4], ARGV[at + 5]
  local kind = redis.call('TYPE', KEYS[i])['ok']
  local found = ''
  if kind == 'string' then found = redis.call('GET', KEYS[i]) end
  if found == before then
    redis.call('SET', KEYS[i], text, 'PX', life)
    if active == '1' then redis.call('SADD', KEYS[1], id) else redis.call('SREM', KEYS[1], id) end
    written[#written + 1] = 1
  else
    written[#written + 1] = 0
  end
end
return written
";

/// Copies in Redis.
pub struct RedisStore(ConnectionManager);

impl RedisStore {
    /// Connects when something is asked for, to `redis://user:password@host:port/database`. Within a tokio runtime.
    ///
    /// # Errors
    /// Where the address cannot be read; never with a part of it.
    pub fn new(url: &str) -> Result<Self, String> {
        let client = Client::open(url).map_err(|_| "the address of Redis is not redis://host:port".to_owned())?;
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(Some(super::STORE_TIMEOUT))
            .set_number_of_retries(0);
        let manager = ConnectionManager::new_lazy_with_config(client, config);
        manager.map(Self).map_err(|error| format!("Redis cannot be used: {}", error.category()))
    }

    pub(super) async fn read(&self, ids: &[ProductId]) -> Result<Vec<Option<String>>, String> {
        let mut command = redis::cmd("MGET");
        ids.iter().for_each(|id| _ = command.arg(key(id)));
        // What is not UTF-8 is another form, and so none.
        let texts: RedisResult<Vec<Option<Vec<u8>>>> = command.query_async(&mut self.0.clone()).await;
        let texts = texts.map_err(|error| failed(&error))?;
        Ok(texts.into_iter().map(|text| text.map(|text| String::from_utf8_lossy(&text).into_owned())).collect())
    }

    pub(super) async fn write(&self, writes: &[Write]) -> Result<Vec<bool>, String> {
        let mut command = redis::cmd("EVAL");
        command.arg(WRITE).arg(writes.len() + 1).arg(ACTIVE);
        writes.iter().for_each(|write| _ = command.arg(key(&write.id)));
        for Write { id, before, entry, life } in writes {
            let life_ms = u64::try_from(life.as_millis()).unwrap_or(u64::MAX).max(1);
            let is_active = if entry.is_active() { "1" } else { "0" };
            command.arg(before.as_deref().unwrap_or_default()).arg(entry.to_json()).arg(life_ms);
            command.arg(is_active).arg(id.as_str());
        }
        let written: RedisResult<Vec<bool>> = command.query_async(&mut self.0.clone()).await;
        written.map_err(|error| failed(&error))
    }

    pub(super) async fn remove(&self, id: &ProductId) -> Result<(), String> {
        let removed: RedisResult<()> = redis::cmd("DEL").arg(key(id)).query_async(&mut self.0.clone()).await;
        removed.map_err(|error| failed(&error))
    }

    /// One step of reading the ids: from `cursor`, with the next one; 0 begins and ends.
    pub(super) async fn active(&self, cursor: u64) -> Result<(u64, Vec<ProductId>), String> {
        let mut command = redis::cmd("SSCAN");
        command.arg(ACTIVE).arg(cursor).arg("COUNT").arg(SCAN_COUNT);
        let step: RedisResult<(u64, Vec<String>)> = command.query_async(&mut self.0.clone()).await;
        let (next, ids) = step.map_err(|error| failed(&error))?;
        Ok((next, ids.into_iter().take(ACTIVE_MAX).filter_map(|id| ProductId::new(id).ok()).collect()))
    }
}

fn key(id: &ProductId) -> String {
    format!("{PREFIX}{id}")
}

/// What kind of error it is, and the code that Redis gave: its text may have a part of what was sent.
fn failed(error: &redis::RedisError) -> String {
    match error.code() {
        Some(code) => format!("{} ({code})", error.category()),
        None => error.category().to_owned(),
    }
}
