"""A private PostgreSQL and RabbitMQ (dev/services) for the checks that need real ones. Standard library only."""

import base64
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.parse
import urllib.request

from .report import ROOT, Failed


SERVICES = ROOT / "dev/services"
given: dict[str, str] = {}


@contextlib.contextmanager
def private(purpose: str):
    """Servers of our own while the block runs; also removed when it fails or is told to end."""
    name = f"{purpose}-{os.getpid()}"
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        started = subprocess.run([SERVICES, "start", name], check=True, stdout=subprocess.PIPE, text=True, timeout=300)
        given.update(line.split("=", 1) for line in started.stdout.splitlines() if "=" in line)
        given["instance"] = name
        yield
    finally:
        subprocess.run([SERVICES, "remove", name], check=True, timeout=120)


def address(name: str) -> str:
    """DATABASE_URL, AMQP_URL or MANAGEMENT_URL of the private servers."""
    return given[name]


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def get(url: str) -> str:
    """The body of a page; an error unless the answer is 2xx."""
    with urllib.request.urlopen(url, timeout=5) as answer:
        return answer.read().decode()


def sql(statement: str, database: str) -> str:
    """What psql answers, unaligned."""
    url = urllib.parse.urlsplit(address("DATABASE_URL"))._replace(path=f"/{database}").geturl()
    psql = subprocess.run(["bash", "-c", '. "$0"; find_postgres_bin', str(ROOT / "dev/lib/common.sh")], capture_output=True, text=True, check=True)
    command = [f"{psql.stdout.strip()}/psql", "--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1", url]
    answer = subprocess.run(command, input=statement, capture_output=True, text=True, timeout=30)
    if answer.returncode:
        raise Failed(f"psql: {answer.stderr.strip()}")
    return answer.stdout.strip()


def management(method: str, path: str, body: object = None) -> object:
    """A request to RabbitMQ's management API; {vhost} in the path is the vhost `/`."""
    url = urllib.parse.urlsplit(address("MANAGEMENT_URL"))
    request = urllib.request.Request(
        f"{url.scheme}://{url.hostname}:{url.port}/api/{path.format(vhost='%2f')}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={
            "content-type": "application/json",
            "authorization": "Basic " + base64.b64encode(f"{url.username}:{url.password}".encode()).decode(),
        },
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        text = answer.read()
        return json.loads(text) if text else None


def bind_queue(queue: str, exchange: str) -> None:
    """A durable queue that gets everything of a topic exchange."""
    management("PUT", f"exchanges/{{vhost}}/{exchange}", {"type": "topic", "durable": True})
    management("PUT", f"queues/{{vhost}}/{queue}", {"durable": True})
    management("POST", f"bindings/{{vhost}}/e/{exchange}/q/{queue}", {"routing_key": "#"})


def take(queue: str) -> list:
    """Up to 100 messages of a queue, acknowledged."""
    ask = {"count": 100, "ackmode": "ack_requeue_false", "encoding": "auto"}
    return management("POST", f"queues/{{vhost}}/{queue}/get", ask)


def broker(verb: str) -> None:
    """start or stop, of the private broker alone."""
    subprocess.run([SERVICES, verb, given["instance"], "rabbitmq"], check=True, stdout=subprocess.DEVNULL, timeout=180)
