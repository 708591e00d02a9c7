"""Writes constraints.txt: the newest versions of every dependency that go together.

Asks pip to resolve the extras without installing them, once with the CPU engine and once with the GPU engine, which
exclude each other; what both need must come out the same. Run it by `make pins`, then run the tests.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PINS = ROOT / "constraints.txt"
EXTRAS = ("client,cpu,train,oracle,redis,otel,dev", "gpu")
HEAD = "# The versions that Fieldmark is tested with: `make pins` writes this file (CONTRIBUTING.md says when).\n"


def resolve(extras: str, constraints: dict[str, str]) -> dict[str, str]:
    """Versions by normalised name that pip would install for the extras, within earlier found `constraints`."""
    known = ROOT / ".cache" / "pins.txt"
    known.parent.mkdir(exist_ok=True)
    known.write_text(text_of(constraints), encoding="utf-8")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed", "--report", "-"]
    command += ["--constraint", str(known), f"{ROOT}[{extras}]"]
    report = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    found = (item["metadata"] for item in report["install"])
    # A local build such as 2.13.0+cpu is one machine's choice: the pin names the release.
    return {normal(item["name"]): item["version"].split("+")[0] for item in found if item["name"] != "fieldmark"}


def normal(name: str) -> str:
    """The name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def text_of(pins: dict[str, str]) -> str:
    """The pins as lines of a constraints file, sorted by name."""
    return "".join(f"{name}=={version}\n" for name, version in sorted(pins.items()))


def main() -> None:
    """Resolve, write, and say what changed by leaving it to `git diff`."""
    pins: dict[str, str] = {}
    for extras in EXTRAS:
        pins |= resolve(extras, pins)
    PINS.write_text(HEAD + text_of(pins), encoding="utf-8")
    print(f"{PINS.name}: {len(pins)} versions")


if __name__ == "__main__":
    main()
