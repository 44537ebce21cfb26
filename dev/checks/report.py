"""Findings, collected and told together; and waiting for something with a deadline. Used by every check."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "helm/outbox-relay"
EXAMPLE = ROOT / "helm/example-order-service"
TESTS = ROOT / "helm/tests"
WORK = ROOT / "target/checks"


class Failed(Exception):
    """A check did not hold. The text says which, and what fixes it."""


class Findings:
    """What a run found. Each check adds to it; the end of the run fails if there is anything."""

    def __init__(self) -> None:
        self.wrong: list[str] = []
        self.passed = 0

    def check(self, holds: object, text: str) -> None:
        """One statement: counted if it holds, told if it does not."""
        if holds:
            self.passed += 1
        else:
            self.wrong.append(text)

    def end(self) -> int:
        """Tells everything; the exit code."""
        for text in self.wrong:
            print(f"WRONG: {text}", file=sys.stderr)
        print(f"{self.passed} passed, {len(self.wrong)} failed")
        return 1 if self.wrong else 0


def say(text: str) -> None:
    """A line of progress."""
    print(f"checks: {text}", file=sys.stderr, flush=True)


def eventually(what: str, seconds: float, look: Callable[[], object]) -> object:
    """The first answer of `look` that is not None or false; asked every 0.3 s, for so long."""
    end = time.monotonic() + seconds
    last: Exception | None = None
    while time.monotonic() < end:
        try:
            if answer := look():
                return answer
            last = None
        except (OSError, ValueError) as error:
            last = error
        time.sleep(0.3)
    raise Failed(f"not within {seconds:.0f} s: {what}" + (f" ({last})" if last else ""))
