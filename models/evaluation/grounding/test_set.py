"""The fixed test of grounding: a thousand expressions about the test photos of PASCAL VOC, drawn once.

Drawn with a seed before any training and kept beside this module as text and photo ids, so that every row of a table is
about the same words. Naming the class settles a third of them; all others are about things with rivals of their class.
Owns the mix, the draw and the file.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from models.preprocess import decode
from models.training.claims import KINDS, Claim, Kind, true_claims
from models.training.colours import coloured_layout
from models.training.data import Box, DataError, read_csv
from models.training.expressions import pick_claim, word_claim
from models.training.voc import Scene

TEST_SET = Path(__file__).with_name("voc_expressions.csv")
SEED = 2007
#: Kinds that are counted together, and how many of each group there are.
QUOTAS: tuple[tuple[tuple[Kind, ...], int], ...] = (
    (("class",), 350),
    (("side", "ordinal"), 250),
    (("size",), 150),
    (("relation",), 150),
    (("colour", "negation"), 100),
)
_COLUMNS = ("photo", "expression", "kind", "rivals", "class", "x1", "y1", "x2", "y2")
_DIGITS = 6


@dataclass(frozen=True, slots=True)
class TestExpression:
    """Words about a photo, what they mean (its class, its box in 0..1 of the photo), and how many rivals it has."""

    __test__ = False  # no class of tests

    photo: str
    text: str
    kind: Kind
    rivals: int
    name: str
    box: Box

    @property
    def area(self) -> float:
        """The target's share of the photo."""
        left, top, right, bottom = self.box
        return (right - left) * (bottom - top)

    @property
    def group(self) -> str:
        """The kinds that are counted together."""
        return next(" or ".join(kinds) for kinds, _ in QUOTAS if self.kind in kinds)


def draw_test_set(scenes: Sequence[Scene], advance: Callable[[], None]) -> list[TestExpression]:
    """Draw from photos; `advance` counts them. One expression of a group a photo, until all photos were asked once.

    Raises:
        DataError: the photos do not give as many as `QUOTAS` asks for.
    """
    rng = Random(SEED)
    claims: dict[str, Mapping[Kind, list[Claim]]] = {}
    for scene in scenes:
        layout = coloured_layout(scene.things, decode(scene.path.read_bytes()).pixels)
        claims[scene.path.stem] = _by_kind(true_claims(layout))
        advance()
    by_photo = {scene.path.stem: scene for scene in scenes}
    drawn: list[TestExpression] = []
    for kinds, count in QUOTAS:
        drawn += _draw_group(kinds, count, claims, by_photo, rng)
    return sorted(drawn, key=lambda one: (one.photo, one.text))


def _draw_group(
    kinds: Sequence[Kind],
    count: int,
    claims: Mapping[str, Mapping[Kind, list[Claim]]],
    scenes: Mapping[str, Scene],
    rng: Random,
) -> list[TestExpression]:
    found: dict[tuple[str, str], TestExpression] = {}
    photos = sorted(photo for photo, by_kind in claims.items() if any(by_kind[kind] for kind in kinds))
    while photos and len(found) < count:
        rng.shuffle(photos)
        before = len(found)
        for photo in photos[: count - len(found)]:
            kind = rng.choice([kind for kind in kinds if claims[photo][kind]])
            claim = pick_claim(claims[photo][kind], rng)
            expression = _say(photo, claim, scenes[photo], word_claim(claim, rng))
            found.setdefault((photo, expression.text), expression)
        if len(found) == before:
            break
    if len(found) < count:
        raise DataError(f"the photos give {len(found)} expressions of {' or '.join(kinds)}; {count} are needed")
    return list(found.values())


def _say(photo: str, claim: Claim, scene: Scene, text: str) -> TestExpression:
    if claim.target is None:
        raise ValueError(f"{text!r} means nothing")
    thing = scene.things[claim.target]
    left, top, right, bottom = (round(side, _DIGITS) for side in thing.box)
    return TestExpression(photo, text, claim.kind, claim.rivals, thing.name, (left, top, right, bottom))


def _by_kind(claims: Iterable[Claim]) -> Mapping[Kind, list[Claim]]:
    """Claims by kind; of all but the class alone those with rivals only."""
    found: dict[Kind, list[Claim]] = {kind: [] for kind in KINDS}
    for claim in claims:
        if claim.kind == "class" or claim.rivals:
            found[claim.kind].append(claim)
    return found


def to_csv(expressions: Iterable[TestExpression]) -> str:
    """The file's text."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for one in expressions:
        writer.writerow((one.photo, one.text, one.kind, one.rivals, one.name, *one.box))
    return text.getvalue()


def read_test_set(path: Path = TEST_SET) -> list[TestExpression]:
    """Read the file.

    Raises:
        DataError: it is missing or a line is none.
    """
    return [_read(line) for line in read_csv(path, _COLUMNS)]


def _read(line: Mapping[str, str]) -> TestExpression:
    kind = next((kind for kind in KINDS if kind == line["kind"]), None)
    if kind is None:
        raise DataError(f"{line['kind']!r} is no kind of expression")
    try:
        left, top, right, bottom = (float(line[side]) for side in ("x1", "y1", "x2", "y2"))
        rivals = int(line["rivals"])
    except ValueError as error:
        raise DataError(f"photo {line['photo']}: a number cannot be read ({error})") from error
    return TestExpression(line["photo"], line["expression"], kind, rivals, line["class"], (left, top, right, bottom))
