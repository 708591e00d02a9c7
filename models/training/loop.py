"""The training loop: optimiser, schedule, averaged weights, checkpoints; the same for every system.

Owns how steps are taken and how a run is continued after it was stopped. A system gives a model and a loss; a recipe
gives the numbers. A run's folder holds `state.pt` (rewritten after each epoch) and `history.jsonl`. A run that was
continued ends with the same weights as one that was not stopped.
"""

from __future__ import annotations

import copy
import json
import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Protocol, Self, TypeVar, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from models.training.freezing import freeze
from models.training.losses import Moment
from models.training.views import Batch

STATE_NAME = "state.pt"
HISTORY_NAME = "history.jsonl"
_POSITIONS = frozenset({"position", "positions"})


class Movable(Protocol):
    """What one step learns from; `Batch` is one, and the loop looks into no other."""

    def to(self, device: torch.device) -> Self:
        """The same on a device."""


Step = TypeVar("Step", bound=Movable)


@dataclass(frozen=True, slots=True)
class Schedule:
    """The numbers of a run.

    `head_lr_factor` multiplies the learning rate of parameters that do not belong to the backbone. `sizes_px` gives
    the image side of each epoch, and so their number. `mixup_share` is the share of batches that are blended. `rates`
    gives parameters, by the beginning of their names, a factor of their own. `frozen` is the share of the backbone's blocks that stay as they
    are, for each epoch; none if empty. With a batch below `norms_need`, the backbone's batch norms keep their statistics.
    """

    sizes_px: tuple[int, ...]
    batch: int
    lr: float
    head_lr_factor: float
    weight_decay: float
    warmup_steps: int
    ema_decay: float
    clip_norm: float
    mixup_share: float
    bf16: bool
    optimiser: Literal["adamw", "sgd"] = "adamw"
    rates: tuple[tuple[str, float], ...] = ()
    frozen: tuple[float, ...] = ()
    norms_need: int = 0

    @property
    def epochs(self) -> int:
        """How often the photos are gone through."""
        return len(self.sizes_px)


