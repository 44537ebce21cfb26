"""The rendered manifests: what they were, what Kubernetes takes, and what every pod of ours promises."""

import contextlib
import os
import sys

import helm_python as helm
import kubernetes_validate

from . import rendering
from .report import CHART, ROOT, TESTS, WORK, Findings

# The oldest that the chart allows, the one where native sidecars became stable, and the newest there is a schema of.
KUBERNETES = ["1.29", "1.33", kubernetes_validate.latest_version()]
# The operator's own; promtool reads the rules, and a PodMonitor is compared with its snapshot.
WITHOUT_SCHEMA = {"PodMonitor", "PrometheusRule"}
SECURITY = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}
# What a set of values adds to it.
CUSTOM_SECURITY = {"custom": {"runAsUser": 20000}}
PROBES = {
    "livenessProbe": {"httpGet": {"path": "/livez", "port": "outbox-metrics"}, "timeoutSeconds": 5, "failureThreshold": 3},
    "readinessProbe": {"httpGet": {"path": "/readyz", "port": "outbox-metrics"}, "timeoutSeconds": 5},
}


def all_sets() -> dict[str, dict[str, str]]:
    """The manifests of every set of values, and of the example service."""
    return {name: rendering.render(values) for name, values in rendering.value_sets().items()} | {"sidecar": rendering.render_example()}


def check_snapshot(found: Findings, name: str, rendered: dict[str, str], update: bool) -> None:
    """Nothing changes unseen. The dashboard is left out: it is a file of its own."""
    texts = [f"---\n# {template}\n{text.strip()}\n" for template, text in rendered.items() if "dashboard" not in template]
    path, text = TESTS / "snapshots" / f"{name}.yaml", "".join(texts)
    if update:
        path.write_text(text)
    there = path.read_text() if path.exists() else ""
    found.check(there == text, f"{path.relative_to(ROOT)} is not what the chart renders: make chart UPDATE=1, and look at the difference")


def check_kubernetes(found: Findings, name: str, rendered: dict[str, str]) -> None:
    """Kubernetes takes every resource, without a field that it does not know."""
    for one in rendering.resources(rendered):
        where = f"{name}: {one['kind']} {one['metadata']['name']}"
        elsewhere = name == "custom" and one["kind"] in {"PodMonitor", "PrometheusRule"} or "dashboard" in one["metadata"]["name"]
        wanted = {rendering.NAMESPACE, "monitoring"} if elsewhere else {rendering.NAMESPACE}
        found.check(one["metadata"].get("namespace") in wanted, f"{where} names its namespace")
        for version in [] if one["kind"] in WITHOUT_SCHEMA else KUBERNETES:
            try:
                kubernetes_validate.validate(one, version, strict=True)
                found.check(True, "")
            except (kubernetes_validate.ValidationError, kubernetes_validate.SchemaNotFoundError) as error:
                found.check(False, f"{where} on Kubernetes {version}: {error.message}")


def check_pods(found: Findings, name: str, rendered: dict[str, str]) -> None:
    """The profile restricted, no token, secrets as files, and the probes."""
    for where, pod in rendering.pods(rendered):
        found.check(pod.get("automountServiceAccountToken") is False, f"{name}: {where} has no token of a service account")
        ours = [one for one in pod.get("initContainers", []) + pod["containers"] if one["name"] in {"outbox-relay", "migrate", "check"}]
        for container in ours:
            wanted = SECURITY | CUSTOM_SECURITY.get(name, {})
            found.check(container["securityContext"] == wanted, f"{name}: {where} is as restricted as it should be")
            found.check("cpu" not in container["resources"]["limits"], f"{name}: {where} has no limit of its CPU")
            found.check("memory" in container["resources"]["limits"], f"{name}: {where} has a limit of its memory")
            secret = [one["name"] for one in container["env"] if "valueFrom" in one]
            found.check(not secret, f"{name}: {where} has secrets in its environment: {secret}")
            found.check(all(one["readOnly"] for one in container.get("volumeMounts", [])), f"{name}: {where} mounts read-only")
            mounted, there = ({one["name"] for one in some} for some in (container.get("volumeMounts", []), pod.get("volumes", [])))
            found.check(mounted <= there, f"{name}: {where} mounts volumes that its pod has: {mounted - there}")
            if container["name"] == "outbox-relay" and name != "custom":
                for probe, wanted in PROBES.items():
                    found.check(container[probe] == wanted, f"{name}: the {probe} of {where}")
                found.check("startupProbe" not in container, f"{name}: {where} waits for nothing when it starts")


def check_modes(found: Findings, sets: dict[str, dict[str, str]]) -> None:
    """What each mode has, and what it has not."""
    kinds = {name: [one["kind"] for one in rendering.resources(rendered)] for name, rendered in sets.items()}
    found.check(sorted(kinds["minimal"]) == ["Deployment", "Job", "Pod", "PodDisruptionBudget"], f"minimal: {kinds['minimal']}")
    found.check(kinds["one-relay"] == ["Deployment", "Pod"], f"one relay has no budget: {kinds['one-relay']}")
    (pod,) = (pod for where, pod in rendering.pods(sets["sidecar"]) if where.startswith("Deployment"))
    (relay,) = pod["initContainers"]
    found.check(relay["restartPolicy"] == "Always", "the sidecar is a native one")
    found.check(kinds["sidecar"].count("Deployment") == 1, "as a sidecar it has no Deployment of its own")
    found.check("PodDisruptionBudget" not in kinds["sidecar"], "as a sidecar it has no budget of its own")
    labels = {"app.kubernetes.io/name": "order-service"}
    for one in rendering.resources(sets["sidecar"]):
        if one["kind"] == "PodMonitor":
            found.check(one["spec"]["selector"]["matchLabels"] == labels, "the PodMonitor finds the service's pods")
    for one in rendering.resources(sets["full"]):
        if one["kind"] == "Job":
            hooks = one["metadata"]["annotations"]["helm.sh/hook"]
            found.check(hooks == "pre-install,pre-upgrade", f"the migration is before the relays: {hooks}")


@contextlib.contextmanager
def silenced():
    """Without standard error: Helm writes there of every `fail` that linting passes over. What it finds it returns."""
    sys.stderr.flush()
    kept, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nothing, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nothing)


def check(found: Findings, update: bool) -> None:
    """Everything about the manifests."""
    sets = all_sets()
    # The example with the relay's chart below it, as all_sets has left it.
    for path in (CHART, WORK / "example"):
        with silenced():
            messages = helm.lint(str(path), strict=True, quiet=True)["messages"]
        wrong = [one for one in messages if one["severity"] > 1]
        found.check(not wrong, f"helm lint {path.name}: {wrong}")
    for name, rendered in sets.items():
        check_snapshot(found, name, rendered, update)
        check_kubernetes(found, name, rendered)
        check_pods(found, name, rendered)
    check_modes(found, sets)
