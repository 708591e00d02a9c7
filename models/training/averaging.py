"""Several finished models as one: the mean of their weights, which answers as fast as one of them.

Models that began at the same weights and were trained apart lie in one valley, and their mean is often better than each
(Wortsman et al., "Model soups", ICML 2022). With the weights that all began at, the mean is blended with these as a single
run's end is (`models.training.blend`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from models.preprocess import prepare_decoders
from models.systems import build
from models.training.blend import best_blend, blended
from models.training.commission import Start
from models.training.data import DataError, Dataset, limited
from models.training.loop import HISTORY_NAME, STATE_NAME
from models.training.material import Lessons, Photos
from models.training.recipes.plain import OWN
from models.training.records import write_record
from models.training.runs import RunRecord
from models.training.views import PhotoStore

RECIPE = "average"


@dataclass(frozen=True, slots=True)
class Blend:
    """What the members began at, and how much of their mean is taken; None: as validates best."""

    start: Start
    share: float | None = None


def average(
    members: Sequence[Start],
    dataset: Dataset,
    out: Path,
    blend: Blend | None = None,
    size_px: int | None = None,
    limit: int | None = None,
) -> dict[str, float]:
    """Write the mean of the members as a run of its own into `out`; returns its accuracy on held-out photos by framing.

    One member alone becomes a run with the weights that it has: so a bundle is exported anew, or reads more pixels.
    It reads photos as the first member does, or at `size_px`.

    Raises:
        DataError: the members are not of one kind, read texts, know other classes than the data has, or `out` holds another run.
    """
    _check(members, blend, dataset)
    record = _record(members, blend, dataset, size_px or members[0].size_px, limit)
    try:
        model = build(record.build).eval()
    except ValueError as error:
        raise DataError(str(error)) from error
    write_record(out, record)
    prepare_decoders()
    recipe = replace(OWN, backbone=record.backbone, size_px=record.size_px, fit=record.fit)
    held_out = limited(dataset.part("validation"), limit)
    photos = Photos(Lessons(recipe, dataset, (), held_out, PhotoStore(record.size_px)))

    def measured(state: Mapping[str, Tensor]) -> dict[str, float]:
        model.load_state_dict(state, strict=False)  # what counts batches is in no bundle, and in no answer
        return photos.accuracy(model)

    state, share = mean_of([one.state for one in members]), None
    if blend is not None:
        start, share = _floats(blend.start.state), blend.share
        if share is None:
            share, state = best_blend(start, state, lambda one: float(np.mean(list(measured(one).values()))))
        else:
            state = blended(start, state, share)
    found = measured(state)
    torch.save({"averaged": model.state_dict(), "epoch": 0, "blend": share, "step": 0}, out / STATE_NAME)
    line = {"stage": "average", "blend": share, "validation": found}
    (out / HISTORY_NAME).write_text(json.dumps(line) + "\n", encoding="utf-8")
    return found


def mean_of(states: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """The mean of each weight, f32."""
    weights = [_floats(state) for state in states]
    return {name: torch.stack([one[name] for one in weights]).mean(0) for name in weights[0]}


def _floats(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: weight.float() for name, weight in state.items() if weight.is_floating_point()}


def _check(members: Sequence[Start], blend: Blend | None, dataset: Dataset) -> None:
    """Refuse what cannot be averaged."""
    first = members[0]
    for one in [*members, *([blend.start] if blend else [])]:
        if _shapes(one) != _shapes(first):
            raise DataError(f"{one.identity} and {first.identity} are not built alike")
        if one.class_ids != dataset.class_ids:
            raise DataError(f"{one.identity} knows other classes than {dataset.name} has")
    if any(one.system != first.system for one in members):
        raise DataError(f"{', '.join(one.identity for one in members)} are not of one system")
    if first.system == "pma":
        raise DataError(f"{first.identity} reads texts, which an average is not measured with")


def _shapes(one: Start) -> dict[str, torch.Size]:
    return {name: weight.shape for name, weight in _floats(one.state).items()}


def _record(
    members: Sequence[Start], blend: Blend | None, dataset: Dataset, size_px: int, limit: int | None
) -> RunRecord:
    first = members[0]
    return RunRecord(
        system=first.system,
        recipe=RECIPE,
        dataset=dataset.name,
        class_ids=dataset.class_ids,
        backbone=first.backbone,
        size_px=size_px,
        fit=first.fit,
        epochs=0,
        seed=0,
        weights=blend.start.identity if blend else None,
        limit=limit,
        members=tuple(one.identity for one in members),
        region=first.region,
    )
