#!/usr/bin/env python3
"""Runs every writer and consumer of examples/clients against a relay, and judges what came out at both ends. Called by `make test-clients`.

Needs DATABASE_URL, AMQP_URL and MANAGEMENT_URL (dev/with-services gives them), the relay as OUTBOX_RELAY, and what the chosen languages need.
Prints a table, with --page writes it into docs/clients.md, and exits with 1 where a cell is red.
"""

import argparse
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from dataclasses import dataclass

import pika
import psycopg

HERE = pathlib.Path(__file__).resolve().parent
PAGE = HERE.parent.parent / "docs" / "clients.md"
BEGIN, END = "<!-- table -->\n", "<!-- end of table -->\n"
CHANGES, SIDE_BY_SIDE = 20, 3
LIMIT_SECONDS = 120
GREEN, RED = "ok", "**no**"
CASES = ["types", "dedupe", "order", "failure", "trace"]


@dataclass(frozen=True)
class Client:
    """A program of one language, and how it is started."""

    language: str
    name: str
    command: list[str]
    ways: tuple[str, ...] = ()


def python(file: str) -> list[str]:
    return [sys.executable, str(HERE / "python" / file)]


def node(file: str) -> list[str]:
    return ["node", str(HERE / "node" / file)]


def built(language: str, *args: str) -> list[str]:
    """What `make test-clients` built."""
    folder = pathlib.Path(os.environ.get("CLIENTS_BUILD", HERE / ".build"))
    if language == "go":
        return [str(folder / "go-client"), *args]
    return ["java", "-jar", str(folder / "java-client.jar"), *args]


WRITERS = [
    Client("python", "psycopg", python("writer.py"), ("raw", "helper", "batch")),
    Client("python", "SQLAlchemy", python("writer.py"), ("entity",)),
    Client("node", "pg", node("writer.js"), ("raw", "helper", "batch")),
    Client("go", "pgx", built("go", "writer"), ("raw", "helper", "batch")),
    Client("java", "JDBC", built("java", "writer"), ("raw", "helper", "batch")),
    Client("java", "Hibernate", built("java", "writer"), ("entity",)),
]
CONSUMERS = [
    Client("python", "pika", python("consumer_pika.py")),
    Client("python", "FastStream", python("consumer_faststream.py")),
    Client("python", "Celery", python("consumer_celery.py")),
    Client("node", "amqplib", node("consumer.js")),
    Client("go", "amqp091-go", built("go", "consumer")),
    Client("java", "amqp-client", built("java", "consumer")),
    Client("java", "Spring Boot", built("java", "spring")),
]


class Stage:
    """The database, the broker and the relay."""

    def __init__(self) -> None:
        self.database_url = os.environ["DATABASE_URL"]
        # Without a vhost every client takes "/"; Spring would take %2f by the letter.
        self.amqp_url = os.environ["AMQP_URL"].removesuffix("/%2f")
        self.relay_program = os.environ["OUTBOX_RELAY"]
        self.database = psycopg.connect(self.database_url, autocommit=True)
        self.channel = pika.BlockingConnection(pika.URLParameters(self.amqp_url)).channel()

    def set(self, consumers: list[Client]) -> None:
        self.relay_command("migrate")
        for file in [HERE / "schema.sql", HERE.parent.parent / "sql" / "optional" / "inbox.sql"]:
            self.database.execute(file.read_text())
        self.channel.exchange_declare("order.events", "topic", durable=True)
        for consumer in consumers:
            arguments = {"x-queue-type": "quorum", "x-single-active-consumer": True}
            self.channel.queue_declare(queue_of(consumer), durable=True, arguments=arguments)
            self.channel.queue_bind(queue_of(consumer), "order.events", "#")

    def relay_command(self, *args: str) -> str:
        command = [self.relay_program, *args, "--database-url", self.database_url]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=LIMIT_SECONDS).stdout

    def one(self, sql: str, *params: object) -> object:
        return self.database.execute(sql, params).fetchone()[0]

    def environment(self, consumer: Client | None = None) -> dict[str, str]:
        own = {"QUEUE": queue_of(consumer), "CONSUMER": consumer.name} if consumer else {}
        return os.environ | {"DATABASE_URL": self.database_url, "AMQP_URL": self.amqp_url} | own

    def publish(self) -> None:
        """Relays everything, and then the events of order-1 again: copies with the ids of their originals."""
        args = ["run", "--database-url", self.database_url, "--amqp-url", self.amqp_url, "--admin-addr", "127.0.0.1:0"]
        log = tempfile.TemporaryFile("w+")
        relay = subprocess.Popen([self.relay_program, *args], stderr=log)
        try:
            pending = "SELECT count(*) FROM outbox.events WHERE published_at IS NULL"
            done = lambda: relay.poll() is not None or self.one(pending) == 0  # noqa: E731
            eventually("everything is published", done)
            self.relay_command("replay", "--aggregate-id", "order-1", "--yes", "--note", "copies")
            eventually("the copies are published", done)
            if relay.poll() is not None:
                log.seek(0)
                raise RuntimeError(f"the relay ended: {log.read()}")
        finally:
            relay.terminate()
            relay.wait(LIMIT_SECONDS)


