"""What S3N looks at in one photo, as one picture: the photo, and each attention map beside the view that it makes.

Owns the five panels and how they are drawn. They are made by the torch model of a run, as it answers: a bundle's graph gives
the attention, but no view.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from models.preprocess import ImageError, Pixels, preprocess
from models.s3n import S3N
from models.training.data import DataError
from models.training.runs import load_model
from models.training.views import to_tensor

_VIEWS = ("discriminative", "complementary")
_DPI = 110


class Looks(NamedTuple):
    """`photo` uint8 [S, S, 3] as the model sees it; `attention` f32 [2, 31, 31]; `views` uint8 [2, S, S, 3]; discriminative first."""

    photo: Pixels
    attention: npt.NDArray[np.float32]
    views: Pixels


def look(folder: Path, photo: Path) -> Looks:
    """What the averaged model of the run in `folder` looks at in a photo.

    Raises:
        DataError: the folder holds no run of S3N whose first epoch is done, or the photo cannot be read.
    """
    record, model, _ = load_model(folder)
    if not isinstance(model, S3N):
        raise DataError(f"{folder} is a run of {record.system}; only s3n looks at views")
    try:
        pixels, _ = preprocess(photo.read_bytes(), record.size_px, record.fit)
    except (ImageError, OSError) as error:
        raise DataError(f"{photo} cannot be read: {error}") from error
    image = to_tensor([pixels])
    with torch.inference_mode():
        attention = model(image).attention[0]
        views = model.sampler(image.expand(2, -1, -1, -1), attention)
    shown = views.round().clamp(0, 255).permute(0, 2, 3, 1).byte().numpy()
    return Looks(pixels, attention.numpy(), shown)


def draw_looks(path: Path, looks: Looks) -> None:
    """Write the panels side by side as a PNG; a map is dark where it is low and light where it is high."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure = Figure(figsize=(15, 3.4), layout="constrained")
    FigureCanvasAgg(figure)
    photo, *others = figure.subplots(1, 1 + 2 * len(_VIEWS))
    photo.imshow(looks.photo)
    photo.set_title("photo")
    for axes, name, attention in zip(others[::2], _VIEWS, looks.attention, strict=True):
        axes.imshow(attention, cmap="magma", interpolation="nearest")
        axes.set_title(f"attention, {name}")
    for axes, name, view in zip(others[1::2], _VIEWS, looks.views, strict=True):
        axes.imshow(view)
        axes.set_title(f"view, {name}")
    for axes in (photo, *others):
        axes.set_axis_off()
    figure.savefig(path, dpi=_DPI, format="png")
