"""The charts as Helm renders them. Used by the checks of the chart."""

import shutil

import helm_python as helm
import yaml

from .report import CHART, EXAMPLE, TESTS, WORK, Failed

RELEASE, NAMESPACE = "shop", "orders"


def value_sets() -> dict[str, dict]:
    """The sets of values in helm/tests/values, by name."""
    return {path.stem: yaml.safe_load(path.read_text()) for path in sorted((TESTS / "values").glob("*.yaml"))}


def render(values: dict) -> dict[str, str]:
    """The chart's manifests by template; what Helm says where it refuses the values."""
    with helm.Chart.load(str(CHART)) as chart:
        return manifests(chart, values)


def render_example() -> dict[str, str]:
    """The example service's chart with the relay's below it, as `helm dependency build` would put it."""
    folder = WORK / "example"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(EXAMPLE, folder)
    shutil.copytree(CHART, folder / "charts" / CHART.name)
    with helm.Chart.load(str(folder)) as chart:
        return manifests(chart, {})


def manifests(chart: helm.Chart, values: dict) -> dict[str, str]:
    try:
        chart.validate_schema(values)
        rendered = chart.render(values, name=RELEASE, namespace=NAMESPACE)
    except helm.HelmError as error:
        raise Failed(str(error)) from error
    return {name: text for name, text in sorted(rendered.items()) if text.strip() and not name.endswith("NOTES.txt")}


def resources(rendered: dict[str, str]) -> list[dict]:
    """Every Kubernetes resource of the manifests."""
    return [one for text in rendered.values() for one in yaml.safe_load_all(text) if one]


def rules(rendered: dict[str, str]) -> dict:
    """What Prometheus itself reads of the PrometheusRule: its groups."""
    (one,) = (one for one in resources(rendered) if one["kind"] == "PrometheusRule")
    return one["spec"]


def pods(rendered: dict[str, str]) -> list[tuple[str, dict]]:
    """The pods of the manifests, each with the name of what makes it."""
    return [(f"{one['kind']} {one['metadata']['name']}", one["spec"]["template"]["spec"]) for one in resources(rendered) if one["kind"] in {"Deployment", "Job"}]
