"""Every image of the corpus comes to the end that its row foresees, quietly and within the limits."""

import re
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.formats import sniff_format
from models.preprocess import ImageError, Photo, decode, prepare_decoders, preprocess
from tests.models.bad_images import CASES, Case, Outcome
from tests.models.image_bytes import photo, save

#: What a message may say: plain words and numbers. A path, a class or a library's own text would break it.
SAFE_MESSAGE = re.compile(r"[A-Za-z0-9 ,;:()'-]{10,160}")
LIBRARY_WORDS = re.compile(r"pillow|\bpil\b|libjpeg|cv2|numpy|traceback|error|exception", re.IGNORECASE)
LIMIT_WORDS = re.compile(r"\d pixels|scans|segments|values")


@pytest.fixture(autouse=True)
def decoders_prepared(recwarn: pytest.WarningsRecorder, capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """Prepare as a worker does; afterwards nothing may have been warned or printed."""
    prepare_decoders()
    yield
    printed = capfd.readouterr()
    # libtiff itself reports broken strips to the error stream; Pillow offers no way to stop it.
    lines = [line for line in printed.err.splitlines() if not re.match(r"(TIFF|ZIP|LZW|Fax|_TIFF)\w*: ", line)]
    assert (printed.out, lines) == ("", [])
    assert [str(warning.message) for warning in recwarn] == []


def cases(*outcomes: Outcome, containing: str = "") -> pytest.MarkDecorator:
    chosen = [case for case in CASES if case.outcome in outcomes and containing in case.name]
    return pytest.mark.parametrize("case", chosen, ids=lambda case: case.name)


def decoded_or_message(data: bytes, need_px: int) -> Photo | str:
    try:
        return decode(data, need_px)
    except ImageError as error:
        return str(error)


def test_the_corpus_is_large_and_its_names_are_unique() -> None:
    assert len(CASES) >= 60
    assert len({case.name for case in CASES}) == len(CASES)


@cases(Outcome.NOT_AN_IMAGE)
def test_what_is_no_image_is_told_by_its_head_and_refused(case: Case) -> None:
    data = case.build()
    assert sniff_format(data) is None
    with pytest.raises(ImageError, match="allowed format"):
        decode(data, 224)


@pytest.mark.parametrize("need_px", [None, 224])
@cases(Outcome.REFUSED)
def test_a_bad_image_is_refused_with_a_safe_message(case: Case, need_px: int | None) -> None:
    data = case.build()
    assert sniff_format(data) is not None
    with pytest.raises(ImageError) as caught:
        decode(data, need_px)
    assert SAFE_MESSAGE.fullmatch(str(caught.value))
    assert not LIBRARY_WORDS.search(str(caught.value))


@cases(Outcome.REFUSED, containing="bomb")
def test_a_bomb_is_refused_by_what_it_claims_and_not_by_what_it_does(case: Case) -> None:
    with pytest.raises(ImageError, match=LIMIT_WORDS):
        decode(case.build(), 224)


@cases(Outcome.DECODES)
def test_an_odd_image_decodes_to_its_upright_size_and_colour(case: Case) -> None:
    pixels, decoded = preprocess(case.build(), 64, "squash")
    assert pixels.shape == (64, 64, 3)
    assert (decoded.width, decoded.height) == case.size
    if case.colour is not None:
        assert np.abs(decoded.pixels.mean((0, 1)) - case.colour).max() <= 3


def test_threads_that_decode_side_by_side_change_neither_results_nor_warning_filters() -> None:
    filters = list(warnings.filters)
    images = [case.build() for case in CASES]
    alone = [decoded_or_message(data, 64) for data in images]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(decoded_or_message, images, [64] * len(images)))
    assert list(warnings.filters) == filters
    for one, other in zip(alone, together, strict=True):
        if isinstance(one, str):
            assert one == other
        else:
            assert isinstance(other, Photo)
            assert np.array_equal(one.pixels, other.pixels)


FORMS = {name: save(photo(40, 30), name) for name in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")}


@settings(deadline=None, max_examples=300)
@given(
    st.sampled_from(sorted(FORMS)),
    st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=4)), max_size=6),
    st.floats(0, 1),
)
def test_damage_anywhere_gives_pixels_or_an_image_error(
    name: str, damages: list[tuple[float, bytes]], kept: float
) -> None:
    data = bytearray(FORMS[name])
    for place, new in damages:
        start = int(place * (len(data) - 1))
        data[start : start + len(new)] = new
    result = decoded_or_message(bytes(data[: int(kept * len(data))]), 16)
    if isinstance(result, str):
        assert SAFE_MESSAGE.fullmatch(result)
    else:
        assert result.pixels.dtype == np.uint8
        assert result.pixels.shape[2] == 3
