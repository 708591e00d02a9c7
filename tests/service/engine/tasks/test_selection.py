"""Candidates: which classes they mean, and how they weigh."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from models.labels import Label
from models.sections import Calibration
from service.answers import ClassifyAnswer, Parameters
from service.engine import Engine
from service.engine.tasks.selection import Checklist
from service.errors import InvalidParameter
from tests.bundles import make_bundle, solid_photo

LABELS = [
    Label("1.Jay", "Blue Jay", {"family": "Corvidae", "genus": "Cyanocitta"}),
    Label("2.Crow", "Crow", {"family": "Corvidae", "genus": "Corvus"}),
    Label("3.Wren", "Wren", {"family": "Troglodytidae", "genus": "Troglodytes"}),
]


@pytest.mark.parametrize(
    ("names", "classes"),
    [
        (["blue jay"], [0]),
        (["2.Crow", "CORVUS"], [1]),
        (["corvidae"], [0, 1]),
        (["Corvidae", "Troglodytes", "Dodo"], [0, 1, 2]),
    ],
)
def test_a_candidate_is_a_class_id_a_label_or_a_value_of_a_level(names: list[str], classes: list[int]) -> None:
    chosen = Checklist(LABELS).select(names)
    assert chosen is not None
    assert np.flatnonzero(chosen.is_candidate).tolist() == classes
    assert chosen.unknown == [name for name in names if name == "Dodo"]


def test_a_list_of_nothing_that_is_known_is_refused() -> None:
    with pytest.raises(InvalidParameter, match=r"None of the 2 candidates .* not 'Dodo', 'Moa'"):
        Checklist(LABELS).select(["Dodo", "Moa"])


def test_candidates_share_what_is_certain_even_where_they_have_nothing() -> None:
    chosen = Checklist(LABELS).select(["Corvidae"])
    assert chosen is not None
    assert chosen.weigh(np.array([0.2, 0.3, 0.5])).tolist() == pytest.approx([0.4, 0.6, 0.0])
    assert chosen.weigh(np.array([0.0, 0.0, 1.0])).tolist() == pytest.approx([0.5, 0.5, 0.0])


def test_the_answer_is_given_with_and_without_candidates(tmp_path: Path) -> None:
    fitted = Calibration(uncertain_below=0.5, conformal={"0.9": 0.5})
    engine = Engine(make_bundle(tmp_path, calibration=fitted).parents[1])
    asked = Parameters(candidates=("cool", "Purple"), top_k=3)
    (answer, plain) = engine.classify([solid_photo()] * 2, parameters=[asked, Parameters(top_k=3)])
    assert isinstance(answer, ClassifyAnswer)
    assert isinstance(plain, ClassifyAnswer)
    told: dict[str, Any] = msgspec.to_builtins(answer)
    assert [prediction["label"] for prediction in told["predictions"]] == ["Green", "Blue"]
    assert sum(prediction["probability"] for prediction in told["predictions"]) == pytest.approx(1, abs=1e-5)
    assert told["without_candidates"] == msgspec.to_builtins(plain)["predictions"]
    assert told["unknown_candidates"] == ["Purple"]
    assert told["rollup"]["label"] == "cool"
    assert told["set"]["class_ids"] == ["001.Green"]  # of the true set no candidate is left: the best one
    assert told["uncertain"] is False  # judged among all classes: being the only one allowed makes nothing known
