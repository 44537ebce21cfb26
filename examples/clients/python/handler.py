"""What a consumer does with one message, the same for every client: the mark and the effect in one transaction."""

import os

import psycopg

CONSUMER = os.environ["CONSUMER"]
MARK = "INSERT INTO inbox.handled_messages (consumer, message_id) VALUES (%s, %s) ON CONFLICT DO NOTHING"
EFFECT = """INSERT INTO effects (consumer, order_id, version, event_type, total, trace_id)
            VALUES (%s, %s, %s, %s, %s, %s)"""
ATTEMPTS = 5


def handle(connection: psycopg.Connection, message_id: str, event_type: str, headers: dict, body: dict) -> None:
    event = body["payload"]
    trace_id = headers["traceparent"].split("-")[1]  # with OpenTelemetry: propagate.extract(headers)
    with connection.transaction():
        if connection.execute(MARK, [CONSUMER, message_id]).rowcount == 0:
            return  # a copy of what was handled before
        row = [CONSUMER, event["orderId"], event["version"], event_type, event["total"], trace_id]
        connection.execute(EFFECT, row)


def backoff_seconds(attempt: int) -> float:
    return 0.1 * 2**attempt
