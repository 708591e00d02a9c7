"""What the bundle of a run is for: it answers for a domain, or it tells domains apart before one of them is asked.

Owns what follows from that: task, system, domain, and the splits that test it.
"""

from __future__ import annotations

from dataclasses import dataclass

from export.provenance import SOURCES
from models.manifest import System, Task
from models.training.data import DataError
from models.training.routing import NEITHER
from models.training.runs import RunRecord

_TESTS = ("test", "whole_test")
#: The splits of `models.training.routing`: birds, pasted cars and scenes with neither; real scenes with a subject.
_ROUTER_TESTS = ("test", "subjects")


@dataclass(frozen=True, slots=True)
class Role:
    """What a manifest says of a bundle's purpose, and the splits of its data that test it."""

    system: System
    task: Task
    domain: str | None
    tests: tuple[str, ...]

    @property
    def is_router(self) -> bool:
        """Whether it tells domains apart."""
        return self.task == "route"


def role_of(record: RunRecord, domain: str | None, name: str) -> Role:
    """The role of a run's bundle, whose domain is the stated one, that of its data, or else its `name`.

    Raises:
        DataError: a router cannot say that a photo is of no domain, or is given one itself.
    """
    if record.system != "router":
        source = SOURCES.get(record.dataset)
        return Role(record.system, "classify", domain or (source.domain if source else None) or name, _TESTS)
    if domain is not None:
        raise DataError(f"a router answers for no domain; leave --domain {domain} out")
    if NEITHER not in record.class_ids:
        raise DataError(f"a router needs the class {NEITHER!r}; the run knows {', '.join(record.class_ids)}")
    return Role("router", "route", None, _ROUTER_TESTS)