def queue_of(consumer: Client) -> str:
    return "clients." + consumer.name.lower().replace(" ", "-")


def eventually(what: str, holds, seconds: int = LIMIT_SECONDS) -> None:
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            raise TimeoutError(f"not within {seconds} s: {what}")
        time.sleep(0.1)


def judge_writer(stage: Stage, writer: Client, way: str) -> str:
    """Three processes change one order side by side; the events must be all there, exact, and in the order's own order."""
    order = "order-1" if (writer.name, way) == ("psycopg", "raw") else f"{writer.name}-{way}"
    stage.database.execute("INSERT INTO orders (id, version, total) VALUES (%s, 0, 0.10)", [order])
    command = [*writer.command, way, order, str(CHANGES)]
    running = [subprocess.Popen(command, env=stage.environment()) for _ in range(SIDE_BY_SIDE)]
    codes = [process.wait(LIMIT_SECONDS) for process in running]
    rows = stage.database.execute(
        """SELECT (payload->>'version')::int, payload->>'total', json_typeof(payload->'total'), headers->>'traceparent', correlation_id
           FROM outbox.events WHERE aggregate_id = %s ORDER BY seq""",
        [order],
    ).fetchall()
    expected = [(n, f"{10 * n}.10", "string") for n in range(1, CHANGES * SIDE_BY_SIDE + 1)]
    traced = all(trace and trace.split("-")[1] == correlation for *_, trace, correlation in rows)
    is_right = codes == [0] * SIDE_BY_SIDE and [row[:3] for row in rows] == expected and traced
    if not is_right:
        print(f"{writer.name} {way}: exit codes {codes}, {len(rows)} events, traced {traced}, {rows[:3]}", file=sys.stderr)
    return GREEN if is_right else RED


def effects(stage: Stage, consumer: Client) -> list[tuple]:
    sql = "SELECT order_id, version, event_type, total::text, trace_id FROM effects WHERE consumer = %s ORDER BY n"
    return stage.database.execute(sql, [consumer.name]).fetchall()


