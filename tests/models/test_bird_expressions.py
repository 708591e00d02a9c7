"""Words about birds from their own ticks."""

from __future__ import annotations

import re
from random import Random

from models.training.bird_expressions import PARTS, absent_bird_expression, bird_expression, telling, ticks_of
from models.training.ticks import Attributes

COLOURS = ("red", "black", "olive", "grey")
ATTRIBUTES = Attributes(
    {
        group: tuple((len(COLOURS) * number + place, colour) for place, colour in enumerate(COLOURS))
        for number, group in enumerate(PARTS.values())
    },
    len(PARTS) * len(COLOURS),
)
WORD = re.compile(r"(red|black|olive|grey) (\w+)")


def states(rng: Random) -> str:
    return "".join(rng.choices("01?", (6, 2, 2), k=ATTRIBUTES.count))


def said(text: str) -> set[tuple[str, str]]:
    """(part, colour) of an expression, read from its words."""
    whose = re.fullmatch(r"(?:the )?bird whose (\w+) (?:is|are) (\w+)", text)
    return {(whose[1], whose[2])} if whose else {(part, colour) for colour, part in WORD.findall(text)}


def state(row: str, part: str, colour: str) -> str:
    """What a photo's row says of a part's colour."""
    return row[list(PARTS).index(part) * len(COLOURS) + COLOURS.index(colour)]


def test_all_that_is_said_was_ticked_for_the_photo() -> None:
    rng = Random(1)
    for _ in range(300):
        row = states(rng)
        text = bird_expression(row, ATTRIBUTES, rng)
        assert text is not None
        assert "bird" in text
        assert all(state(row, part, colour) == "1" for part, colour in said(text)), text


def test_beside_another_bird_the_words_are_not_true_of_it() -> None:
    rng = Random(2)
    count = 0
    for _ in range(300):
        one, other = states(rng), states(rng)
        text = bird_expression(one, ATTRIBUTES, rng, beside=other)
        if text is None:
            assert telling(one, other, ATTRIBUTES) == []
            continue
        count += 1
        assert all(state(one, part, colour) == "1" for part, colour in said(text)), text
        assert any(state(other, part, colour) == "0" for part, colour in said(text)), text
    assert count > 200


def test_like_birds_cannot_be_told_apart() -> None:
    row = states(Random(3))
    assert bird_expression(row, ATTRIBUTES, Random(1), beside=row) is None
    assert bird_expression(row, ATTRIBUTES, Random(1), beside=row.replace("0", "?").replace("1", "?")) is None


def test_a_bird_without_ticks_is_a_bird() -> None:
    assert ticks_of("0" * ATTRIBUTES.count, ATTRIBUTES) == []
    assert {bird_expression("0" * ATTRIBUTES.count, ATTRIBUTES, Random(seed)) for seed in range(9)} == {
        "bird",
        "the bird",
    }


def test_what_means_no_bird_was_ticked_for_none_and_is_known_of_all() -> None:
    rng = Random(4)
    for _ in range(200):
        rows = [states(rng) for _ in range(2)]
        text = absent_bird_expression(rows, ATTRIBUTES, rng)
        assert text is not None
        ((part, colour),) = said(text)
        assert [state(row, part, colour) for row in rows] == ["0", "0"], text
    assert absent_bird_expression(["1" * ATTRIBUTES.count], ATTRIBUTES, rng) is None
