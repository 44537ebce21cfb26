"""What clusters ask of a chart that have rules of their own: each rule with its case. Called by the check of the chart."""

import json
import re

import yaml

from . import rendering
from .report import CHART, ROOT, Failed, Findings

MINIMAL = rendering.value_sets()["minimal"]


def one(rendered: dict[str, str], kind: str, part: str = "") -> dict:
    """The only resource of this kind whose name has this part."""
    found = [each for each in rendering.resources(rendered) if each["kind"] == kind and part in each["metadata"]["name"]]
    if len(found) != 1:
        raise Failed(f"{len(found)} resources {kind} with {part!r} in their name")
    return found[0]


def check_condition(found: Findings) -> None:
    """A parent chart has the relay as a dependency with a condition."""
    (dependency,) = yaml.safe_load((ROOT / "helm/example-order-service/Chart.yaml").read_text())["dependencies"]
    found.check(dependency["condition"] == "outbox-relay.enabled", "the example's dependency has a condition")
    with_relay = rendering.render_example({"outbox-relay": {"enabled": True}})
    found.check(any("outbox-relay/charts" in name or "charts/outbox-relay" in name for name in with_relay), "enabled, the relay's resources are there")
    without = rendering.render_example({"outbox-relay": {"enabled": False}})
    found.check(not any("charts/outbox-relay" in name for name in without), f"not enabled, none of them is: {list(without)}")
    for where, pod in rendering.pods(without):
        found.check("initContainers" not in pod and "volumes" not in pod, f"not enabled, {where} has no sidecar")


def check_migration(found: Findings) -> None:
    """The migration's Job goes where tainted nodes and a mesh let it, and does without the hook."""
    custom = rendering.value_sets()["custom"]
    wanted, job = custom["migrations"], one(rendering.render(custom), "Job")
    metadata, template = job["metadata"], job["spec"]["template"]
    pod, container = template["spec"], template["spec"]["containers"][0]
    for name in ("tolerations", "nodeSelector", "affinity", "priorityClassName", "serviceAccountName"):
        found.check(pod.get(name) == wanted[name], f"the migration's pod has {name}: {pod.get(name)}")
    found.check(pod["hostAliases"] == custom["hostAliases"], "the migration's pod has the aliases of hosts")
    found.check(wanted["labels"].items() <= metadata["labels"].items(), "the migration's Job has its labels")
    found.check(metadata["annotations"] == wanted["annotations"], f"the migration's Job has its annotations, and is no hook: {metadata['annotations']}")
    found.check(template["metadata"]["annotations"] == wanted["podAnnotations"], "the migration's pod has its annotations")
    found.check(template["metadata"]["labels"]["sidecar"] == "none", "the migration's pod has its labels")
    found.check(template["metadata"]["labels"]["app.kubernetes.io/component"] == "migration", "no label of somebody else's makes it another component")
    found.check({"name": "TZ", "value": "UTC"} in container["env"] and container["envFrom"] == wanted["envFrom"], "the migration has its environment")
    found.check(container["resources"]["limits"]["memory"] == "64Mi" and "--with-notify" in container["args"], "the migration has its resources and flags")
    found.check(wanted["extraVolumes"][0] in pod["volumes"] and wanted["extraVolumeMounts"][0] in container["volumeMounts"], "the migration has its volumes")
    found.check(job["spec"]["ttlSecondsAfterFinished"] == 3600, "Kubernetes removes the Job")
    other = one(rendering.render(custom | {"image": {"tag": "9.9.9"}}), "Job")["metadata"]["name"]
    found.check(other != metadata["name"], f"without the hook another image is another Job: {other}")
    same = one(rendering.render(custom), "Job")["metadata"]["name"]
    found.check(same == metadata["name"], "and the same image is the same Job")
    policy = one(rendering.render(custom), "NetworkPolicy", "migrate")
    found.check("annotations" not in policy["metadata"], "without the hook its policy is none either")


def check_users(found: Findings) -> None:
    """OpenShift's restricted-v2 chooses the user: no default names one, and both contexts are values."""
    for name, rendered in {"minimal": rendering.render(MINIMAL), "sidecar": rendering.render_example()}.items():
        found.check(not re.search(r"runAs(User|Group): 10001", "".join(rendered.values())), f"{name}: no user is fixed")
    for where, pod in rendering.pods(rendering.render(rendering.value_sets()["custom"])):
        found.check(pod["securityContext"]["fsGroup"] == 2000, f"the context of the pod of {where} is a value")
        found.check(all(each["securityContext"]["runAsUser"] == 20000 for each in pod["containers"]), f"the context of the container of {where} is a value")


