// A consumer with amqplib: one message after the other, tried again in place, acknowledged after COMMIT.

import { setTimeout as sleep } from 'node:timers/promises'
import amqp from 'amqplib'
import pg from 'pg'

const MARK = 'INSERT INTO inbox.handled_messages (consumer, message_id) VALUES ($1, $2) ON CONFLICT DO NOTHING'
const EFFECT = `INSERT INTO effects (consumer, order_id, version, event_type, total, trace_id)
  VALUES ($1, $2, $3, $4, $5, $6)`
const ATTEMPTS = 5
const { CONSUMER, QUEUE, DATABASE_URL, AMQP_URL } = process.env

const database = new pg.Client({ connectionString: DATABASE_URL })
await database.connect()
const connection = await amqp.connect(AMQP_URL)
const channel = await connection.createChannel()
await channel.prefetch(50)

// The mark and the effect in one transaction.
async function handle({ content, properties }) {
  const event = JSON.parse(content.toString()).payload
  const traceId = properties.headers.traceparent.split('-')[1] // with OpenTelemetry: propagation.extract(…, headers)
  await database.query('BEGIN')
  try {
    const marked = await database.query(MARK, [CONSUMER, properties.messageId])
    if (marked.rowCount !== 0) {
      const row = [CONSUMER, event.orderId, event.version, properties.type, event.total, traceId]
      await database.query(EFFECT, row)
    }
    await database.query('COMMIT')
  } catch (error) {
    await database.query('ROLLBACK')
    throw error
  }
}

async function settle(message) {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    try {
      await handle(message)
      return channel.ack(message)
    } catch (error) {
      console.log(`attempt ${attempt} at ${message.properties.messageId}: ${error.message}`)
      await sleep(100 * 2 ** attempt)
    }
  }
  // The queue's dead-letter exchange takes it; later events of this order go on without it.
  channel.reject(message, false)
}

// amqplib does not wait for an async callback: the chain does, or fifty messages would be handled side by side.
let turn = Promise.resolve()
const { consumerTag } = await channel.consume(QUEUE, (message) => {
  if (message !== null) turn = turn.then(() => settle(message))
})

process.once('SIGTERM', async () => {
  await channel.cancel(consumerTag)
  await turn
  await connection.close()
  await database.end()
})
