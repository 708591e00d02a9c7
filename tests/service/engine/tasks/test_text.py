"""Which bundle answers a request with a text, and what the answer says of the text."""

from __future__ import annotations

import io
import shutil
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from PIL import Image

from service.answers import ClassifyAnswer, Parameters
from service.engine import Engine
from service.errors import InvalidParameter
from tests.bundles import make_bundle, rewrite_manifest, solid_photo
from tests.service.zoo import add_phrase_table, make_zoo

RED = solid_photo()
TEXT_PARTS = ("text_used", "text_reason", "text_conflict", "phrases")


def ask(engine: Engine, text: str | None, **place: Any) -> dict[str, Any]:
    (answer,) = engine.classify([RED], parameters=Parameters(text=text), **({"domain": "birds"} | place))
    if not isinstance(answer, ClassifyAnswer):
        raise answer
    told: dict[str, Any] = msgspec.to_builtins(answer)
    return told


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    return Engine(make_zoo(tmp_path_factory.mktemp("store")))


def test_a_text_with_a_known_phrase_is_answered_by_the_bundle_that_reads_texts(engine: Engine) -> None:
    told = ask(engine, "it has a scarlet crown, blue wing")
    assert told["model"] == {"name": "birds-pma", "version": "1.0.0", "system": "pma"}
    assert told["text_used"] is True
    assert told["phrases"] == {"known": ["scarlet crown", "blue wing"], "unknown": []}
    assert "text_reason" not in told
    assert "text_conflict" not in told


def test_the_text_counts(engine: Engine) -> None:
    assert ask(engine, None)["predictions"][0]["label"] == "Red"
    assert ask(engine, "a blue crown")["predictions"][0]["label"] == "Blue"
    assert ask(engine, "a blue crown", model="birds-pma", domain=None)["predictions"][0]["label"] == "Blue"


@pytest.mark.parametrize(
    ("text", "unknown"),
    [
        ("\U0001f426\u2764\ufe0f", []),
        ("un oiseau rouge avec une t\u00eate bleue", None),
        ("\u7ea2\u8272\u7684\u9e1f", None),
        ("my holiday", ["holiday"]),
        ("four doors and a sunroof", ["four doors", "sunroof"]),
        ("!!! ??? ...", []),
        ("red " * 1000, None),
    ],
    ids=["emoji", "French", "Chinese", "a holiday", "a car", "signs", "4,000 characters"],
)
def test_any_other_text_leaves_the_answer_as_it_is_without_bit_for_bit(
    engine: Engine, text: str, unknown: list[str] | None
) -> None:
    told, without = ask(engine, text.strip()), ask(engine, None)
    assert told["text_used"] is False
    assert told["phrases"]["known"] == []
    if unknown is not None:
        assert [phrase for phrase in unknown if phrase not in told["phrases"]["unknown"]] == []
    assert told["text_reason"].startswith(("birds-pma@1.0.0 knows none of the phrases: ", "The text holds no phrase"))
    assert {name: part for name, part in told.items() if name not in TEXT_PARTS} == without


def test_where_nobody_reads_texts_the_answer_says_so(engine: Engine) -> None:
    told, without = ask(engine, "a red crown", domain="cars"), ask(engine, None, domain="cars")
    assert told["text_used"] is False
    assert told["text_reason"] == "cars@1.0.0 reads no text; it answered by the photo alone."
    assert {name: part for name, part in told.items() if name not in TEXT_PARTS} == without
    named = ask(engine, "a red crown", model="birds-s3n")
    assert (named["model"]["name"], named["text_used"]) == ("birds-s3n", False)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, r"Model birds-pma@1.0.0 reads a text with the photo: send one as text=\."),
        ("my holiday", r"Model birds-pma@1.0.0 needs a text that it knows\. .* 'holiday'\."),
        ("\U0001f426", r"needs a text that it knows\. The text holds no phrase"),
    ],
)
def test_a_bundle_that_reads_texts_cannot_be_named_without_one(engine: Engine, text: str | None, said: str) -> None:
    with pytest.raises(InvalidParameter, match=said):
        ask(engine, text, model="birds-pma")


def test_phrases_that_are_not_known_are_named(engine: Engine) -> None:
    told = ask(engine, "a red crown. A wooden leg! A very shiny hat")
    assert told["phrases"]["known"] == ["red crown"]
    assert told["phrases"]["unknown"] == ["wooden leg", "very shiny hat"]


@pytest.mark.parametrize(("text", "is_conflict"), [("red crown", False), ("blue crown", True), ("red wing", False)])
def test_a_text_about_something_else_is_a_conflict(tmp_path: Path, text: str, is_conflict: bool) -> None:
    make_zoo(tmp_path)
    add_phrase_table(tmp_path / "birds-pma" / "1.0.0", below=-1.0)
    told = ask(Engine(tmp_path), text)
    assert (told["text_used"], told["text_conflict"]) == (True, is_conflict)


def test_a_text_is_held_only_against_a_bundle_of_the_same_classes(tmp_path: Path) -> None:
    make_zoo(tmp_path)
    add_phrase_table(tmp_path / "birds-pma" / "1.0.0", below=-1.0)
    default = tmp_path / "birds" / "1.0.0"
    labels = (default / "labels.csv").read_text().replace("001.Green", "001.Grass")
    (default / "labels.csv").write_text(labels)
    rewrite_manifest(default)
    assert "text_conflict" not in ask(Engine(tmp_path), "blue crown")


def test_a_text_is_held_against_the_photo_as_the_default_sees_it(tmp_path: Path) -> None:
    store = make_zoo(tmp_path, size_px=64)
    add_phrase_table(store / "birds-pma" / "1.0.0", -1.0)
    shutil.rmtree(store / "birds")
    make_bundle(store, name="birds", domain="birds", size_px=80)
    noise = np.random.default_rng(0).integers(0, 255, (140, 140, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "PNG")
    plan = Engine(store, lanes=1).plan("classify/birds")
    told, plain = (plan.prepare([buffer.getvalue()], Parameters(text=text)) for text in ("red crown", None))
    assert told.checked is not None
    assert np.array_equal(told.checked.pixels[0], plain.case.pixels[0])