def check_pod(found: Findings) -> None:
    """What SREs set on every chart can be set on this one."""
    custom = rendering.value_sets()["custom"]
    rendered = rendering.render(custom)
    deployment, account = one(rendered, "Deployment"), one(rendered, "ServiceAccount")
    pod, labels = deployment["spec"]["template"]["spec"], deployment["spec"]["template"]["metadata"]["labels"]
    (container,) = pod["containers"]
    found.check(container["image"].startswith("mirror.example:5000/outbox-relay:"), f"the image comes from the mirror: {container['image']}")
    found.check(container["args"] == ["run", *custom["extraArgs"]], "extraArgs")
    found.check(container["envFrom"] == custom["envFrom"], "envFrom")
    found.check(custom["extraVolumes"][0] in pod["volumes"] and custom["extraVolumeMounts"][0] in container["volumeMounts"], "extraVolumes, extraVolumeMounts")
    found.check(pod["hostAliases"] == custom["hostAliases"], "hostAliases")
    found.check(pod["serviceAccountName"] == account["metadata"]["name"], "serviceAccount")
    found.check(account["metadata"]["annotations"] == custom["serviceAccount"]["annotations"], "its annotations")
    found.check(deployment["spec"]["strategy"]["type"] == "Recreate", "deployment.strategy")
    (spread,) = pod["topologySpreadConstraints"]
    found.check(spread["topologyKey"] == "topology.kubernetes.io/zone" and spread["labelSelector"]["matchLabels"], "deployment.topologySpreadConstraints")
    for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
        found.check(custom[probe].items() <= container[probe].items(), f"{probe}: {container[probe]}")
    selector = deployment["spec"]["selector"]["matchLabels"]
    found.check(selector.items() <= labels.items() and labels["team"] == "orders", f"no label breaks the selector: {selector} {labels}")
    annotations = deployment["spec"]["template"]["metadata"]["annotations"]
    found.check(annotations["prometheus.io/scrape"] == "true" and annotations["prometheus.io/port"] == "9632", "annotations for a Prometheus without the operator")
    found.check(one(rendered, "ConfigMap", "shop-relay-environment")["metadata"]["namespace"] == rendering.NAMESPACE, "extraObjects, an object")
    found.check(one(rendered, "ConfigMap", "-note")["metadata"]["namespace"] == rendering.NAMESPACE, "extraObjects, a template")
    for each in rendering.resources(rendered):
        if "extra-objects" not in each["metadata"]["name"] and "labels" in each["metadata"]:
            found.check(each["metadata"]["labels"]["cost-center"] == "42", f"commonLabels of {each['kind']}")
            found.check(each["metadata"]["labels"]["app.kubernetes.io/name"] == "outbox-relay", f"commonLabels do not rename {each['kind']}")


def check_monitoring(found: Findings) -> None:
    """Monitoring in a namespace of its own."""
    custom = rendering.value_sets()["custom"]
    rendered = rendering.render(custom)
    monitor, rule, dashboard = one(rendered, "PodMonitor"), one(rendered, "PrometheusRule"), one(rendered, "ConfigMap", "dashboard")
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    found.check(endpoint["scrapeTimeout"] == "10s" and endpoint["metricRelabelings"] == custom["podMonitor"]["metricRelabelings"], "the endpoint's values")
    found.check(monitor["spec"]["namespaceSelector"] == {"matchNames": [rendering.NAMESPACE]}, "the PodMonitor looks for pods in the release's namespace")
    for each, name in ((monitor, "podMonitor"), (rule, "prometheusRule"), (dashboard, "dashboard")):
        found.check(each["metadata"]["namespace"] == "monitoring", f"{name}.namespace")
        found.check(each["metadata"]["annotations"] == custom[name]["annotations"], f"{name}.annotations")
    rules = [each for group in rule["spec"]["groups"] for each in group["rules"]]
    found.check(all('namespace="orders",job="monitoring/shop-outbox-relay"' in each["expr"] for each in rules if "outbox_" in each["expr"]), "the alerts' selector is the PodMonitor's job")
    found.check(not any("runbook_url" in each["annotations"] for each in rules), "without a URL no alert links to a runbook")
    shown = json.loads(dashboard["data"]["outbox-relay.json"])
    queue = next(each for each in shown["templating"]["list"] if each["name"] == "queue")
    found.check(queue["regex"] == "orders-.*" and shown["links"] == [], "the dashboard shows the queues of the routes, and links nowhere without a URL")
    full = json.loads(one(rendering.render(rendering.value_sets()["full"]), "ConfigMap", "dashboard")["data"]["outbox-relay.json"])
    found.check(full["links"][0]["url"] == "https://runbooks.example/outbox-relay/README.md", "with a URL the dashboard links to the runbooks")


def check_package(found: Findings) -> None:
    """What a registry of charts shows, what a package leaves out, and `helm test`."""
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    for name in ("home", "sources", "maintainers", "keywords", "icon"):
        found.check(chart.get(name), f"Chart.yaml has {name}")
    found.check(chart["annotations"]["artifacthub.io/license"] == "MIT OR Apache-2.0", "Chart.yaml has its annotations for Artifact Hub")
    found.check((CHART / ".helmignore").is_file(), "the chart has a .helmignore")
    test = one(rendering.render(MINIMAL), "Pod", "check")
    found.check(test["metadata"]["annotations"]["helm.sh/hook"] == "test", "helm test has a pod")
    relay = one(rendering.render(MINIMAL), "Deployment")["spec"]["template"]["spec"]["containers"][0]
    (container,) = test["spec"]["containers"]
    found.check(container["args"] == ["check"] and container["env"] == relay["env"], "it checks what the relay is given")


def check(found: Findings) -> None:
    """Every rule."""
    for each in (check_condition, check_migration, check_users, check_pod, check_monitoring, check_package):
        try:
            each(found)
        except (Failed, KeyError, StopIteration) as error:
            found.check(False, f"{each.__name__}: {type(error).__name__} {error}")
