"""The charts as Helm renders them. Used by the checks of the chart."""

import shutil

import helm_python as helm
import yaml

from .report import CHART, EXAMPLE, TESTS, WORK, Failed

RELEASE, NAMESPACE = "shop", "orders"
# A second release beside it.
OTHER_RELEASE, OTHER_NAMESPACE = "pay", "billing"


class StrictLoader(yaml.SafeLoader):
    """As Kubernetes reads YAML: a key that comes twice is a mistake."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        keys = [key.value for key, _ in node.value]
        if twice := {key for key in keys if keys.count(key) > 1}:
            raise Failed(f"{twice} twice in one mapping: {node.start_mark}")
        return super().construct_mapping(node, deep)


def value_sets() -> dict[str, dict]:
    """The sets of values in helm/tests/values, by name."""
    return {path.stem: yaml.safe_load(path.read_text()) for path in sorted((TESTS / "values").glob("*.yaml"))}


def render(values: dict, release: str = RELEASE, namespace: str = NAMESPACE) -> dict[str, str]:
    """The chart's manifests by template; what Helm says where it refuses the values."""
    with helm.Chart.load(str(CHART)) as chart:
        return manifests(chart, values, release, namespace)


def render_example(values: dict | None = None) -> dict[str, str]:
    """The example service's chart with the relay's below it, as `helm dependency build` would put it."""
    folder = WORK / "example"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(EXAMPLE, folder)
    shutil.copytree(CHART, folder / "charts" / CHART.name)
    with helm.Chart.load(str(folder)) as chart:
        return manifests(chart, values or {})


def manifests(chart: helm.Chart, values: dict, release: str = RELEASE, namespace: str = NAMESPACE) -> dict[str, str]:
    try:
        chart.validate_schema(values)
        rendered = chart.render(values, name=release, namespace=namespace)
    except helm.HelmError as error:
        raise Failed(str(error)) from error
    return {name: text for name, text in sorted(rendered.items()) if text.strip() and not name.endswith("NOTES.txt")}


def resources(rendered: dict[str, str]) -> list[dict]:
    """Every Kubernetes resource of the manifests."""
    return [one for text in rendered.values() for one in yaml.load_all(text, StrictLoader) if one]


def rules(rendered: dict[str, str]) -> dict:
    """What Prometheus itself reads of the PrometheusRule: its groups."""
    (one,) = (one for one in resources(rendered) if one["kind"] == "PrometheusRule")
    return one["spec"]


def pods(rendered: dict[str, str]) -> list[tuple[str, dict]]:
    """The pods of the manifests, each with the name of what makes it."""
    found = []
    for one in resources(rendered):
        if one["kind"] in {"Deployment", "Job", "Pod"}:
            found.append((f"{one['kind']} {one['metadata']['name']}", one["spec"] if one["kind"] == "Pod" else one["spec"]["template"]["spec"]))
    return found
