"""Which score tells unknown subjects is tried on photos of classes that a model was not taught."""

from __future__ import annotations

import numpy as np
import pytest

from export.runtime import Inputs, Outputs
from export.scores import Preparation
from export.trust.companions import Companion
from export.trust.uncertainty import Uncertainty, directions_of, is_partial, settle_uncertainty, try_scores
from models.evaluation.items import parts_of
from models.training.data import DataError, Dataset, Row, hold_out_classes
from tests.photosets import TINY_PX, write_photo

#: The last one is as red as can be, so that scores of logits take it for a sure red; its features are none of red.
COLOURS = {"green": (40, 210, 40), "red": (210, 40, 40), "violet": (250, 10, 250)}
COUNTS = {"train": 6, "validation": 12, "test": 2}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Photos of three colours, each as a crop and as a whole photo."""
    root = tmp_path_factory.mktemp("photos")
    rows = []
    for split, count in COUNTS.items():
        for name, colour in COLOURS.items():
            for number in range(count):
                photo = f"{name}-{split}-{number}"
                path = write_photo(root / f"{photo}.png", colour, len(rows))
                rows += [Row(path, name, split, photo, framing) for framing in ("crop", "whole")]
    return Dataset("colours", tuple(rows), tuple(COLOURS))


def ask(inputs: Inputs) -> Outputs:
    """Scores of green and red by how green and how red a photo is; its features are the mean colour."""
    mean = inputs.images.mean((1, 2)).astype(np.float32) / 255
    return {"logits": 10 * mean[:, [1, 0]], "features": mean}


def ask_all(inputs: Inputs) -> Outputs:
    """As `ask`, with violet as a third class."""
    found = ask(inputs)
    return found | {"logits": np.concatenate([found["logits"], 10 * found["features"][:, 2:]], axis=1)}


TAUGHT = Companion("taught-two@1.0.0", ("green", "red"), Preparation(TINY_PX, "squash"), ask)
OWN = Companion("own@1.0.0", tuple(COLOURS), Preparation(TINY_PX, "squash"), ask_all)


def test_the_score_that_tells_the_untaught_class_is_chosen_on_photos_of_one_framing(dataset: Dataset) -> None:
    trial = try_scores(TAUGHT, dataset, None)
    assert trial.score == "distance"
    assert (trial.identity, trial.known, trial.unknown, trial.classes) == ("taught-two@1.0.0", 24, 20, 1)
    assert trial.choice.tried["distance"].value == 1.0
    assert trial.choice.tried["max_softmax"].value <= 0.5


def test_the_file_itself_gets_directions_and_the_values_of_its_held_out_views(dataset: Dataset) -> None:
    held_out = parts_of(dataset, "validation")
    found = settle_uncertainty(OWN, TAUGHT, dataset, held_out, None)
    assert found.directions is not None
    assert found.likeness is not None
    assert found.directions.dtype == np.float16
    assert np.linalg.norm(found.directions.astype(np.float64), axis=1) == pytest.approx([1, 1, 1], abs=1e-3)
    assert len(found.likeness) == sum(len(part.items) for part in held_out)
    assert found.likeness.min() > 0.9  # every photo is near its own class


def test_directions_are_those_of_the_training_photos_of_each_class(dataset: Dataset) -> None:
    expected = np.array([COLOURS[name] for name in TAUGHT.class_ids], np.float64)
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    assert directions_of(TAUGHT, dataset, None) == pytest.approx(expected, abs=0.05)


def test_without_a_model_that_lacks_classes_nothing_is_tried(dataset: Dataset) -> None:
    assert settle_uncertainty(OWN, None, dataset, parts_of(dataset, "validation"), None) == Uncertainty()
    assert Uncertainty().score == "max_softmax"


def test_a_model_that_knows_all_classes_cannot_stand_in(dataset: Dataset) -> None:
    with pytest.raises(DataError, match=r"colours must hold photos of classes that own@1.0.0 was taught and of others"):
        try_scores(OWN, dataset, None)


def test_a_data_set_is_partial_where_classes_were_set_aside(dataset: Dataset) -> None:
    assert not is_partial(dataset)
    assert is_partial(hold_out_classes(dataset, 1))
