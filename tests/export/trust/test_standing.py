"""A bundle is an experiment where it lies more than eight points below the plain one, on the same photos."""

from __future__ import annotations

import numpy as np
import pytest

from export.runtime import Inputs, Outputs
from export.scores import Preparation
from export.trust.companions import Companion
from export.trust.standing import compare_with
from models.evaluation.figures import Scored
from models.evaluation.items import Item, Part
from models.training.data import DataError
from tests.bundles import solid_photo

PHOTOS = 100


def scored(hits: int) -> Scored:
    """Photos of class `b`, so many of them recognised."""
    items = tuple(Item(solid_photo, "b", str(number)) for number in range(PHOTOS))
    is_right = np.arange(PHOTOS) < hits
    return Scored(
        Part("test crop", items), np.stack([~is_right, is_right], axis=1).astype(np.float64), np.ones(100, int)
    )


def plain(*class_ids: str) -> Companion:
    """It is always right, in an order of classes of its own."""

    def ask(inputs: Inputs) -> Outputs:
        return {"logits": np.array([[float(name == "b") for name in class_ids]], np.float32)}

    return Companion("plain@1.0.0", class_ids, Preparation(16, "squash"), ask)


@pytest.mark.parametrize(("hits", "is_behind"), [(100, False), (92, False), (91, True)])
def test_eight_points_are_allowed(hits: int, is_behind: bool) -> None:
    found = compare_with(plain("b", "a"), scored(hits))
    assert (found.identity, found.part, found.photos) == ("plain@1.0.0", "test crop", PHOTOS)
    assert found.margin.mean == pytest.approx((hits - PHOTOS) / PHOTOS)
    assert found.is_behind is is_behind


def test_a_plain_bundle_of_other_classes_is_no_measure() -> None:
    with pytest.raises(DataError, match="the first is 'b'"):
        compare_with(plain("a", "c"), scored(50))
