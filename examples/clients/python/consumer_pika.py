"""A consumer with pika: one message after the other, tried again in place, acknowledged after COMMIT."""

import json
import os
import signal

import pika
import psycopg
from handler import ATTEMPTS, backoff_seconds, handle


def main() -> None:
    database = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)
    connection = pika.BlockingConnection(pika.URLParameters(os.environ["AMQP_URL"]))
    channel = connection.channel()
    channel.basic_qos(prefetch_count=50)  # in flight to us; BlockingConnection still handles one at a time

    def on_message(channel, method, properties, body):
        for attempt in range(ATTEMPTS):
            try:
                handle(database, properties.message_id, properties.type, properties.headers, json.loads(body))
            except psycopg.Error as error:
                print(f"attempt {attempt + 1} at {properties.message_id}: {error}", flush=True)
                connection.sleep(backoff_seconds(attempt))  # keeps the heartbeat, handles nothing else
            else:
                channel.basic_ack(method.delivery_tag)
                return
        # The queue's dead-letter exchange takes it; later events of this order go on without it.
        channel.basic_reject(method.delivery_tag, requeue=False)

    signal.signal(signal.SIGTERM, lambda *_: channel.stop_consuming())
    channel.basic_consume(os.environ["QUEUE"], on_message)
    channel.start_consuming()
    connection.close()


if __name__ == "__main__":
    main()
