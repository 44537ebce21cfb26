"""`make chart`: everything that needs no service."""

import os
import re
import tomllib

import yaml

from . import alerts, cluster, dashboard, manifests, values
from .report import CHART, EXAMPLE, ROOT, Findings, say


def check_versions(found: Findings) -> None:
    """The version has one place, Cargo.toml; the Dockerfile builds with the Rust that it names."""
    package = tomllib.loads((ROOT / "Cargo.toml").read_text())["package"]
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    found.check(chart["version"] == chart["appVersion"] == package["version"], f"Chart.yaml has another version than Cargo.toml: {package['version']}")
    (dependency,) = yaml.safe_load((EXAMPLE / "Chart.yaml").read_text())["dependencies"]
    found.check(dependency["version"] == chart["version"], "the example depends on this version")
    builder = re.search(r"^ARG BUILDER=.*rust:([0-9.]+)-", (ROOT / "Dockerfile").read_text(), re.M)
    found.check(builder and builder[1] == package["rust-version"], "the Dockerfile's builder is the rust-version of Cargo.toml")


def check_compose(found: Findings) -> None:
    """compose.yaml sets what the program reads."""
    from . import program

    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    for name in ("migrate", "relay"):
        names = {one for one in services[name]["environment"] if one.startswith("OUTBOX_")}
        found.check(names and names <= set(program.flags("run").values()), f"compose.yaml: {name} gets {names}")
        command, *flags = services[name]["command"]
        found.check(command in {"run", "migrate"}, f"compose.yaml: {name} runs a command of the program")
        unknown = {flag.split("=")[0] for flag in flags} - set(program.flags(command))
        found.check(not unknown, f"compose.yaml: {name} has no flags {unknown}")
    roles = set(re.findall(r"^CREATE ROLE (\w+)", (ROOT / "dev/compose/roles.sql").read_text(), re.M))
    given = {flag.split("=")[1] for flag in services["migrate"]["command"] if "-role=" in flag}
    found.check(given == roles, f"compose.yaml grants to the roles that there are: {given ^ roles}")
    logins = {name: re.match(r"postgres://(\w+):", services[name]["environment"]["OUTBOX_DATABASE_URL"])[1] for name in ("migrate", "relay")}
    found.check(logins == {"migrate": "owner", "relay": "relay"}, f"compose.yaml: the relay is not the owner of its tables: {logins}")


def main() -> int:
    """The exit code."""
    found, update = Findings(), os.environ.get("UPDATE") == "1"
    say("values, README, schema, flags")
    values.check(found, update)
    say("manifests")
    manifests.check(found, update)
    say("what clusters ask for")
    cluster.check(found)
    say("alerts and runbooks")
    alerts.check(found)
    say("dashboard")
    dashboard.check(found)
    check_versions(found)
    check_compose(found)
    return found.end()
