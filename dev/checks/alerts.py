"""The alerts: their own tests by promtool, what they ask for, and where they lead. Used by the check of the chart and by `live`."""

import json
import re
import subprocess
from pathlib import Path

import yaml

from . import program, rendering
from .report import CHART, ROOT, TESTS, WORK, Findings

RUNBOOKS = ROOT / "docs/runbooks"
# What others export: Prometheus itself, kube-state-metrics, postgres_exporter, rabbitmq_prometheus, and the order service (docs/runbooks/README.md).
FOREIGN = {
    "up": {"job", "pod", "instance"},
    "kube_pod_container_status_waiting_reason": {"reason"},
    "kube_pod_init_container_status_waiting_reason": {"reason"},
    "pg_stat_activity_max_tx_duration": {"datname", "state", "server"},
    "rabbitmq_detailed_queue_messages_ready": {"vhost", "queue"},
    "rabbitmq_detailed_queue_messages_unacked": {"vhost", "queue"},
    "rabbitmq_detailed_queue_consumers": {"vhost", "queue"},
    "order_notification_failed_total": {"type"},
    "order_notification_sent_total": {"type"},
    "order_product_discrepancies_total": {"kind"},
}
# What scraping adds.
TARGET = {"job", "instance", "pod", "namespace", "container"}
OPERATORS = {"and", "or", "unless", "bool", "offset"}


def promtool(*arguments: str) -> subprocess.CompletedProcess:
    """promtool of dev/install."""
    own = ROOT / "target/dev/tools/promtool"
    return subprocess.run([own if own.exists() else "promtool", *arguments], capture_output=True, text=True, timeout=600)


def series_of(expression: str) -> dict[str, set[str]]:
    """The series that an expression asks for, each with the labels that it names in braces."""
    bare = re.sub(r'"[^"]*"', '""', expression)
    bare = re.sub(r"\b(by|without|on|ignoring|group_left|group_right)\s*(\([^)]*\))?", " ", bare)
    found: dict[str, set[str]] = {}
    # A name and what follows it: its labels, the bracket of a function, or nothing. The m of 5m is no name.
    for name, labels in re.findall(r"(?<!\w)([a-zA-Z_:][\w:]*)\s*(\{[^}]*\}|\(|)", bare):
        if labels != "(" and name not in OPERATORS:
            found.setdefault(name, set()).update(re.findall(r"(\w+)\s*[=!]", labels))
    return found


def grouping(expression: str) -> set[str]:
    """The labels that an expression groups by."""
    return {label.strip() for group in re.findall(r"\b(?:by|on)\s*\(([^)]*)\)", expression) for label in group.split(",") if label.strip()}


def check_series(found: Findings, where: str, expression: str) -> None:
    """Every series exists, with every label."""
    known = program.metrics() | FOREIGN
    series = series_of(expression)
    found.check(series, f"{where}: no series in {expression}")
    for name, labels in series.items():
        found.check(name in known, f"{where}: nobody exports {name}")
        missing = labels - known.get(name, labels) - TARGET
        found.check(not missing, f"{where}: {name} has no {missing}")
    labels = set().union(*(known.get(name, set()) for name in series)) | TARGET
    found.check(grouping(expression) <= labels, f"{where}: grouped by what is not there: {grouping(expression) - labels}")


def tests() -> list[dict]:
    """Every test of every file in helm/tests/alerts."""
    return [one for path in sorted((TESTS / "alerts").glob("*.yaml")) for one in yaml.safe_load(path.read_text())["tests"]]


def check_tested(found: Findings, alerts: list[dict]) -> None:
    """Each alert is seen firing, and seen not firing; what its texts name is a label that it has when it fires."""
    for alert in alerts:
        name = alert["alert"]
        asked = [one for test in tests() for one in test["alert_rule_test"] if one["alertname"] == name]
        fired = [expected["exp_labels"] for one in asked for expected in one["exp_alerts"]]
        found.check(fired, f"{name}: no test sees it fire")
        found.check(any(not one["exp_alerts"] for one in asked), f"{name}: no test sees it not fire")
        texts = alert["annotations"]["summary"] + alert["annotations"]["description"]
        named = set(re.findall(r"\$labels\.(\w+)", texts))
        found.check(all(named <= set(labels) for labels in fired), f"{name}: its texts name labels that it has not: {named}")
        kept = all({"namespace", "job"} <= set(labels) for labels in fired)
        found.check(kept, f"{name}: it keeps the namespace and the job of its series, or two releases raise one alert")


def bare(groups: dict) -> str:
    """The rules without their texts: tests would have to repeat them."""
    without = [{**group, "rules": [{key: value for key, value in rule.items() if key != "annotations"} for rule in group["rules"]]} for group in groups["groups"]]
    return yaml.safe_dump({"groups": without})


