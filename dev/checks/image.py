"""What the image promises: a small static program, no shell, a user that owns nothing, a read-only root; and with
that it migrates, publishes a row on real services and stops when it is told. Called by dev/check-image with the image's root."""

import gzip
import json
import re
import signal
import subprocess
import urllib.parse
from pathlib import Path

from . import materials, services
from .names import NameServer
from .report import Failed, Findings, eventually, say

PROGRAM = "usr/local/bin/outbox-relay"
USER = 10001
NAME_SERVER = "127.0.0.77"
LARGEST = 20 * 1024 * 1024

# As a container engine does it: the image's root read-only, /proc, the resolver's file and the secrets mounted, another user, no way back.
RUN = """
set -e
root=$1 secrets=$2 resolver=$3; shift 3
mount --bind "$root" "$root"
mount --bind "$secrets" "$root/secrets"
mount --bind "$resolver" "$root/etc/resolv.conf"
mount -t proc proc "$root/proc"
mount -o remount,bind,ro "$root"
exec setpriv --no-new-privs env -i PATH=/usr/local/bin:/usr/bin:/bin "${SETTINGS[@]}" /usr/sbin/chroot --userspec=10001:10001 --groups= "$root" /usr/local/bin/outbox-relay "$@"
"""


class Container:
    """The image's root, run as a container would be."""

    def __init__(self, root: Path, work: Path, settings: dict[str, str]) -> None:
        self.root, self.work = root, work
        words = " ".join(f"'{name}={value}'" for name, value in settings.items())
        self.script = RUN.replace('"${SETTINGS[@]}"', words)
        for place in ("secrets", "proc"):
            (root / place).mkdir(exist_ok=True)
        (root / "etc/resolv.conf").touch()
        (work / "resolv.conf").write_text(f"nameserver {NAME_SERVER}\n")

    def start(self, *arguments: str, log: Path) -> subprocess.Popen:
        command = ["unshare", "--mount", "--propagation", "private", "bash", "-c", self.script, "bash"]
        command += [str(self.root), str(self.work / "secrets"), str(self.work / "resolv.conf"), *arguments]
        return subprocess.Popen(command, stdout=log.open("w"), stderr=subprocess.STDOUT)


def look_at_files(found: Findings, root: Path) -> None:
    """The image at rest."""
    program = root / PROGRAM
    size = program.stat().st_size
    found.check(size <= LARGEST, f"the program has {size} bytes, over {LARGEST}")
    found.check((program.stat().st_mode & 0o7777, program.stat().st_uid) == (0o555, 0), "the program is root's, and nobody may write it")
    headers = subprocess.run(["readelf", "--program-headers", program], capture_output=True, text=True, check=True).stdout
    found.check("INTERP" not in headers, "the program is static: it asks for no loader")
    shells = [str(path) for path in root.rglob("*") if path.name in {"sh", "bash", "dash", "busybox", "apt", "dpkg"} and path.is_file()]
    found.check(not shells, f"no shell and no package manager: {shells}")
    found.check((root / "usr/share/doc/outbox-relay/LICENSE-MIT").exists(), "the licence is in it")
    with gzip.open(root / "usr/share/doc/outbox-relay/THIRD-PARTY.txt.gz", "rt", errors="replace") as notices:
        named = set(re.findall(r"^==== (\S+?)-\d[^/]*/", notices.read(), re.M))
    found.check({"tokio", "lapin", "aws-lc-sys", "tikv-jemalloc-sys"} <= named, f"the licences of others are in it: {len(named)} crates")
    found.check(not materials.build_paths(program), f"no path of a build machine is in the program: {materials.build_paths(program)}")
    say(f"the program has {size / 1024 / 1024:.1f} MiB")


def look_at_config(found: Findings, config: dict) -> None:
    """What the image says of itself."""
    inner = config["OCIv1"]["config"]
    found.check(inner.get("User") == f"{USER}:{USER}", f"the user is a number and not root: {inner.get('User')}")
    found.check(inner.get("Entrypoint") == [f"/{PROGRAM}"] and inner.get("Cmd") == ["run"], "it runs the relay")
    test = (config["Docker"]["config"].get("Healthcheck") or {}).get("Test")
    found.check(test == ["CMD", f"/{PROGRAM}", "health"], f"Docker asks the relay whether it is alive: {test}")
    labels = inner.get("Labels") or {}
    for name in ("title", "description", "licenses", "version", "revision", "created", "source"):
        value = labels.get(f"org.opencontainers.image.{name}")
        found.check(value and value != "unknown", f"the label {name} is set: {value}")