def run_consumer(stage: Stage, consumer: Client) -> None:
    """One is killed in the middle, another takes over; both must see failures, copies and what the first had unacknowledged."""
    stage.database.execute("ALTER SEQUENCE failures RESTART")
    events = stage.one("SELECT count(*) FROM outbox.events")
    handled = lambda: stage.one("SELECT count(*) FROM effects WHERE consumer = %s", consumer.name)  # noqa: E731
    log = tempfile.TemporaryFile("w+")
    start = lambda: subprocess.Popen(consumer.command, env=stage.environment(consumer), stdout=log, stderr=log)  # noqa: E731
    running = [start()]
    try:
        eventually("a third is handled", lambda: handled() >= events // 3)
        running.append(start())
        running[0].send_signal(signal.SIGKILL)
        eventually("all is handled", lambda: handled() >= events)
        eventually("the queue is empty", lambda: messages(queue_of(consumer)) == 0)
        running[1].terminate()
        running[1].wait(LIMIT_SECONDS)
    except TimeoutError as error:
        log.seek(0)
        print(f"{consumer.name}: {error}; {handled()} of {events}\n{log.read()}", file=sys.stderr)
    finally:
        for process in running:
            process.kill()
            process.wait(LIMIT_SECONDS)


def messages(queue: str) -> int:
    """Ready and unacknowledged."""
    url = urllib.parse.urlsplit(os.environ["MANAGEMENT_URL"])
    manager = urllib.request.HTTPPasswordMgrWithPriorAuth()
    base = f"{url.scheme}://{url.hostname}:{url.port}"
    manager.add_password(None, base, url.username, url.password, is_authenticated=True)
    opener = urllib.request.build_opener(urllib.request.HTTPBasicAuthHandler(manager))
    with opener.open(f"{base}/api/queues/%2f/{urllib.parse.quote(queue)}", timeout=10) as answer:
        return json.load(answer).get("messages", -1)


def judge_consumer(stage: Stage, consumer: Client) -> dict[str, str]:
    run_consumer(stage, consumer)
    seen = effects(stage, consumer)
    sent = stage.database.execute(
        """SELECT aggregate_id, (payload->>'version')::int, event_type, payload->>'total', split_part(headers->>'traceparent', '-', 2)
           FROM outbox.events"""
    ).fetchall()
    versions: dict[str, list[int]] = {}
    for order, version, *_ in seen:
        versions.setdefault(order, []).append(version)
    facts = {
        "types": sorted(row[:4] for row in seen) == sorted(row[:4] for row in sent),
        "dedupe": len(seen) == len(set(seen)) == len(sent),
        "order": bool(seen) and all(of_order == sorted(of_order) for of_order in versions.values()),
        "failure": stage.one("SELECT last_value FROM failures") >= 3 and 3 in versions.get("order-1", []),
        "trace": {(row[0], row[1], row[4]) for row in seen} == {(row[0], row[1], row[4]) for row in sent},
    }
    for case, holds in facts.items():
        if not holds:
            print(f"{consumer.name}: {case} does not hold: {len(seen)} effects of {len(sent)} events", file=sys.stderr)
    return {case: GREEN if facts[case] else RED for case in CASES}


def table(writers: dict, consumers: dict) -> str:
    ways = ["raw", "helper", "batch", "entity"]
    lines = ["| writer | " + " | ".join(ways) + " |", "|---" * (len(ways) + 1) + "|"]
    for name, cells in writers.items():
        lines.append(f"| {name} | " + " | ".join(cells.get(way, "–") for way in ways) + " |")
    lines += ["", "| consumer | " + " | ".join(CASES) + " |", "|---" * (len(CASES) + 1) + "|"]
    for name, cells in consumers.items():
        lines.append(f"| {name} | " + " | ".join(cells[case] for case in CASES) + " |")
    return "\n".join(lines) + "\n"


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("--languages", default="python,node,go,java")
    arguments.add_argument("--page", action="store_true", help="write the table into docs/clients.md")
    options = arguments.parse_args()
    languages = options.languages.split(",")
    stage, writers, consumers = Stage(), {}, {}
    chosen = [client for client in CONSUMERS if client.language in languages]
    stage.set(chosen)
    for writer in WRITERS:
        # order-1 is what the consumers fail at, so psycopg writes in any case.
        if writer.language in languages or writer.name == "psycopg":
            writers[writer.name] = {way: judge_writer(stage, writer, way) for way in writer.ways}
            print(f"writer {writer.name}: {writers[writer.name]}", flush=True)
    stage.publish()
    for consumer in chosen:
        consumers[consumer.name] = judge_consumer(stage, consumer)
        print(f"consumer {consumer.name}: {consumers[consumer.name]}", flush=True)
    text = table(writers, consumers)
    print("\n" + text)
    if options.page:
        before, rest = PAGE.read_text().split(BEGIN)
        PAGE.write_text(before + BEGIN + text + END + rest.split(END)[1])
    return 1 if RED in text else 0


if __name__ == "__main__":
    sys.exit(main())
