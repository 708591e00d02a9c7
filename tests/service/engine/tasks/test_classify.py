"""From logits to the answer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from models.sections import Calibration
from service.answers import Parameters
from service.engine.backends.base import Array
from service.engine.backends.testing import EchoBackend
from service.engine.bundle import Bundle, load_bundle
from service.engine.tasks.classify import ClassifyPlan
from service.engine.tasks.reading import Scores
from tests.bundles import make_bundle, solid_photo


def make_plan(folder: Path, **fields: Any) -> ClassifyPlan:
    bundle = load_bundle(make_bundle(folder, backend="echo", **fields), lambda _: EchoBackend(), 16)
    return ClassifyPlan("classify/colours", bundle)


def answer(plan: ClassifyPlan, logits: list[float], parameters: Parameters | None = None) -> dict[str, Any]:
    """The JSON that a caller sees for these logits."""
    subject = plan.prepare([solid_photo(width=40, height=30)], parameters or Parameters())
    parts = {"activation": np.array([[[0, 2], [1, -1]]], np.float32)} if subject.case.parameters.explain else None
    finished = plan.finish(subject, (Scores(np.array([logits], np.float32), parts=parts),))
    encoded: dict[str, Any] = json.loads(msgspec.json.encode(finished.answer))
    return encoded


def test_predictions_are_ordered_rounded_and_bear_their_levels(tmp_path: Path) -> None:
    found = answer(make_plan(tmp_path), [0, 2, 1], Parameters(top_k=2))
    assert found["predictions"] == [
        {
            "class_id": "001.Green",
            "label": "Green",
            "probability": 0.665241,
            "levels": {"warmth": "cool", "hue": "green"},
        },
        {"class_id": "002.Blue", "label": "Blue", "probability": 0.244728, "levels": {"warmth": "cool", "hue": "blue"}},
    ]
    assert found["image"] == {"width": 40, "height": 30}
    assert found.keys() == {"model", "predictions", "image"}


def test_equal_scores_keep_the_order_of_the_classes(tmp_path: Path) -> None:
    found = answer(make_plan(tmp_path), [1, 1, 1])
    assert [prediction["label"] for prediction in found["predictions"]] == ["Red", "Green", "Blue"]


def test_the_temperature_softens_the_scores(tmp_path: Path) -> None:
    found = answer(make_plan(tmp_path, calibration=Calibration(temperature=2.0)), [0, 4, 2])
    assert found["predictions"][0]["probability"] == 0.665241


@pytest.mark.parametrize(
    ("logits", "uncertain", "reason"),
    [
        ([0, 9, 0], False, None),
        ([0, 0.5, 0], True, "the best class has probability 0.452; 0.500 is certain enough"),
    ],
)
def test_an_answer_below_the_threshold_says_so(
    tmp_path: Path, logits: list[float], uncertain: bool, reason: str | None
) -> None:
    found = answer(make_plan(tmp_path, calibration=Calibration(uncertain_below=0.5)), logits)
    assert (found["uncertain"], found["reason"]) == (uncertain, reason)


@pytest.mark.parametrize(
    ("logits", "rollup"),
    [
        ([0, 9, 0], {"level": "hue", "label": "Green", "probability": 0.999753}),
        ([0, 5, 5], {"level": "warmth", "label": "cool", "probability": 0.996642}),
        ([0, 0, 0], None),
    ],
)
def test_the_rollup_is_the_finest_level_that_is_certain(
    tmp_path: Path, logits: list[float], rollup: dict[str, Any] | None
) -> None:
    found = answer(make_plan(tmp_path, calibration=Calibration(uncertain_below=0.5)), logits)
    assert found.get("rollup") == rollup


def test_the_set_has_the_highest_coverage_that_was_fitted(tmp_path: Path) -> None:
    plan = make_plan(tmp_path, calibration=Calibration(conformal={"0.9": 0.1, "0.95": 0.8}))
    assert answer(plan, [0, 2, 1])["set"] == {"coverage": 0.95, "class_ids": ["001.Green", "002.Blue"]}


def test_the_explanation_comes_when_it_is_asked_for(tmp_path: Path) -> None:
    plan = make_plan(tmp_path)
    assert "explanation" not in answer(plan, [0, 2, 1])
    shown = answer(plan, [0, 2, 1], Parameters(explain=True))["explanation"]
    assert shown == {"system": "testing", "map": {"rows": 2, "columns": 2, "values": [0.0, 1.0, 0.5, 0.0]}}


def test_outputs_that_nobody_asked_for_are_not_fetched(tmp_path: Path) -> None:
    bundle = load_bundle(make_bundle(tmp_path, backend="echo"), lambda _: EchoBackend(), 16)
    asked: list[tuple[str, ...]] = []

    class Spy:
        inputs, outputs = bundle.session.inputs, bundle.session.outputs

        def run(self, inputs: dict[str, Array], outputs: tuple[str, ...]) -> dict[str, Array]:
            asked.append(tuple(outputs))
            return bundle.session.run(inputs, outputs)

    spied = Bundle(bundle.manifest, bundle.labels, Spy(), "echo", "fp32", bundle.curve)  # type: ignore[arg-type]
    plan = ClassifyPlan("classify/colours", spied)
    plain, explained = (plan.prepare([solid_photo()], Parameters(explain=explain)) for explain in (False, True))
    plan.infer([plain])
    plan.infer([plain, explained])
    assert asked == [("logits",), ("logits", "activation")]


def test_what_the_metrics_count_comes_with_the_answer(tmp_path: Path) -> None:
    plan = make_plan(tmp_path, calibration=Calibration(uncertain_below=0.9))
    subject = plan.prepare([solid_photo()], Parameters())
    finished = plan.finish(subject, (Scores(np.array([[0, 2, 1]], np.float32)),))
    assert (finished.model, finished.confidence, finished.is_uncertain) == ("colours@1.0.0", 0.665241, True)