def for_both(text: str) -> str:
    """The tests of one release, played for two at once: every series and every alert is there twice."""

    def other(value: object) -> object:
        job = json.dumps(value).replace(f"{rendering.NAMESPACE}/{rendering.RELEASE}-", f"{rendering.OTHER_NAMESPACE}/{rendering.OTHER_RELEASE}-")
        return json.loads(job.replace(rendering.NAMESPACE, rendering.OTHER_NAMESPACE))

    document = yaml.safe_load(text) | {"rule_files": ["rules.yaml", "rules-billing.yaml"]}
    for test in document["tests"]:
        test["input_series"] += other(test["input_series"])
        for asked in test["alert_rule_test"]:
            asked["exp_alerts"] += other(asked["exp_alerts"])
    return yaml.safe_dump(document)


def check_promtool(found: Findings, groups: dict, other: dict) -> None:
    """promtool reads the rules and passes their tests: of one release, and of two beside each other."""
    folder = WORK / "alerts"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "complete.yaml").write_text(yaml.safe_dump(groups))
    result = promtool("check", "rules", str(folder / "complete.yaml"))
    found.check(result.returncode == 0, f"promtool check rules: {result.stdout}{result.stderr}")
    (folder / "rules.yaml").write_text(bare(groups))
    (folder / "rules-billing.yaml").write_text(bare(other))
    written = {path.name: path.read_text() for path in sorted((TESTS / "alerts").glob("*.yaml"))}
    written["relay-both.yaml"] = for_both(written["relay.yaml"])
    for name, text in written.items():
        (folder / name).write_text(text)
        result = promtool("test", "rules", str(folder / name))
        found.check(result.returncode == 0, f"promtool test rules {name}: {result.stdout}{result.stderr}")


def check_runbooks(found: Findings, alerts: list[dict]) -> None:
    """Each alert leads to a page of its own, which says what to do first; and there is no page without its alert."""
    pages = {path.stem for path in RUNBOOKS.glob("*.md")} - {"README"}
    names = {alert["alert"] for alert in alerts}
    found.check(pages == names, f"docs/runbooks and the alerts differ: {pages ^ names}")
    index = (RUNBOOKS / "README.md").read_text()
    for alert in alerts:
        name, url = alert["alert"], alert["annotations"]["runbook_url"]
        page = ROOT / url
        found.check(page.is_file(), f"{name}: its runbook_url leads nowhere: {url}")
        text = page.read_text() if page.is_file() else ""
        for heading in (f"# {name}", "## What it means", "## Diagnose", "## Fix", "## Escalate"):
            found.check(re.search(rf"^{re.escape(heading)}$", text, re.M), f"{name}.md lacks the heading {heading}")
        found.check(f"({name}.md)" in index, f"docs/runbooks/README.md does not name {name}")


def check(found: Findings) -> None:
    """Everything about the alerts, as the chart renders them with its default thresholds."""
    values = rendering.value_sets()["monitoring"]
    groups = rendering.rules(rendering.render(values))
    # What others export is the same for both releases.
    alone = values["prometheusRule"] | {one: {"enabled": False} for one in ("kubernetes", "external", "orderService")}
    other = rendering.rules(rendering.render(values | {"prometheusRule": alone}, rendering.OTHER_RELEASE, rendering.OTHER_NAMESPACE))
    alerts = [rule for group in groups["groups"] for rule in group["rules"]]
    settings = yaml.safe_load((CHART / "values.yaml").read_text())["prometheusRule"]["alerts"]
    found.check({alert["alert"] for alert in alerts} == set(settings), "every alert has its settings, and every setting its alert")
    for alert in alerts:
        check_series(found, alert["alert"], alert["expr"])
        left = re.findall(r"\$[A-Z]+", alert["expr"])
        found.check(not left, f"{alert['alert']}: not replaced: {left}")
        uses = "threshold" in settings[alert["alert"]]
        found.check(uses == ("$THRESHOLD" in source(alert["alert"])), f"{alert['alert']}: its threshold is used, if it has one")
    check_tested(found, alerts)
    check_promtool(found, groups, other)
    check_runbooks(found, alerts)
    check_commands(found)


def check_commands(found: Findings) -> None:
    """Every command that the pages tell people to type exists, with its flags."""
    commands = program.commands()
    for path in [*sorted(RUNBOOKS.glob("*.md")), ROOT / "docs/deploying.md", ROOT / "docs/moving.md"]:
        for words in re.findall(r"(?:^|[`$(] ?|-- )outbox-relay ((?:[a-z-]+ ?)+[^`\n]*)", path.read_text(), re.M):
            plain = words.split(" --")[0].split()
            # `dlq` alone is no command: it has commands of its own.
            known = [name for name in commands if not any(other.startswith(f"{name} ") for other in commands)]
            name = next((name for name in (" ".join(plain[:2]), plain[0]) if name in known), None)
            found.check(name, f"{path.name}: there is no command outbox-relay {words}")
            flags = set(re.findall(r"(?<!\S)(--[a-z-]+)", words.split("#")[0]))
            missing = flags - set(program.flags(name)) if name else set()
            found.check(not missing, f"{path.name}: outbox-relay {name} has no {missing}")


def source(name: str) -> str:
    """An alert's expression as files/alerts.yaml has it."""
    groups = yaml.safe_load(Path(CHART / "files/alerts.yaml").read_text())["groups"]
    return next(alert["expr"] for group in groups for alert in group["alerts"] if alert["alert"] == name)
