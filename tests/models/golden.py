"""What the shipped bundles say about the sample photos: kept in `golden.json`, written again by running this module.

Owns how an answer is reduced to what may be compared between processors: the best classes and their probabilities.
"""

from __future__ import annotations

import json
from pathlib import Path

from models.manifest import MANIFEST_NAME, read_manifest
from models.sections import TextInput
from service.answers import ClassifyAnswer, Parameters
from service.catalog import model_route
from service.engine.answering import answer_all
from service.engine.engine import Engine
from service.replies import GroundAnswer, Proposals, QuestionAnswer
from service.stores import ZOO

SAMPLES = Path(__file__).parents[1] / "samples"
GOLDEN = Path(__file__).with_name("golden.json")

#: What is asked of each photo, by task.
ASKED = {
    "classify": Parameters(),
    "ground": Parameters(expressions=("the dog on the left",)),
    "answer": Parameters(question="what is on the table?"),
    "locate": Parameters(),
}
#: What a bundle is told that reads texts.
TEXT = "white belly, black crown"
#: By bundle and photo: what is said first and its probability.
Golden = dict[str, dict[str, tuple[str, float]]]


def shipped() -> list[str]:
    """The identities of the shipped bundles that can be asked by name; a router only helps others to answer."""
    manifests = [read_manifest(path.parent) for path in ZOO.glob(f"*/*/{MANIFEST_NAME}")]
    return sorted(manifest.identity for manifest in manifests if manifest.task in ASKED)


def ask(engine: Engine, identity: str) -> dict[str, tuple[str, float]]:
    """One bundle's answer to each sample photo."""
    name, _, version = identity.partition("@")
    manifest = read_manifest(ZOO / name / version)
    asked = Parameters(text=TEXT) if isinstance(manifest.text, TextInput) else ASKED[manifest.task]
    photos = sorted(SAMPLES.glob("*.jpg"))
    route = model_route(manifest.task, identity)
    answers = answer_all(engine.plan(route), [(path.read_bytes(), asked) for path in photos], 1)
    return {path.name: _told(answer) for path, answer in zip(photos, answers, strict=True)}


def _told(answer: object) -> tuple[str, float]:
    """What an answer says first, and how surely."""
    match answer:
        case ClassifyAnswer(predictions=[best, *_]):
            return best.class_id, round(best.probability, 4)
        case GroundAnswer(results=[only]):
            return "found" if only.found else "absent", round(only.score, 4)
        case QuestionAnswer(answers=[choice, *_]):
            return choice.answer, round(choice.probability, 4)
        case Proposals(subjects=subjects):
            return (subjects[0].label, round(subjects[0].score, 4)) if subjects else ("nothing", 0.0)
    raise AssertionError(f"no answer: {answer}")


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
