"""What the shipped bundles say about the sample photos: kept in `golden.json`, written again by running this module.

Owns how an answer is reduced to what may be compared between processors: the best classes and their probabilities.
"""

from __future__ import annotations

import json
from pathlib import Path

from models.manifest import MANIFEST_NAME, read_manifest
from service.engine.engine import Engine
from service.errors import FieldmarkError
from service.stores import ZOO

SAMPLES = Path(__file__).parents[1] / "samples"
GOLDEN = Path(__file__).with_name("golden.json")

#: By bundle and photo: the best class and its probability.
Golden = dict[str, dict[str, tuple[str, float]]]


def shipped() -> list[str]:
    """The identities of the shipped bundles."""
    return sorted(read_manifest(path.parent).identity for path in ZOO.glob(f"*/*/{MANIFEST_NAME}"))


def ask(engine: Engine, identity: str) -> dict[str, tuple[str, float]]:
    """One bundle's answer to each sample photo."""
    photos = sorted(SAMPLES.glob("*.jpg"))
    answers = engine.classify([path.read_bytes() for path in photos], model=identity)
    found = {}
    for path, answer in zip(photos, answers, strict=True):
        if isinstance(answer, FieldmarkError):
            raise answer
        best = answer.predictions[0]
        found[path.name] = (best.class_id, round(best.probability, 4))
    return found


def read_golden() -> Golden:
    """What is kept."""
    kept: Golden = json.loads(GOLDEN.read_text(encoding="utf-8"))
    return kept


def write_golden() -> None:
    """Ask every shipped bundle and keep what it says."""
    engine = Engine([ZOO])
    found = {identity: ask(engine, identity) for identity in shipped()}
    GOLDEN.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write_golden()
