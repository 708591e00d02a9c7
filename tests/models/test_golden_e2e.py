"""The shipped bundles say of the sample photos what they said when they were shipped (`python -m tests.models.golden`)."""

from __future__ import annotations

import pytest

from service.engine.engine import Engine
from service.engine.samples import COMPUTES_INT8
from service.stores import ZOO
from tests.models.golden import SAMPLES, ask, read_golden, shipped

#: Another processor rounds otherwise, in the arithmetic and in the decoder.
TOLERANCE = 0.02


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine([ZOO])


def test_every_shipped_bundle_and_every_sample_is_kept() -> None:
    photos = sorted(path.name for path in SAMPLES.glob("*.jpg"))
    assert {identity: sorted(kept) for identity, kept in read_golden().items()} == dict.fromkeys(shipped(), photos)


@pytest.mark.parametrize("identity", shipped())
def test_a_shipped_bundle_answers_as_it_did(engine: Engine, identity: str) -> None:
    kept = read_golden()[identity]
    for photo, (class_id, probability) in ask(engine, identity).items():
        expected_id, expected = kept[photo]
        assert probability == pytest.approx(expected, abs=TOLERANCE), photo
        # Where nothing is known, two classes may be as likely as each other.
        assert class_id == expected_id or expected < 0.3, photo


@pytest.mark.skipif(
    "birds" not in {identity.partition("@")[0] for identity in shipped()}, reason="no birds are shipped"
)
def test_the_pelican_of_the_readme_is_known(engine: Engine) -> None:
    (answer,) = engine.classify([(SAMPLES / "white_pelican.jpg").read_bytes()], domain="birds")
    assert answer.predictions[0].class_id == "101.White_Pelican"  # type: ignore[union-attr]


def test_graphs_in_8_bits_name_what_the_exact_ones_are_sure_of() -> None:
    engine = Engine([ZOO], arithmetic="int8")
    fast = [entry.identity for entry in engine.catalog.models if entry.variant == COMPUTES_INT8]
    assert "birds@1.5.0" in fast
    for identity in fast:
        for photo, (class_id, probability) in ask(engine, identity).items():
            expected_id, expected = read_golden()[identity][photo]
            if expected > 0.8:
                assert class_id == expected_id, photo
                assert probability > 0.5, photo
