"""The dashboard: every query asks for what the relay exports, and Prometheus can read it."""

import json
import re

import yaml

from . import alerts
from .report import CHART, WORK, Findings


# As Grafana replaces them; every one is a selection of several values.
VARIABLES = {"__rate_interval": "1m", "job": "(outbox-relay|another)", "pod": ".*", "vhost": ".*", "queue": ".*"}


def load() -> dict:
    return json.loads((CHART / "files/dashboard.json").read_text())


def queries() -> list[tuple[str, str]]:
    """Every query, with its panel's title; variables as Grafana would replace them."""
    found = []
    for panel in load()["panels"]:
        for target in panel.get("targets", []):
            expression = target["expr"]
            for variable, value in VARIABLES.items():
                expression = expression.replace(f"${variable}", value)
            found.append((panel["title"], expression))
    return found


def is_external(expression: str) -> bool:
    return "rabbitmq_" in expression


def check(found: Findings) -> None:
    """Everything about the dashboard."""
    dashboard = load()
    found.check(len(queries()) > 20, "the dashboard has its queries")
    found.check("uid" not in dashboard, "two releases' dashboards in one Grafana: it has no uid of its own")
    variables = {one["name"]: one for one in dashboard["templating"]["list"]}
    found.check(set(variables) == set(VARIABLES) - {"__rate_interval"} | {"datasource"}, f"the variables: {set(variables)}")
    for name in set(variables) - {"datasource"}:
        found.check(variables[name]["multi"] and variables[name]["includeAll"], f"the variable {name} takes several values, and All")
    titles = [panel["title"] for panel in dashboard["panels"]]
    found.check(len(set(titles)) == len(titles), "every panel has a title of its own")
    for panel in dashboard["panels"]:
        wants = panel["type"] != "row"
        found.check(not wants or panel.get("description"), f"the panel {panel['title']} says what it shows")
        found.check(not wants or panel["fieldConfig"]["defaults"].get("unit"), f"the panel {panel['title']} has a unit")
        found.check(bool(panel.get("targets")) == wants, f"the panel {panel['title']} has queries")
    rules = []
    for number, (title, expression) in enumerate(queries()):
        alerts.check_series(found, f"the panel {title}", expression)
        left = re.findall(r"\$\w+", expression)
        found.check("=" in expression, f"the panel {title} asks for the relays or queues that are chosen")
        found.check(not left, f"the panel {title}: an unknown variable: {left}")
        rules.append({"record": f"panel:{number}", "expr": expression})
    WORK.mkdir(parents=True, exist_ok=True)
    (WORK / "dashboard.yaml").write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    result = alerts.promtool("check", "rules", str(WORK / "dashboard.yaml"))
    # Two panels may ask the same.
    found.check(result.returncode == 0, f"promtool reads every query: {result.stdout}{result.stderr}")
