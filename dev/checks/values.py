"""The chart's values: documented, in the schema, and flags that the program has. Writes the chart's README."""

import itertools
import json
import re

import yaml

from . import program, rendering
from .report import CHART, Failed, Findings

# A secret is given as a file, never as a variable.
BY_FILE_ALONE = {"OUTBOX_DATABASE_USER", "OUTBOX_DATABASE_PASSWORD", "OUTBOX_AMQP_USER", "OUTBOX_AMQP_PASSWORD"}
HEADING = "## Values\n"


def documented() -> list[tuple[str, object, str]]:
    """Every leaf of values.yaml: its path, its default, the comment above it."""
    lines = (CHART / "values.yaml").read_text().splitlines()
    default = yaml.safe_load("\n".join(lines))
    path: list[tuple[int, str]] = []
    comment: list[str] = []
    found = []
    for number, line in enumerate(lines):
        if match := re.match(r"^( *)([A-Za-z][A-Za-z0-9]*):(.*)$", line):
            indent = len(match[1])
            path = [one for one in path if one[0] < indent] + [(indent, match[2])]
            if match[3].strip() or is_whole(lines[number + 1 :], indent):
                found.append((".".join(key for _, key in path), find(default, path), " ".join(comment)))
            comment = []
        elif line.strip().startswith("# "):
            comment.append(line.strip().removeprefix("# "))
        elif not line.strip():
            comment = []
    # What is below a leaf (an item of a list) is no value of its own.
    leaves = {name for name, _, _ in found}
    return [one for one in found if not any(one[0].startswith(f"{leaf}.") for leaf in leaves)]


def is_whole(following: list[str], indent: int) -> bool:
    """Whether what is below a key is one value, a list or an object of Kubernetes': nothing in it is explained by itself."""
    block = list(itertools.takewhile(lambda line: line.startswith(" " * (indent + 1)), following))
    return bool(block) and not any(line.strip().startswith("# ") for line in block)


def find(tree: object, path: list[tuple[int, str]]) -> object:
    for _, key in path:
        tree = tree.get(key) if isinstance(tree, dict) else None
    return tree


def camel_to_variable(name: str) -> str:
    return "OUTBOX_" + re.sub(r"([A-Z])", r"_\1", name).upper()


def readme() -> str:
    """The chart's README: its head as it is, and the table of values."""
    head = (CHART / "README.md").read_text().split(HEADING)[0]
    text = head + HEADING + "\nWritten from the comments of `values.yaml` (`make chart UPDATE=1`).\n\n| value | default | |\n|---|---|---|\n"
    alerts = "| alert | when | for | severity | threshold |\n|---|---|---|---|---|\n"
    for name, default, comment in documented():
        if name.startswith("prometheusRule.alerts."):
            cells = (default["for"], default["severity"], default.get("threshold", "–"))
            alerts += f"| [{name.split('.')[-1]}](../../docs/runbooks/{name.split('.')[-1]}.md) | {comment} | {' | '.join(map(str, cells))} |\n"
        else:
            text += f"| `{name}` | `{json.dumps(default, ensure_ascii=False)}` | {comment.replace('|', chr(92) + '|')} |\n"
    return text + "\n## Alerts\n\nEach is a value below `prometheusRule.alerts`.\n\n" + alerts


def check_schema(found: Findings) -> None:
    """Every value is in the schema, every property of the schema is a value, and nothing else is allowed."""

    def walk(schema: dict, value: object, path: str) -> None:
        if schema.get("additionalProperties") is not False:
            return
        names, known = set(schema["properties"]), set(value)
        found.check(names == known, f"values.schema.json and values.yaml differ at {path or 'the top'}: {names ^ known}")
        for name in names & known:
            if isinstance(value[name], dict):
                found.check(schema["properties"][name].get("type") == "object", f"{path}.{name} is an object")
                walk(schema["properties"][name], value[name], f"{path}.{name}")

    walk(json.loads((CHART / "values.schema.json").read_text()), yaml.safe_load((CHART / "values.yaml").read_text()), "")


def check_flags(found: Findings) -> None:
    """Whatever the chart sets, the program has; whatever `run` has, the chart can set."""
    run, migrate = program.flags("run"), program.flags("migrate")
    variables = set(run.values())
    default = yaml.safe_load((CHART / "values.yaml").read_text())
    for name in default["relay"]:
        found.check(camel_to_variable(name) in variables, f"relay.{name} is no flag of `outbox-relay run`")
    used: set[str] = set()
    rendered = [rendering.render(values) for values in rendering.value_sets().values()] + [rendering.render_example()]
    for _, pod in (pod for one in rendered for pod in rendering.pods(one)):
        for container in pod.get("initContainers", []) + pod["containers"]:
            names = {one["name"] for one in container.get("env", []) if one["name"].startswith("OUTBOX_")}
            own = set(migrate.values()) if container["name"] == "migrate" else variables
            own_flags = set(run if container["name"] == "outbox-relay" else migrate)
            found.check(names <= own, f"{container['name']} gets variables that the program does not read: {names - own}")
            flags = {word.split("=")[0] for word in container.get("args", []) if word.startswith("--")}
            found.check(flags <= own_flags, f"{container['name']} gets flags that the program does not have: {flags - own_flags}")
            used |= names
    missing = variables - used - BY_FILE_ALONE
    found.check(not missing, f"`run` has flags that the chart's examples never set: {missing}")


def check_refused(found: Findings) -> None:
    """Values that would make a relay that cannot work are refused before anything is installed."""
    minimal = rendering.value_sets()["minimal"]
    cases = [
        ({"database": {"secret": {"name": ""}}}, "how is the database reached"),
        ({"broker": {"secret": {"name": ""}}}, "how is the broker reached"),
        ({"broker": {"url": "amqp://mq", "secret": {"name": "", "user": "user"}}}, "broker.secret.name is needed"),
        ({"routes": {"file": "x", "configMap": "y"}}, "give one of them"),
        ({"mode": "sidecar", "podMonitor": {"enabled": True}}, "sidecar.podSelector"),
        ({"mode": "sidecar", "sidecar": {"podSelector": {"a": "b"}}, "networkPolicy": {"enabled": True}}, "extraIngress"),
        ({"mode": "daemonset"}, "mode"),
        ({"enabled": False}, "leave the chart out"),
        ({"relay": {"pollIntervall": "1s"}}, "pollIntervall"),
        ({"relay": {"wake": "often"}}, "wake"),
        ({"relay": {"pollInterval": "soon"}}, "pollInterval"),
        ({"prometheusRule": {"alerts": {"OutboxSomething": {"enabled": True}}}}, "OutboxSomething"),
    ]
    for values, words in cases:
        try:
            rendering.render(minimal | values)
            found.check(False, f"these values are accepted: {values}")
        except Failed as error:
            found.check(words in str(error), f"{values} is refused, but not for {words!r}: {error}")


def check(found: Findings, update: bool) -> None:
    """Everything about the values."""
    for name, _, comment in documented():
        found.check(comment, f"values.yaml says nothing about {name}")
    text = readme()
    if update:
        (CHART / "README.md").write_text(text)
    found.check((CHART / "README.md").read_text() == text, "helm/outbox-relay/README.md is not what values.yaml says: make chart UPDATE=1")
    check_schema(found)
    check_flags(found)
    check_refused(found)
