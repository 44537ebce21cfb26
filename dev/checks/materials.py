"""The bill of materials of the program (CycloneDX 1.5): every crate and every C library that is linked into it, with version, licence and
checksum; and the licences' texts."""

import json
import re
import subprocess
import tomllib
import uuid
from pathlib import Path

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


# The C code in the program: the crate that brings it, the library, and its licence.
C_LIBRARIES = {
    "tikv-jemalloc-sys": ("jemalloc", "BSD-2-Clause"),
    # That of the crate names it with all of its parts.
    "aws-lc-sys": ("aws-lc", None),
}
# By what a target's name ends with.
C_LIBRARIES_OF_TARGET = {
    "gnu": ("glibc", "LGPL-2.1-or-later"),
    "musl": ("musl", "MIT"),
}
LICENCE_FILES = re.compile(r"(licen[cs]e|copying|notice).*", re.I)
GLIBC = """The program is linked with the GNU C library, statically. That library is free software under the GNU Lesser General Public License,
version 2.1 or later (https://www.gnu.org/licenses/old-licenses/lgpl-2.1.html). Its source is at https://sourceware.org/glibc and in the
distribution that the program was built on; the program's own source, with which it can be linked with another version of the library, is
where the release is (`dev/dist`).
"""


def build_paths(program: Path) -> list[str]:
    """Paths of a build machine in a program: of cargo's sources, of homes, of this repository."""
    marks = [b"/.cargo/registry", b"/usr/local/cargo", b"/home/", b"/root/", str(ROOT).encode()]
    content = Path(program).read_bytes()
    return [mark.decode() for mark in marks if mark in content]


def c_libraries(target: str, packages: list[dict]) -> list[dict]:
    """The components that are no crates."""
    known = [(one, *C_LIBRARIES[one["name"]]) for one in packages if one["name"] in C_LIBRARIES]
    # A version of a crate such as 0.7.1+5.3.1 has the library's after the plus sign; others do not say it.
    own = [(name, licence or one["license"], one["version"].partition("+")[2] or None) for one, name, licence in known]
    libc = [(*library, None) for ending, library in C_LIBRARIES_OF_TARGET.items() if target.endswith(ending)]
    found = []
    for name, licence, version in [*own, *libc]:
        at = f"@{version}" if version else ""
        component = {"type": "library", "bom-ref": f"pkg:generic/{name}{at}", "name": name, "purl": f"pkg:generic/{name}{at}"}
        found.append({**component, **({"version": version} if version else {}), "licenses": [{"expression": licence}]})
    return found


def notices(target: str) -> str:
    """The licences of everything that is linked, with the texts that their authors want to be passed on."""
    _, packages, _ = linked(target)
    parts = ["What is in this program besides its own code, and under which licence. Each crate's own texts follow its name.\n"]
    for package in sorted(packages, key=lambda one: (one["name"], one["version"])):
        parts.append(f"\n==== {package['name']} {package['version']}: {package['license']}\n")
        folder = Path(package["manifest_path"]).parent
        texts = [path for depth in ("*", "*/*") for path in sorted(folder.glob(depth)) if path.is_file() and LICENCE_FILES.fullmatch(path.name)]
        parts += [f"\n-- {path.relative_to(folder)}\n\n{path.read_text(errors='replace').rstrip()}\n" for path in texts]
    if target.endswith("gnu"):
        parts.append(f"\n==== glibc: LGPL-2.1-or-later\n\n{GLIBC}")
    return "".join(parts)


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
        "components": [component(package, "library") for package in packages] + c_libraries(target, packages),
        "dependencies": [
            {"ref": reference(by_id[key]), "dependsOn": sorted(reference(by_id[other]) for other in others)} for key, others in sorted(edges.items())
        ],
    }
