"""What the program says of itself: its flags and metrics, from the two documents that `make docs` generates."""

import re

from .report import ROOT


def commands() -> list[str]:
    """Every command, for example `dlq replay`."""
    text = (ROOT / "docs/configuration.md").read_text()
    return re.findall(r"^## outbox-relay (.*)$", text, re.M)


def flags(command: str) -> dict[str, str]:
    """The flags of a command with their variables (empty where there is none)."""
    text = (ROOT / "docs/configuration.md").read_text()
    section = text.split(f"\n## outbox-relay {command}\n", 1)[1].split("\n## ", 1)[0]
    return dict(re.findall(r"^\| `(--[a-z-]+)[^`]*` \| (?:`([A-Z_]+)`)? \|", section, re.M))


def metrics() -> dict[str, set[str]]:
    """The series of /metrics with their labels, those of the process among them."""
    text = (ROOT / "docs/metrics.md").read_text()
    found: dict[str, set[str]] = {}
    for name, kind in re.findall(r"^\| `(outbox_[a-z_]+)` \| ([^|]*) \|", text, re.M):
        labels = set(re.findall(r"`([a-z_]+)`", kind))
        if kind.startswith("histogram"):
            found |= {f"{name}_bucket": labels | {"le"}, f"{name}_sum": labels, f"{name}_count": labels}
        else:
            found[name] = labels
    return found | {name: set() for name in re.findall(r"`(process_[a-z_]+)`", text)}
