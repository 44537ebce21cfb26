//! The services that are called, each only where its address is given: without any, orders are placed as they come. Made by `main`; the
//! checkout, the jobs and the consumers use them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use order_domain::cache::{Cache, MemoryStore, Products, RedisStore, Store};
use order_domain::client::inventory::InventoryClient;
use order_domain::client::product::ProductClient;
use order_domain::client::user::UserClient;
use order_domain::client::{BreakerState, Caller, Http, Identity, Neighbour, Tokens, client_config};

use crate::metrics::Metrics;
use crate::tally::CallTally;

/// Files that hold a secret or a certificate are small.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Where the other services are. A service without an address is not called.
#[derive(Debug, Args)]
pub struct NeighbourSettings {
    /// The Product Service, http://host:port; its prices and stock are checked as an order is placed
    #[arg(long, env = "PRODUCT_SERVICE_URL")]
    pub product_url: Option<String>,
    /// The User Service; whether the customer may order is checked as an order is placed
    #[arg(long, env = "USER_SERVICE_URL")]
    pub user_url: Option<String>,
    /// The Inventory Service; SYNCHRONOUS orders reserve their stock there, and both sides are compared
    #[arg(long, env = "INVENTORY_SERVICE_URL")]
    pub inventory_url: Option<String>,
    /// A Redis for copies of products, redis://host:port/0, that all replicas share; otherwise each has its own in memory
    #[arg(long, env = "ORDER_SERVICE_REDIS_URL", hide_env_values = true)]
    pub redis_url: Option<String>,
    /// A file with the bearer token for the services
    #[arg(long, env = "ORDER_SERVICE_TOKEN_FILE", conflicts_with = "token_url")]
    pub token_file: Option<PathBuf>,
    /// The auth service, which is asked for a token and for a new one before it expires
    #[arg(long, env = "ORDER_SERVICE_TOKEN_URL", requires = "client_secret_file")]
    pub token_url: Option<String>,
    /// A file with the secret by which the auth service knows us
    #[arg(long, env = "ORDER_SERVICE_CLIENT_SECRET_FILE")]
    pub client_secret_file: Option<PathBuf>,
    /// A file with authorities (PEM) that are trusted for https beside the public ones
    #[arg(long, env = "ORDER_SERVICE_CA_FILE")]
    pub ca_file: Option<PathBuf>,
    /// A file with the certificate (PEM) that is shown to services
    #[arg(long, env = "ORDER_SERVICE_CERTIFICATE_FILE", requires = "certificate_key_file")]
    pub certificate_file: Option<PathBuf>,
    /// A file with the key (PEM) of that certificate
    #[arg(long, env = "ORDER_SERVICE_CERTIFICATE_KEY_FILE", requires = "certificate_file")]
    pub certificate_key_file: Option<PathBuf>,
    /// Seconds from one look for orders that were placed without a check to the next
    #[arg(long, env = "ORDER_SERVICE_VERIFY_SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=3600))]
    pub verify_seconds: u16,
    /// Seconds from one comparison with Inventory to the next
    #[arg(long, env = "ORDER_SERVICE_RECONCILE_SECONDS", default_value_t = 900, value_parser = clap::value_parser!(u16).range(1..=36_000))]
    pub reconcile_seconds: u16,
}

/// The services that are called.
pub struct Neighbours {
    pub products: Option<Products>,
    pub users: Option<UserClient>,
    pub inventory: Option<InventoryClient>,
    pub tally: Arc<CallTally>,
}

impl Neighbours {
    /// Connects to nobody yet. To be called within a tokio runtime.
    pub fn new(settings: &NeighbourSettings, metrics: Arc<Metrics>) -> Result<Self, String> {
        let tally = Arc::new(CallTally::new(metrics));
        let caller = Caller { http: http(settings)?, tokens: tokens(settings)?, observer: Arc::clone(&tally) as _ };
        let products = match &settings.product_url {
            Some(url) => {
                let store = match &settings.redis_url {
                    Some(url) => Store::Redis(RedisStore::new(url)?),
                    None => Store::Memory(MemoryStore::default()),
                };
                let cache = Arc::new(Cache::new(store, Arc::clone(&tally) as _));
                Some(Products::new(ProductClient::new(url, &caller)?, cache))
            }
            None => None,
        };
        let users = settings.user_url.as_ref().map(|url| UserClient::new(url, &caller)).transpose()?;
        let inventory = settings.inventory_url.as_ref().map(|url| InventoryClient::new(url, &caller)).transpose()?;
        Ok(Self { products, users, inventory, tally })
    }

    /// Each service that is called, and where its breaker is.
    pub fn breakers(&self) -> Vec<(Neighbour, BreakerState)> {
        let products = self.products.as_ref().map(|products| (Neighbour::Product, products.client().state()));
        let users = self.users.as_ref().map(|users| (Neighbour::User, users.state()));
        let inventory = self.inventory.as_ref().map(|inventory| (Neighbour::Inventory, inventory.state()));
        [products, inventory, users].into_iter().flatten().collect()
    }
}

fn http(settings: &NeighbourSettings) -> Result<Http, String> {
    let authorities = settings.ca_file.as_deref().map(file).transpose()?;
    let certificate = settings.certificate_file.as_deref().map(file).transpose()?;
    let key = settings.certificate_key_file.as_deref().map(file).transpose()?;
    let identity = certificate.as_deref().zip(key.as_deref());
    let identity = identity.map(|(certificate, key)| Identity { certificate, key });
    Http::new(client_config(authorities.as_deref(), identity)?)
}

fn tokens(settings: &NeighbourSettings) -> Result<Tokens, String> {
    if let Some(path) = &settings.token_file {
        return Tokens::given(&secret(path)?);
    }
    match (&settings.token_url, &settings.client_secret_file) {
        (Some(url), Some(path)) => {
            let scope = ["product:read", "user:read", "allocation:write"].map(str::to_owned);
            Tokens::asked(url, "order-service", &secret(path)?, &scope)
        }
        (None, _) | (_, None) => Ok(Tokens::none()),
    }
}

fn secret(path: &Path) -> Result<String, String> {
    let text = String::from_utf8(file(path)?).map_err(|_| format!("{} is not text", path.display()))?;
    Ok(text.trim().to_owned())
}

fn file(path: &Path) -> Result<Vec<u8>, String> {
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    if std::fs::metadata(path).map_err(failed)?.len() > FILE_BYTES_MAX {
        return Err(format!("{} has more than {FILE_BYTES_MAX} bytes", path.display()));
    }
    std::fs::read(path).map_err(failed)
}