class Run:
    """One training run that can be stopped and continued.

    `model` is trained in place; `averaged` is its exponential moving average, which is evaluated and exported. `blend` is
    set when a run has ended with an average of its start and its end.
    """

    def __init__(self, model: nn.Module, schedule: Schedule, folder: Path, steps_per_epoch: int, seed: int) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.model = model.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.averaged = copy.deepcopy(self.model).eval()
        self.schedule = schedule
        self.folder = folder
        self.seed = seed
        self.epoch = 0
        self.blend: float | None = None
        self._step = 0
        self._steps = max(1, steps_per_epoch * schedule.epochs)
        self._trainable = frozenset(name for name, weight in model.named_parameters() if weight.requires_grad)
        self._optimiser = _optimiser(model, schedule)
        self._scheduler = torch.optim.lr_scheduler.LambdaLR(self._optimiser, self._factor)
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def has_moved(self) -> bool:
        """Whether an epoch was taken in which the backbone learnt."""
        frozen = self.schedule.frozen or (0.0,) * self.schedule.epochs
        return any(share < 1.0 for share in frozen[: self.epoch])

    def _factor(self, step: int) -> float:
        """Linear warm-up, then half a cosine to zero."""
        warmup = min(self.schedule.warmup_steps, self._steps // 4)
        if step < warmup:
            return (step + 1) / warmup
        return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, self._steps - warmup)))

    def resume(self) -> bool:
        """Continue from the folder's state, if there is one."""
        path = self.folder / STATE_NAME
        if not path.exists():
            return False
        state = torch.load(path, map_location="cpu", weights_only=True)
        self.model.load_state_dict(state["model"])
        self.averaged.load_state_dict(state["averaged"])
        self._optimiser.load_state_dict(state["optimiser"])
        self._scheduler.load_state_dict(state["scheduler"])
        self.epoch, self.blend, self._step = int(state["epoch"]), state["blend"], int(state["step"])
        torch.set_rng_state(state["random"])
        torch.cuda.set_rng_state_all(state.get("random_gpu", []))
        return True

    def train_epoch(self, batches: Iterable[Step], loss: Callable[[nn.Module, Step, Moment], Tensor]) -> float:
        """Take one step a batch, then save; returns the mean loss."""
        self.model.train()
        frozen = self.schedule.frozen[self.epoch] if self.schedule.frozen else 0.0
        freeze(self.model, frozen, self._trainable, self.schedule.batch < self.schedule.norms_need)
        rng = np.random.default_rng((self.seed, self.epoch))
        generator = torch.Generator().manual_seed(self.seed * 1000 + self.epoch)
        losses: list[float] = []
        started, cpu_started = time.monotonic(), time.process_time()
        for batch in batches:
            moment = Moment(self.epoch / self.schedule.epochs, self._step / self._steps, generator)
            blended = _mixup(batch.to(self.device), self.schedule.mixup_share, rng)
            losses.append(self._take_step(blended, loss, moment))
        self.epoch += 1
        self.save()
        mean = float(np.mean(losses)) if losses else math.nan
        seconds, cpu_s = time.monotonic() - started, time.process_time() - cpu_started
        self.log(epoch=self.epoch, loss=round(mean, 4), seconds=round(seconds, 1), cpu_s=round(cpu_s, 1))
        return mean

    def end_with(self, averaged: Mapping[str, Tensor], blend: float) -> None:
        """Put other weights in the place of the average, of which they are the share `blend`, and save."""
        self.averaged.load_state_dict(averaged)
        self.blend = blend
        self.save()
        self.log(blend=blend)

    def _take_step(self, batch: Step, loss: Callable[[nn.Module, Step, Moment], Tensor], moment: Moment) -> float:
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.schedule.bf16):
            value = loss(self.model, batch, moment)
        told = float(value.item())
        if not math.isfinite(told):
            raise FloatingPointError(f"the loss became {told} at step {self._step}; lower the learning rate")
        self._optimiser.zero_grad(set_to_none=True)
        value.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), self.schedule.clip_norm)
        self._optimiser.step()
        self._scheduler.step()
        self._step += 1
        self._average()
        return told

    @torch.no_grad()
    def _average(self) -> None:
        """Follow the model; early on with a shorter memory, so that the start is forgotten."""
        decay = min(self.schedule.ema_decay, (1 + self._step) / (10 + self._step))
        pairs = list(zip(self.averaged.state_dict().values(), self.model.state_dict().values(), strict=True))
        floats = [pair for pair in pairs if pair[0].is_floating_point()]
        get_ema_multi_avg_fn(decay)([kept for kept, _ in floats], [new for _, new in floats], 0)
        for kept, new in pairs:
            if not kept.is_floating_point():
                kept.copy_(new)

    def save(self) -> None:
        """Keep everything that the run goes on from, in place of what was kept before."""
        state = {
            "model": self.model.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "scheduler": self._scheduler.state_dict(),
            "epoch": self.epoch,
            "blend": self.blend,
            "step": self._step,
            "random": torch.get_rng_state(),  # dropout goes on where it was
            "random_gpu": torch.cuda.get_rng_state_all(),
        }
        partial = self.folder / f"{STATE_NAME}.partial"
        torch.save(state, partial)
        partial.replace(self.folder / STATE_NAME)

    def log(self, **fields: object) -> None:
        """Add one line of figures to the run's history."""
        with (self.folder / HISTORY_NAME).open("a", encoding="utf-8") as file:
            file.write(json.dumps(fields) + "\n")


def _mixup(batch: Step, share: float, rng: np.random.Generator) -> Step:
    """Blend a share of the batches of photos with their own reverse (Zhang et al., "mixup", ICLR 2018)."""
    weight = float(rng.beta(0.4, 0.4)) if rng.random() < share else 1.0
    if weight == 1.0 or not isinstance(batch, Batch):
        return batch
    images = batch.images * weight + batch.images.flip(0) * (1 - weight)
    return cast("Step", replace(batch, images=images, weight=weight))


def _optimiser(model: nn.Module, schedule: Schedule) -> torch.optim.Optimizer:
    groups = parameter_groups(model, schedule)
    if schedule.optimiser == "sgd":
        return torch.optim.SGD(groups, momentum=0.9)
    on_gpu = next(model.parameters()).is_cuda
    return torch.optim.AdamW(groups, betas=(0.9, 0.999), fused=on_gpu)


def _rate(name: str, schedule: Schedule) -> float:
    """A parameter's factor of the learning rate."""
    usual = 1.0 if name.startswith("backbone.") else schedule.head_lr_factor
    return next((factor for prefix, factor in schedule.rates if name.startswith(prefix)), usual)


def _decays(name: str, parameter: nn.Parameter) -> bool:
    """Norms, biases and tables of positions do not: what adds to every input has no scale that could be too large."""
    return parameter.ndim > 1 and not _POSITIONS & set(name.split("."))


def parameter_groups(model: nn.Module, schedule: Schedule) -> list[dict[str, Any]]:
    """Backbone, new layers and those with a factor of their own at their rates, some without weight decay."""
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            factor = _rate(name, schedule)
            groups.setdefault((factor, _decays(name, parameter)), []).append(parameter)
    return [
        {
            "params": parameters,
            "lr": schedule.lr * factor,
            "weight_decay": schedule.weight_decay if decays else 0.0,
        }
        for (factor, decays), parameters in groups.items()
    ]
