"""What a grounding model's confidences are worth, against figures worked out by hand."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from models.evaluation.grounding.answers import Answered
from models.evaluation.grounding.confidence import Miscalibration, errors_of, outcomes_of, signs_of, to_markdown
from models.evaluation.grounding.items import Item, Part
from models.sections import Calibration

BOX = (0.0, 0.0, 1.0, 1.0)
#: Part, presence, quality and IoU: found, missed, refused in vain, a false alarm, rightly refused.
ANSWERS: list[tuple[Part, float, float, float]] = [
    ("test", 0.9, 0.8, 0.7),
    ("test", 0.9, 0.6, 0.3),
    ("test", 0.2, 0.7, 0.9),
    ("absent", 0.8, 0.5, 0.0),
    ("absent", 0.1, 0.5, 0.0),
]


def answered(rows: list[tuple[Part, float, float, float]], entropy: list[float] | None = None) -> Answered:
    """Answers with chances in the place of logits, each about a photo of its own."""
    items = [
        Item(part, Path(str(number)), str(number), "dog", BOX if part == "test" else None)
        for number, (part, *_) in enumerate(rows)
    ]
    conf = np.array([[math.log(one / (1 - one)) for one in row[1:3]] for row in rows])
    kept = None if entropy is None else np.array(entropy)
    return Answered(items, [BOX] * len(rows), np.array([row[3] for row in rows]), conf, kept)


def test_the_error_of_presence_is_that_of_a_chance_and_the_error_of_quality_that_of_a_share() -> None:
    found = errors_of(
        answered(
            [
                ("test", 0.95, 0.6, 0.8),
                ("test", 0.85, 0.9, 0.5),
                ("absent", 0.65, 0.5, 0.0),
                ("absent", 0.3, 0.5, 0.0),
                ("absent", 0.1, 0.5, 0.0),
                ("mirrored", 0.01, 0.01, 1.0),
            ]
        ),
        None,
    )
    assert found == [
        Miscalibration("presence", pytest.approx((0.05 + 0.15 + 0.65 + 0.3 + 0.1) / 5), None, 5),
        Miscalibration("quality", pytest.approx((0.2 + 0.4) / 2), None, 2),
    ]


def test_the_error_before_the_temperature_is_that_of_the_models_own_logits() -> None:
    cooled = answered([("test", 0.8, 0.8, 1.0), ("absent", 0.2, 0.5, 0.0)])
    presence, quality = errors_of(cooled, Calibration(temperature=2.0, quality_temperature=0.5))
    assert (presence.raw, presence.calibrated) == (pytest.approx(1 / 17), pytest.approx(0.2))
    assert (quality.raw, quality.calibrated) == (pytest.approx(1 / 3), pytest.approx(0.2))


@pytest.mark.parametrize(
    ("fitted", "f1", "right"), [(None, 4 / 6, 2 / 5), (Calibration(absent_below=0.85), 4 / 5, 3 / 5)]
)
def test_an_answer_is_right_that_hits_what_is_there_or_refuses_what_is_not(
    fitted: Calibration | None, f1: float, right: float
) -> None:
    presence, joint = outcomes_of(answered(ANSWERS), fitted)
    assert (presence.share, presence.count) == (pytest.approx(f1), 5)
    assert (joint.share, joint.count) == (pytest.approx(right), 5)
    assert presence.low <= presence.share <= presence.high


def test_nothing_is_said_of_refusals_where_nothing_is_absent() -> None:
    assert outcomes_of(answered(ANSWERS[:3]), None) == []


def test_a_sign_tells_hits_from_misses_where_it_is_higher_for_hits() -> None:
    (quality,) = signs_of(answered(ANSWERS))
    assert (quality.auroc.value, quality.hits, quality.misses) == (1.0, 2, 1)
    _, doubt = signs_of(answered(ANSWERS, [0.5, 1.5, 1.0, 0.0, 0.0]))
    assert doubt.auroc.value == 1.0


def test_the_lines_say_whether_a_temperature_was_fitted() -> None:
    raw, cooled = (to_markdown(answered(ANSWERS), fitted) for fitted in (None, Calibration(absent_below=0.85)))
    assert "calibration error of presence (ECE, 15 bins): 0.380, not calibrated, of 5" in raw
    assert "0.380, 0.380 after its temperature" in cooled
    assert "F1 of presence, where 0.8500 is enough: 80.0 %" in cooled
    assert "quality tells hits from misses: AUROC 1.000" in raw
