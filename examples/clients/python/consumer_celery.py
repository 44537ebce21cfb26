"""A consumer inside a Celery worker: a ConsumerStep. A plain worker on this queue would delete our messages as unknown tasks."""

import os
import time

import kombu
import psycopg
from celery import Celery, bootsteps
from handler import ATTEMPTS, backoff_seconds, handle

# The worker's own tasks have a queue of their own.
app = Celery(broker=os.environ["AMQP_URL"])
app.conf.task_default_queue = os.environ["QUEUE"] + ".celery-tasks"


class Events(bootsteps.ConsumerStep):
    database: psycopg.Connection | None = None

    def get_consumers(self, channel):
        self.database = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)
        # no_declare: the queue is declared with its arguments elsewhere.
        queue = kombu.Queue(os.environ["QUEUE"], no_declare=True)
        return [kombu.Consumer(channel, [queue], on_message=self.on_message, accept=["json"], prefetch_count=50)]

    def on_message(self, message):
        properties = message.properties
        for attempt in range(ATTEMPTS):
            try:
                handle(self.database, properties["message_id"], properties["type"], message.headers, message.decode())
            except psycopg.Error as error:
                print(f"attempt {attempt + 1} at {properties['message_id']}: {error}", flush=True)
                time.sleep(backoff_seconds(attempt))
            else:
                message.ack()
                return
        message.reject()


app.steps["consumer"].add(Events)

if __name__ == "__main__":
    app.worker_main(["worker", "--pool=solo", "--without-gossip", "--without-mingle", "--without-heartbeat"])
