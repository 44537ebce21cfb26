"""The bill of materials of the program (CycloneDX 1.5): every crate that is linked into it, with version, licence and checksum."""

import json
import re
import subprocess
import tomllib
import uuid

from .report import ROOT


def linked(target: str) -> tuple[dict, list[dict], dict[str, list[str]]]:
    """The program's package, every package that it links, and who depends on whom. Build and test dependencies are left out."""
    command = ["cargo", "metadata", "--locked", "--format-version", "1", "--filter-platform", target]
    metadata = json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout)
    packages = {package["id"]: package for package in metadata["packages"]}
    edges = {
        node["id"]: [one["pkg"] for one in node["deps"] if any(kind["kind"] is None for kind in one["dep_kinds"])]
        for node in metadata["resolve"]["nodes"]
    }
    # A macro runs when the program is compiled, and is not in it.
    macros = {key for key, package in packages.items() if any("proc-macro" in one["kind"] for one in package["targets"])}
    (root,) = (package for package in metadata["packages"] if package["name"] == "outbox-relay")
    seen, left = {root["id"]}, [root["id"]]
    while left:
        for other in edges[left.pop()]:
            if other not in seen and other not in macros:
                seen.add(other)
                left.append(other)
    edges = {key: [other for other in edges[key] if other in seen] for key in seen}
    return root, [packages[key] for key in sorted(seen) if key != root["id"]], edges


def reference(package: dict) -> str:
    return f"pkg:cargo/{package['name']}@{package['version']}"


def document(target: str, created: str) -> dict:
    """The bill. The same source gives the same bill."""
    root, packages, edges = linked(target)
    lock = tomllib.loads((ROOT / "Cargo.lock").read_text())["package"]
    checksums = {(one["name"], one["version"]): one.get("checksum") for one in lock}
    by_id = {package["id"]: package for package in [root, *packages]}

    def component(package: dict, kind: str) -> dict:
        expression = re.sub(r"\s*/\s*", " OR ", package["license"] or "")
        checksum = checksums.get((package["name"], package["version"]))
        return {
            "type": kind,
            "bom-ref": reference(package),
            "name": package["name"],
            "version": package["version"],
            "purl": reference(package),
            **({"licenses": [{"expression": expression}]} if expression else {}),
            **({"hashes": [{"alg": "SHA-256", "content": checksum}]} if checksum else {}),
        }

    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, f'{reference(root)}/{target}/{created}')}",
        "version": 1,
        "metadata": {"timestamp": created, "component": component(root, "application")},
        "components": [component(package, "library") for package in packages],
        "dependencies": [
            {"ref": reference(by_id[key]), "dependsOn": sorted(reference(by_id[other]) for other in others)} for key, others in sorted(edges.items())
        ],
    }
