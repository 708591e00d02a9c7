"""Parity: a faithful file passes, a drifting or coupled one is refused."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from export.parity import ParityError, check_parity
from export.runtime import Graph, Inputs, Outputs, machine_name, measure
from models.preprocess import Pixels
from tests.export.conftest import Exported


def test_the_file_computes_what_the_model_computes(exported: Exported, images: Pixels) -> None:
    parity = check_parity(exported.model, exported.graph, Inputs(images))
    assert parity.photos == 11
    assert set(parity.largest) == {"logits", "features", "activation"}
    assert max(parity.largest.values()) < 1e-4
    assert parity.coupling < 5e-5


def test_a_model_that_moved_on_is_refused(exported: Exported, images: Pixels) -> None:
    moved = copy.deepcopy(exported.model)
    with torch.no_grad():
        moved.get_parameter("classifier.bias").add_(0.01)
    with pytest.raises(ParityError, match="logits differs from torch by"):
        check_parity(moved, exported.graph, Inputs(images))


class Coupled(Graph):
    """A graph in which the photos of a batch see each other, a little."""

    def __call__(self, inputs: Inputs) -> Outputs:
        """The outputs, with some of the batch's mean mixed in."""
        outputs = super().__call__(inputs)
        logits = outputs["logits"]
        return outputs | {"logits": logits + 8e-5 * (len(inputs) > 3) * np.abs(logits).max()}


def test_photos_that_see_each_other_are_refused(exported: Exported, images: Pixels) -> None:
    with pytest.raises(ParityError, match=r"a photo's logits changes by .* with the others in its batch"):
        check_parity(exported.model, Coupled(exported.path), Inputs(images))


class Broken(Graph):
    """A graph that answers with NaN."""

    def __call__(self, inputs: Inputs) -> Outputs:
        """The outputs, spoilt."""
        return {name: values * np.float32(np.nan) for name, values in super().__call__(inputs).items()}


def test_nan_is_no_parity(exported: Exported, images: Pixels) -> None:
    with pytest.raises(ParityError, match="nan"):
        check_parity(exported.model, Broken(exported.path), Inputs(images))


def test_few_photos_prove_nothing(exported: Exported, images: Pixels) -> None:
    with pytest.raises(ValueError, match="at least 8 photos, got 7"):
        check_parity(exported.model, exported.graph, Inputs(images[:7]))


def test_the_same_photo_has_the_same_answer_bit_for_bit(exported: Exported, images: Pixels) -> None:
    graph = exported.graph
    first, again = graph(Inputs(images)), graph(Inputs(images))
    assert all(np.array_equal(first[name], again[name]) for name in first)


def test_latency_is_measured_for_each_batch_on_a_named_machine(exported: Exported) -> None:
    rows = measure(exported.graph, (1, 2))
    assert [(row.batch, row.threads, row.machine) for row in rows] == [(1, 1, machine_name()), (2, 1, machine_name())]
    assert machine_name()
