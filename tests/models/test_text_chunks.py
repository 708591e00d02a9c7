"""The chunker's figure on 200 human sentences, and each of its conventions on a sentence of its own."""

import re
from pathlib import Path

import pytest

from models.evaluation.phrases import chunked, read_bracketed
from models.text import parse

GOLD = Path(__file__).with_name("chunks_200.txt")
LOWEST_F1 = 0.90


def read_gold() -> list[str]:
    return [line for line in GOLD.read_text().splitlines() if not line.startswith("#")]


def phrases_of(text: str) -> list[str]:
    parsed = parse(text)
    return [" ".join(parsed.tokens[chunk.start : chunk.end]) for chunk in parsed.chunks]


def test_the_gold_has_200_different_sentences_whose_brackets_close() -> None:
    lines = read_gold()
    assert len(lines) == len(set(lines)) == 200
    for line in lines:
        assert re.fullmatch(r"[^\[\]]*(\[[^\[\]]+\][^\[\]]*)*", line)


def test_f1_on_human_sentences_is_at_least_090() -> None:
    right = wrong = missed = 0
    for sentence in read_bracketed(GOLD):
        (found,) = chunked([sentence.text])
        right += len(found & sentence.spans)
        wrong += len(found - sentence.spans)
        missed += len(sentence.spans - found)
    f1 = 2 * right / (2 * right + wrong + missed)
    assert f1 >= LOWEST_F1, f"span F1 is {f1:.3f}: {right} right, {wrong} wrong, {missed} missed"


@pytest.mark.parametrize(
    ("text", "phrases"),
    [
        ("red crown", ["red crown"]),
        ("its crown and nape", ["crown", "nape"]),
        ("a bird with black and white wings", ["bird", "black and white wings"]),
        ("a short, thick, gray bill", ["short , thick , gray bill"]),
        ("this bird is black and brown in color", ["bird", "color"]),
        ("patches of white on the wings", ["patches", "white", "wings"]),
        ("a splash of bright red and orange", ["splash", "bright red", "orange"]),
        ("with yellow, pale white, and red mixed in", ["yellow", "pale white", "red"]),
        ("a pale, grayish blue at the tip", ["pale , grayish blue", "tip"]),
        ("this bird's tarsi", ["bird", "tarsi"]),
        ("a bill that curves downwards", ["bill"]),
        ("a beak that slightly curves", ["beak"]),
        ("a tail that wiggles", ["tail"]),
        ("the bird spreads its wings", ["bird", "wings"]),
        ("black covering over the top", ["black covering", "top"]),
        ("a two-tone grey beak", ["two-tone grey beak"]),
        ("that red beak", ["red beak"]),
        ("it is all black, short beak", ["short beak"]),
        ("no white wingbars", ["no white wingbars"]),
        ("a bird floating in water", ["bird", "water"]),
        ("a medium to large bird", ["medium to large bird"]),
        ("the under tail is grey", ["under tail"]),
        ("a cream colored belly", ["cream colored belly"]),
        ("rust tinged wings and feathers tinged with rust", ["rust tinged wings", "feathers", "rust"]),
        ("a bird looking to the side", ["bird", "side"]),
        ("a stripe next to the eye, it is black elsewhere", ["stripe", "eye"]),
        ("a pitch black body", ["pitch black body"]),
        ("its features are dull, and the bird features a lengthier tail", ["features", "bird", "lengthier tail"]),
    ],
)
def test_each_convention_holds(text: str, phrases: list[str]) -> None:
    assert phrases_of(text) == phrases
