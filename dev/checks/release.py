"""What `make dist` has made: complete, consistent, and of one version. Called by dev/dist with the folder of the release."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import tarfile
import tomllib
from pathlib import Path

from . import materials, program
from .report import ROOT, WORK, Findings, say

FILES = ["outbox-relay", "LICENSE-APACHE", "LICENSE-MIT", "README.md", "CHANGELOG.md", "sbom.cdx.json", "routes/order-service.toml", "THIRD-PARTY.txt", "systemd/outbox-relay.service", "systemd/outbox-relay.env"]
SHELLS = {"outbox-relay.bash": ["bash", "-n"], "_outbox-relay": None, "outbox-relay.fish": None}


def check_manual(found: Findings, folder: Path) -> None:
    """A page for each command with all of its flags; completions that know all flags."""
    pages = {path.name for path in (folder / "man/man1").iterdir()}
    wanted = {"outbox-relay.1", *(f"outbox-relay-{name.replace(' ', '-')}.1" for name in program.commands())}
    found.check(pages == wanted, f"man pages: {pages ^ wanted}")
    for name in program.commands():
        text = (folder / f"man/man1/outbox-relay-{name.replace(' ', '-')}.1").read_text().replace("\\-", "-")
        missing = [flag for flag in program.flags(name) if flag not in text]
        found.check(not missing, f"the page of {name} lacks {missing}")
    flags = {flag for name in program.commands() for flag in program.flags(name)}
    for name, syntax in SHELLS.items():
        path = folder / "completions" / name
        text = path.read_text()
        # fish writes `-l exchange`.
        missing = [flag for flag in flags if flag not in text and f"-l {flag.removeprefix('--')}" not in text]
        found.check(not missing, f"{name} lacks {missing}")
        if syntax:
            found.check(subprocess.run([*syntax, path]).returncode == 0, f"{name} is no script")


def check_materials(found: Findings, folder: Path) -> None:
    """The bill names every crate that cargo says is linked, each with its licence and checksum."""
    bill = json.loads((folder / "sbom.cdx.json").read_text())
    names = {one["name"] for one in bill["components"]}
    dependencies = tomllib.loads((ROOT / "Cargo.toml").read_text())["dependencies"]
    direct = {name for name, one in dependencies.items() if not (isinstance(one, dict) and one.get("optional"))}
    found.check(direct <= names, f"the bill lacks {direct - names}")
    tests = {"rcgen", "clap_mangen"}
    found.check(not tests & names, f"the bill has what is not in the program: {tests & names}")
    for one in bill["components"]:
        is_crate = one["purl"].startswith("pkg:cargo/")
        found.check("licenses" in one and ("hashes" in one or not is_crate), f"the bill says too little of {one['name']}")
    found.check({"jemalloc", "aws-lc"} <= names and names & {"glibc", "musl"}, "the bill names the C code")
    notices = (folder / "THIRD-PARTY.txt").read_text()
    unnamed = [one["name"] for one in bill["components"] if f"\n==== {one['name']} " not in notices and one["purl"].startswith("pkg:cargo/")]
    found.check(not unnamed, f"THIRD-PARTY.txt lacks {unnamed}")
    say(f"the program has {len(names)} crates in it")


def check(folder: str, archive: str, version: str) -> int:
    """The exit code. `archive` is unpacked and looked at, as its users will."""
    found, where = Findings(), WORK / "release"
    subprocess.run(["rm", "-rf", where], check=True)
    with tarfile.open(Path(folder) / archive) as tar:
        tar.extractall(where, filter="data")
    (top,) = where.iterdir()
    found.check(archive.startswith(f"{top.name}.tar"), f"it unpacks into a folder of its name: {top.name}")
    for name in FILES:
        found.check((top / name).is_file(), f"the archive lacks {name}")
    found.check(not materials.build_paths(top / "outbox-relay"), f"no path of a build machine: {materials.build_paths(top / 'outbox-relay')}")
    said = subprocess.run([top / "outbox-relay", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    found.check(said == f"outbox-relay {version}", f"the program says {said}")
    headers = subprocess.run(["readelf", "--program-headers", top / "outbox-relay"], capture_output=True, text=True, check=True).stdout
    found.check("INTERP" not in headers, "the program is static")
    check_manual(found, top)
    check_materials(found, top)
    for line in (Path(folder) / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split()
        found.check(hashlib.sha256((Path(folder) / name).read_bytes()).hexdigest() == digest, f"the checksum of {name}")
    named = {line.split()[1] for line in (Path(folder) / "SHA256SUMS").read_text().splitlines()}
    there = {path.name for path in Path(folder).iterdir()} - {"SHA256SUMS"}
    wanted = 4 if any(name.endswith(".deb") for name in there) else 3
    found.check(named == there and len(there) == wanted, f"archive, bill, chart and the .deb, if there is one, have their checksums: {there}")
    return found.end()


def write_materials(target: str, created: str, path: str) -> int:
    """Writes the bill of materials."""
    Path(path).write_text(json.dumps(materials.document(target, created), indent=1) + "\n")
    return 0


def write_notices(target: str, path: str) -> int:
    """Writes the licences of what is in the program."""
    Path(path).write_text(materials.notices(target))
    return 0


def write_chart(folder: str) -> int:
    """Packs the chart; SOURCE_URL, where it is set, is where it says that it comes from."""
    import helm_python

    from .report import CHART

    copied = WORK / "pack" / CHART.name
    shutil.rmtree(copied, ignore_errors=True)
    shutil.copytree(CHART, copied)
    if source := os.environ.get("SOURCE_URL"):
        described = (copied / "Chart.yaml").read_text()
        home = re.search(r"^home: (.*)$", described, re.M)[1]
        (copied / "Chart.yaml").write_text(described.replace(home, source))
    helm_python.package(str(copied), destination=folder)
    return 0