def publish_a_row(found: Findings, root: Path, work: Path) -> None:
    """The container beside real services, from an empty database to a message in a queue."""
    names = NameServer(NAME_SERVER, {"db.test", "mq.test"})
    database, broker = (urllib.parse.urlsplit(services.address(name)) for name in ("DATABASE_URL", "AMQP_URL"))
    secrets = work / "secrets"
    secrets.mkdir(exist_ok=True)
    (secrets / "database-url").write_text(f"postgres://postgres@db.test:{database.port}/shop?sslmode=disable\n")
    (secrets / "amqp-url").write_text(f"amqp://guest:guest@mq.test:{broker.port}/%2f\n")
    services.sql("CREATE DATABASE shop", "postgres")
    services.bind_queue("orders", "order.events")
    port = services.free_port()
    container = Container(
        root,
        work,
        {
            "OUTBOX_DATABASE_URL_FILE": "/secrets/database-url",
            "OUTBOX_AMQP_URL_FILE": "/secrets/amqp-url",
            "OUTBOX_ADMIN_ADDR": f"127.0.0.1:{port}",
        },
    )
    migrate = container.start("migrate", log=work / "migrate.log")
    if migrate.wait(timeout=60):
        raise Failed(f"migrate in the container: {(work / 'migrate.log').read_text()}")
    relay = container.start("run", log=work / "run.log")
    try:
        eventually("the container is healthy", 30, lambda: container.start("health", log=work / "health.log").wait(timeout=30) == 0)
        run(found, relay, port, names)
        health = container.start("health", log=work / "health.log")
        found.check(health.wait(timeout=30) == 1, f"stopped, it is not healthy: {(work / 'health.log').read_text()}")
    finally:
        if relay.poll() is None:
            relay.kill()
            relay.wait(timeout=10)


def run(found: Findings, relay: subprocess.Popen, port: int, names: NameServer) -> None:
    """The container at work, then told to stop."""
    eventually("the container is ready", 30, lambda: services.get(f"http://127.0.0.1:{port}/readyz"))
    status = Path(f"/proc/{relay.pid}/status").read_text()
    found.check(re.search(rf"^Uid:\s+{USER}\s+{USER}\s+{USER}", status, re.M), "it runs as 10001")
    found.check(re.search(r"^CapEff:\s+0+$", status, re.M), "it has no capability")
    found.check(re.search(r"^NoNewPrivs:\s+1$", status, re.M), "it cannot get any")
    mounts = Path(f"/proc/{relay.pid}/mountinfo").read_text()
    # What a process sees of its mounts is seen from its own root.
    its_root = [line.split()[5] for line in mounts.splitlines() if line.split()[4] == "/"]
    found.check(its_root and its_root[-1].split(",")[0] == "ro", f"its root is read-only: {its_root}")
    event = services.sql(
        "INSERT INTO outbox.events (aggregate_type, aggregate_id, event_type, payload)"
        " VALUES ('Order', 'order-42', 'order.paid', '{\"amount\": 50.00}') RETURNING id",
        "shop",
    )
    messages = eventually("the row is published", 30, lambda: services.take("orders"))
    found.check([one["properties"]["message_id"] for one in messages] == [event], "its row is the one message in the queue")
    found.check('"payload":{"amount": 50.00}' in messages[0]["payload"], "the payload is what was written")
    found.check(services.sql("SELECT count(*) FROM outbox.events WHERE published_at IS NULL", "shop") == "0", "it is marked")
    found.check(names.asked >= {"db.test", "mq.test"}, f"it found both servers by name: {names.asked}")
    memory = re.search(r"^VmRSS:\s+(\d+) kB$", Path(f"/proc/{relay.pid}/status").read_text(), re.M)
    say(f"the relay takes {int(memory.group(1)) // 1024} MiB after its first message" if memory else "no VmRSS")
    relay.send_signal(signal.SIGTERM)
    found.check(relay.wait(timeout=30) == 0, f"told to stop, it ends with 0: {relay.returncode}")


def main(root: str, config: str, work: str) -> int:
    """The exit code. `root` is a copy of the image's root, `config` the file with what `buildah inspect` says."""
    found, folder = Findings(), Path(work)
    look_at_files(found, Path(root))
    look_at_config(found, json.loads(Path(config).read_text()))
    with services.private("image"):
        publish_a_row(found, Path(root), folder)
    return found.end()
