"""The file around raw pixels is one that decodes to them, bit for bit, whatever the fit of the model."""

import numpy as np
import pytest

from models.formats import sniff_format
from models.preprocess import Fit, preprocess
from service.gateway.tiff import HEAD_BYTES, wrap_rgb


@pytest.mark.parametrize("fit", ["crop", "squash", "letterbox"])
@pytest.mark.parametrize("size_px", [1, 32, 33, 448])
def test_a_model_sees_the_pixels_that_were_sent(fit: Fit, size_px: int) -> None:
    pixels = np.random.default_rng(size_px).integers(0, 256, (size_px, size_px, 3), np.uint8)
    seen, photo = preprocess(wrap_rgb(pixels.tobytes(), size_px), size_px, fit)
    assert np.array_equal(seen, pixels)
    assert (photo.width, photo.height) == (size_px, size_px)


def test_the_head_has_its_length_and_a_known_signature() -> None:
    file = wrap_rgb(memoryview(bytes(range(12))), 2)
    assert sniff_format(file) == "TIFF"
    assert file[HEAD_BYTES:] == bytes(range(12))
