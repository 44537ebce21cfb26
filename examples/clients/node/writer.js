// A writer in Node: an order and its event in one transaction.
// node writer.js WAY ORDER CHANGES        WAY is raw, helper or batch; DATABASE_URL says where

import crypto from 'node:crypto'
import pg from 'pg'

const CHANGE = 'UPDATE orders SET version = version + 1, total = total + 10 WHERE id = $1 RETURNING version, total'
const INSERT = `INSERT INTO outbox.events (aggregate_type, aggregate_id, event_type, payload, headers, correlation_id)
  VALUES ('Order', $1, 'order.changed', cast($2 AS json), cast($3 AS json), $4)`
const EMIT = `SELECT outbox.emit('Order', $1, 'order.changed', $2, headers => $3, correlation_id => $4)`
const BATCH = `INSERT INTO outbox.events (aggregate_type, aggregate_id, event_type, payload, headers, correlation_id)
  SELECT 'Order', $1, 'order.changed', cast(payload AS json), cast($3 AS json), $4
  FROM unnest($2::text[]) WITH ORDINALITY AS e (payload, place) ORDER BY place`

// numeric comes as text from pg, and stays text: a JavaScript number would turn 50.10 into 50.1.
const payload = (order, { version, total }) => JSON.stringify({ orderId: order, version, total })
// With OpenTelemetry: propagation.inject(context.active(), headers).
const traceparent = () => `00-${crypto.randomBytes(16).toString('hex')}-${crypto.randomBytes(8).toString('hex')}-01`

async function inTransaction(client, work) {
  await client.query('BEGIN')
  try {
    await work()
    await client.query('COMMIT')
  } catch (error) {
    await client.query('ROLLBACK')
    throw error
  }
}

async function one(client, statement, order) {
  const trace = traceparent()
  await inTransaction(client, async () => {
    const changed = (await client.query(CHANGE, [order])).rows[0] // first: it locks the order
    const headers = JSON.stringify({ traceparent: trace })
    await client.query(statement, [order, payload(order, changed), headers, trace.slice(3, 35)])
  })
}

async function batch(client, order, changes) {
  const trace = traceparent()
  await inTransaction(client, async () => {
    const payloads = []
    for (let n = 0; n < changes; n++) {
      payloads.push(payload(order, (await client.query(CHANGE, [order])).rows[0]))
    }
    await client.query(BATCH, [order, payloads, JSON.stringify({ traceparent: trace }), trace.slice(3, 35)])
  })
}

const [way, order, changes] = process.argv.slice(2)
const client = new pg.Client({ connectionString: process.env.DATABASE_URL })
await client.connect()
if (way === 'batch') {
  await batch(client, order, Number(changes))
} else {
  for (let n = 0; n < Number(changes); n++) {
    await one(client, { raw: INSERT, helper: EMIT }[way], order)
  }
}
await client.end()
