"""The visual branch learns to detect before it learns to ground: every cell its class and box, by all boxes of a photo.

Owns the targets of cells, the loss and the few epochs; the backbone stays as it is and so does the position, which this
task does not need. A thing's cells are those in its box, of the smallest box where several hold a cell; a thing between
the centres has the nearest one. Sources: Lin et al., "Focal loss", ICCV 2017; Tian et al., "FCOS", ICCV 2019.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.layers.boxes import cell_centres, overlap
from models.layers.grains import CELL_PX
from models.preprocess import Pixels, fit_pixels
from models.training.cell_losses import inside
from models.training.grounding.pictures import Picture
from models.training.grounding.pool import Sight, canvas_box
from models.training.nouns import CLASSES
from models.training.recipes.grounding import Pretext
from models.training.views import to_tensor
from models.training.voc import Scene

_ALPHA, _GAMMA = 0.25, 2.0  # of the focal loss
_RARE_LOGIT = -4.6  # cells of a class are one in a hundred


class Targets(NamedTuple):
    """For each cell f32: its class one-hot [N, 20], the distances to its box's edges [N, 4] and whether it has one [N]."""

    classes: Tensor
    reach: Tensor
    held: Tensor


class Detector(nn.Module):
    """Linear predictors above the cells; thrown away afterwards."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.classes = nn.Linear(width, len(CLASSES))
        self.reach = nn.Linear(width, 4)
        self.centred = nn.Linear(width, 1)
        nn.init.constant_(self.classes.bias, _RARE_LOGIT)
        nn.init.constant_(self.reach.bias, -2.0)


def learn_to_detect(
    sight: Sight,
    scenes: Sequence[Scene],
    pretext: Pretext,
    folder: Path,
    seed: int,
    advance: Callable[[int], None],
) -> None:
    """Train the projections of the visual branch, or read them from `folder`; `advance` counts photos."""
    vision = sight.vision
    facts = [pretext, sight.size_px, seed, [scene.path.stem for scene in scenes]]
    digest = hashlib.sha256(repr(facts).encode())
    for weight in vision.backbone.state_dict().values():
        digest.update(weight.cpu().numpy().tobytes())
    path = folder / f"vision-{digest.hexdigest()[:16]}.pt"
    if not path.exists():
        _learn(sight, scenes, pretext, seed, advance)
        folder.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        torch.save(vision.projections.state_dict(), partial)
        partial.replace(path)
    vision.projections.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))


def _learn(sight: Sight, scenes: Sequence[Scene], pretext: Pretext, seed: int, advance: Callable[[int], None]) -> None:
    torch.manual_seed(seed)
    vision = sight.vision
    detector = Detector(vision.width)
    learnt = [*vision.projections.parameters(), *detector.parameters()]
    optimiser = torch.optim.AdamW(learnt, pretext.lr, weight_decay=pretext.weight_decay)
    steps = pretext.epochs * -(-len(scenes) // pretext.batch)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    vision.eval()  # norms of groups have no statistics; those of the backbone keep theirs
    centres = cell_centres(sight.size_px // CELL_PX)
    rng = np.random.default_rng(seed)
    for _ in range(pretext.epochs):
        for images, targets in _batches(sight, scenes, pretext.batch, centres, rng):
            with torch.no_grad():
                maps = vision.backbone(images)
            loss = detection_loss(detector, vision.project(maps), targets)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            schedule.step()
            advance(len(images))


def _batches(
    sight: Sight, scenes: Sequence[Scene], batch: int, centres: Tensor, rng: np.random.Generator
) -> Iterator[tuple[Tensor, Targets]]:
    """One epoch, each photo once, half of them mirrored."""
    size_px = sight.size_px
    order = rng.permutation(len(scenes))
    for start in range(0, len(order), batch):
        pictures = [Picture((scenes[i],), 0, bool(rng.random() < 0.5)) for i in order[start : start + batch]]
        images: list[Pixels] = []
        targets: list[Targets] = []
        for picture in pictures:
            pixels = sight.store[picture.scenes[0].path]
            images.append(_mirrored(fit_pixels(pixels, size_px, "letterbox"), is_mirrored=picture.is_mirrored))
            targets.append(_targets(picture, pixels.shape[1], pixels.shape[0], size_px, centres))
        tensor = to_tensor(images).contiguous(memory_format=torch.channels_last)
        yield tensor, Targets(*(torch.stack(column) for column in zip(*targets, strict=True)))


def _mirrored(pixels: Pixels, *, is_mirrored: bool) -> Pixels:
    return np.ascontiguousarray(pixels[:, ::-1]) if is_mirrored else pixels


def _targets(picture: Picture, width: int, height: int, size_px: int, centres: Tensor) -> Targets:
    things = sorted(picture.scenes[0].things, key=lambda thing: -thing.area)  # the smallest has the last word
    boxes = torch.tensor([canvas_box(thing.box, width, height, size_px) for thing in things]).reshape(-1, 4)
    if picture.is_mirrored:
        boxes[:, 0] = 1.0 - boxes[:, 0]
    labels = torch.tensor([CLASSES.index(thing.name) for thing in things])
    return cell_targets(boxes, labels, centres)


def cell_targets(boxes: Tensor, labels: Tensor, centres: Tensor) -> Targets:
    """What each cell shall say, given boxes f32 [T, 4] (cx, cy, w, h), largest first, and their classes int64 [T]."""
    classes = torch.zeros(len(centres), len(CLASSES))
    reach = torch.zeros(len(centres), 4)
    for box, label in zip(boxes, labels, strict=True):
        mine = inside(box.unsqueeze(0), centres)[0] > 0
        classes[mine] = F.one_hot(label, len(CLASSES)).float()
        low, high = box[:2] - box[2:] / 2, box[:2] + box[2:] / 2
        reach[mine] = torch.cat([centres[mine] - low, high - centres[mine]], 1).clamp_min(0.0)
    return Targets(classes, reach, classes.amax(1))


def detection_loss(detector: Detector, cells: Tensor, targets: Targets) -> Tensor:
    """Focal loss of the class of each cell f32 [B, N, C], GIoU of its box, how central it is; per positive cell."""
    logits = detector.classes(cells)
    count = targets.held.sum().clamp_min(1.0)
    chance = torch.where(targets.classes > 0, logits.sigmoid(), 1 - logits.sigmoid())
    weight = torch.where(targets.classes > 0, _ALPHA, 1 - _ALPHA) * (1 - chance).pow(_GAMMA)
    focal = F.binary_cross_entropy_with_logits(logits, targets.classes, reduction="none")
    held = targets.held > 0
    reach, truth = F.softplus(detector.reach(cells)[held]), targets.reach[held]
    box = overlap(_sides(reach), _sides(truth)).loss.sum()
    central = F.binary_cross_entropy_with_logits(detector.centred(cells)[held].squeeze(1), _centredness(truth))
    return ((weight * focal).sum() + box) / count + central


def _sides(reach: Tensor) -> Tensor:
    """Distances from a cell's centre as corners around 0."""
    return torch.cat([-reach[:, :2], reach[:, 2:]], 1)


def _centredness(reach: Tensor) -> Tensor:
    """1 at the centre of a box, towards 0 at its edges: f32 [P]."""
    low = torch.minimum(reach[:, :2], reach[:, 2:])
    high = torch.maximum(reach[:, :2], reach[:, 2:]).clamp_min(1e-6)
    return (low / high).prod(1).sqrt()
