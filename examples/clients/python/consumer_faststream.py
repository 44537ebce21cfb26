"""A consumer with FastStream: prefetch_count=1 keeps the order, as FastStream handles what it was given side by side."""

import asyncio
import os

import psycopg
from faststream import AckPolicy, FastStream
from faststream.rabbit import Channel, RabbitBroker, RabbitMessage, RabbitQueue
from handler import ATTEMPTS, backoff_seconds, handle

broker = RabbitBroker(os.environ["AMQP_URL"], default_channel=Channel(prefetch_count=1))
app = FastStream(broker)
database = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)


# Passive: the queue is declared with its arguments elsewhere. REJECT_ON_ERROR: what fails to the end goes to its dead-letter exchange.
@broker.subscriber(RabbitQueue(os.environ["QUEUE"], declare=False), ack_policy=AckPolicy.REJECT_ON_ERROR)
async def on_event(body: dict, message: RabbitMessage) -> None:
    properties = message.raw_message
    for attempt in range(ATTEMPTS):
        try:
            await asyncio.to_thread(handle, database, properties.message_id, properties.type, properties.headers, body)
            return
        except psycopg.Error as error:
            print(f"attempt {attempt + 1} at {properties.message_id}: {error}", flush=True)
            if attempt + 1 == ATTEMPTS:
                raise
            await asyncio.sleep(backoff_seconds(attempt))


if __name__ == "__main__":
    asyncio.run(app.run())
