"""A real Prometheus, with the chart's own rules, beside a real relay: the alert for a stopped broker fires and ends, and every query of
the dashboard is answered. RELAY names the program (dev/check-alerts builds it)."""

import contextlib
import json
import os
import subprocess
import time
import urllib.parse
from pathlib import Path

import yaml

from . import dashboard, rendering, services
from .report import ROOT, WORK, Failed, Findings, eventually, say

ALERT = "OutboxBrokerDisconnected"
FOLDER = WORK / "live"
# Shorter than in production, so that the test is short; the rules are otherwise those of the chart.
FOR = "5s"


def values(port: int) -> dict:
    """The monitoring set, for this target."""
    alerts = {ALERT: {"for": FOR}, "OutboxOldestPendingHigh": {"for": FOR, "threshold": 3}}
    wanted = rendering.value_sets()["monitoring"]
    wanted["prometheusRule"] |= {"selector": 'job="outbox-relay"', "alerts": alerts, "kubernetes": {"enabled": False}, "external": {"enabled": False}, "orderService": {"enabled": False}}
    wanted["adminPort"] = port
    return wanted


def configure(relay_port: int) -> None:
    """Prometheus' two files: where the relay is, and the chart's rules."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / "rules.yaml").write_text(yaml.safe_dump(rendering.rules(rendering.render(values(relay_port)))))
    target = {"targets": [f"127.0.0.1:{relay_port}"], "labels": {"pod": "shop-0"}}
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(FOLDER / "rules.yaml")],
        "scrape_configs": [{"job_name": "outbox-relay", "static_configs": [target]}],
    }
    (FOLDER / "prometheus.yaml").write_text(yaml.safe_dump(config))


@contextlib.contextmanager
def running(name: str, *command: str, environment: dict[str, str] | None = None):
    """A program while the block runs; its output goes to a file."""
    log = FOLDER / f"{name}.log"
    process = subprocess.Popen(command, stdout=log.open("w"), stderr=subprocess.STDOUT, env=environment)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=40)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(timeout=10)


class Prometheus:
    """What it knows."""

    def __init__(self, port: int) -> None:
        self.base = f"http://127.0.0.1:{port}"

    def ask(self, path: str, **parameters: str) -> dict:
        answer = json.loads(services.get(f"{self.base}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"))
        return answer["data"]

    def firing(self) -> dict[str, dict]:
        """The alerts that fire, by name."""
        return {one["labels"]["alertname"]: one for one in self.ask("alerts")["alerts"] if one["state"] == "firing"}


def insert(count: int) -> None:
    """Rows, as an order service writes them."""
    services.sql(
        "INSERT INTO outbox.events (aggregate_type, aggregate_id, event_type, payload)"
        f" SELECT 'Order', 'order-' || n, 'order.paid', '{{}}' FROM generate_series(1, {count}) n",
        "shop",
    )


def all_published() -> bool:
    return services.sql("SELECT count(*) FROM outbox.events WHERE published_at IS NULL", "shop") == "0"


def check_outage(found: Findings, prometheus: Prometheus) -> None:
    """The broker goes, the alert comes; the broker comes, the alert goes, and nothing was lost."""
    eventually("the first rows are published", 60, all_published)
    eventually("the relay is scraped", 60, lambda: prometheus.ask("query", query='outbox_broker_connected{job="outbox-relay"} == 1')["result"])
    # Long enough for whatever would fire without a reason.
    time.sleep(10)  # an observation, not a synchronisation
    found.check(not prometheus.firing(), f"nothing fires while all is well: {list(prometheus.firing())}")
    say("stopping the broker")
    services.broker("stop")
    insert(20)
    alert = eventually(f"{ALERT} fires", 120, lambda: prometheus.firing().get(ALERT))
    found.check(alert["labels"]["severity"] == "critical", "it is critical")
    found.check("shop-0 is not connected" in alert["annotations"]["description"], f"it names the relay: {alert['annotations']}")
    page = ROOT / alert["annotations"]["runbook_url"]
    found.check(page.is_file(), "its runbook is there")
    eventually("OutboxOldestPendingHigh fires", 120, lambda: prometheus.firing().get("OutboxOldestPendingHigh"))
    found.check("OutboxDeadLetters" not in prometheus.firing(), "nothing was given up")
    say("starting the broker")
    services.broker("start")
    eventually(f"{ALERT} ends", 180, lambda: ALERT not in prometheus.firing())
    eventually("the rows of the outage are published", 60, all_published)
    eventually("everything ends", 180, lambda: not prometheus.firing())
    found.check(services.sql("SELECT count(*) FROM outbox.dead_letters", "shop") == "0", "nothing is a dead letter")


def check_dashboard(found: Findings, prometheus: Prometheus) -> None:
    """Each query is answered; those about the relay with a series."""
    insert(50)
    eventually("these are published", 60, all_published)
    for title, expression in dashboard.queries():
        try:
            # A rate's window is a minute there; the relay has been scraped for longer.
            result = prometheus.ask("query", query=expression)["result"]
        except OSError as error:
            found.check(False, f"the panel {title}: {expression}: {error}")
            continue
        only_trouble = expression.endswith("> 0") or dashboard.is_external(expression)
        found.check(only_trouble or result, f"the panel {title} is empty: {expression}")


def main() -> int:
    """The exit code."""
    found = Findings()
    program, server = os.environ.get("RELAY"), ROOT / "target/dev/tools/prometheus"
    if not program or not Path(program).is_file():
        raise Failed("RELAY does not name the program")
    relay_port, prometheus_port = services.free_port(), services.free_port()
    with services.private("alerts"):
        services.sql("CREATE DATABASE shop", "postgres")
        url = urllib.parse.urlsplit(services.address("DATABASE_URL"))._replace(path="/shop").geturl()
        settings = {"PATH": os.environ["PATH"], "OUTBOX_DATABASE_URL": url, "OUTBOX_AMQP_URL": services.address("AMQP_URL")}
        settings["OUTBOX_ADMIN_ADDR"] = f"127.0.0.1:{relay_port}"
        subprocess.run([program, "migrate"], env=settings, check=True, timeout=60, stdout=subprocess.DEVNULL)
        services.bind_queue("orders", "order.events")
        insert(100)
        configure(relay_port)
        storage = [f"--config.file={FOLDER / 'prometheus.yaml'}", f"--storage.tsdb.path={FOLDER / f'data-{os.getpid()}'}"]
        listen = f"--web.listen-address=127.0.0.1:{prometheus_port}"
        with running("relay", program, "run", environment=settings), running("prometheus", str(server), *storage, listen):
            prometheus = Prometheus(prometheus_port)
            eventually("Prometheus answers", 60, lambda: prometheus.ask("query", query="vector(1)"))
            check_outage(found, prometheus)
            check_dashboard(found, prometheus)
    return found.end()
