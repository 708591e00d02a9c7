"""Bad, odd and hostile images, each named for what is wrong with it, and what has to come of each.

The decoder's tests and those of the service read the table from here; its parts stand beside it by format. Each image is
made when it is asked for, by `image_bytes.py` or an encoder.
"""

from __future__ import annotations

from tests.models.bad_images.case import Case, Outcome
from tests.models.bad_images.every_format import oriented, truncated
from tests.models.bad_images.jpegs import EXIFS, JPEGS
from tests.models.bad_images.not_images import NOT_IMAGES
from tests.models.bad_images.pngs import PNGS
from tests.models.bad_images.rarer_formats import BMPS, GIFS, TIFFS, WEBPS

__all__ = ["CASES", "Case", "Outcome"]

CASES: tuple[Case, ...] = (
    *truncated(),
    *oriented(),
    *NOT_IMAGES,
    *JPEGS,
    *EXIFS,
    *PNGS,
    *WEBPS,
    *GIFS,
    *BMPS,
    *TIFFS,
)
