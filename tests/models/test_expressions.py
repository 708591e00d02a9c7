"""Generated expressions against a checker that knows nothing of the generator."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from random import Random

import pytest

from models.text.mirror import can_mirror, mirror_words
from models.training.claims import KINDS, Claim, Kind, Layout, false_claims, true_claims
from models.training.expressions import Expression, draw_absent, draw_expressions, word_claim
from models.training.human_words import likeness, read_human_expressions
from models.training.nouns import CLASSES
from models.training.voc import Thing, read_voc
from tests.models.expression_checker import COLOURS, NAMES, Checker, Meant

SCENES = 400
Drawn = tuple[Layout, Expression]
EVERY_NAME = {name for names in NAMES.values() for name in names.split()}
CRITICAL = 36.19  # of chi-square at 19 degrees of freedom and p = 0.01


def layout(rng: Random) -> Layout:
    """Two to eight things of up to three classes, some difficult, some without a clear colour, some on a grid of ties."""
    names = rng.sample(CLASSES, 3)
    colours = rng.sample(sorted(COLOURS), 3)
    things, seen = [], []
    for _ in range(rng.randint(2, 8)):
        width, height = rng.uniform(0.05, 0.5), rng.uniform(0.05, 0.5)
        left, top = rng.uniform(0, 1 - width), rng.uniform(0, 1 - height)
        if rng.random() < 0.3:
            left, top = round(left * 5) / 5 * (1 - width), round(top * 5) / 5 * (1 - height)
        name = rng.choices(names, (5, 2, 1))[0]
        things.append(Thing(name, (left, top, left + width, top + height), rng.random() < 0.15))
        seen.append(rng.choice(colours) if rng.random() < 0.9 else None)
    return Layout(tuple(things), tuple(seen))


def draw(count: int = 12) -> list[Drawn]:
    rng = Random(7)
    layouts = [layout(rng) for _ in range(SCENES)]
    return [(one, expression) for one in layouts for expression in draw_expressions(one, rng, count)]


@pytest.fixture(scope="module", name="drawn")
def _drawn() -> list[Drawn]:
    return draw()


def form(claim: Claim) -> tuple[object, ...]:
    """What a claim says, but for its nouns, its colour, and whether it compares two or more."""
    words = () if claim.kind == "colour" else claim.words[:1]
    return claim.kind, words, claim.rank, None if claim.denied is None else form(claim.denied)


def check(one: Layout, text: str) -> Meant:
    return Checker(one.things, one.colours or (None,) * len(one.things)).read(text)


def test_every_expression_means_one_thing_and_no_other(drawn: list[Drawn]) -> None:
    assert len(drawn) > 5 * SCENES
    wrong = [
        (expression, meant)
        for one, expression in drawn
        if (meant := check(one, expression.text)).sure != {expression.target} or meant.possible != {expression.target}
    ]
    assert wrong == []


def test_every_claim_is_sound_in_every_wording() -> None:
    rng = Random(8)
    for _ in range(60):
        one = layout(rng)
        for claim in true_claims(one):
            text = word_claim(claim, rng)
            meant = check(one, text)
            assert (meant.sure, meant.possible) == ({claim.target}, {claim.target}), text


def test_nothing_is_meant_by_absent_expressions() -> None:
    rng = Random(9)
    kinds, said_of_present = Counter[Kind](), Counter[Kind]()
    for _ in range(SCENES // 10):
        one = layout(rng)
        nouns = {name for thing in one.things for name in NAMES[thing.name].split()}
        for expression in draw_absent(one, rng, 8):
            assert expression.target is None
            assert check(one, expression.text).possible == set(), expression.text
            kinds[expression.kind] += 1
            named = set(expression.text.split()) & EVERY_NAME
            said_of_present[expression.kind] += named <= nouns
    assert set(kinds) == set(KINDS)
    assert min(said_of_present[kind] / kinds[kind] for kind in ("ordinal", "colour", "relation")) > 0.2


def test_every_denial_is_sound_in_every_wording() -> None:
    rng = Random(10)
    for _ in range(3):
        one = layout(rng)
        denials = false_claims(one)
        for claim in [*denials.absent, *denials.untrue]:
            text = word_claim(claim, rng)
            assert check(one, text).possible == set(), text


def test_every_form_is_denied_too() -> None:
    """A form that is only said of what is there would be a sign of it."""
    rng = Random(11)
    layouts = [layout(rng) for _ in range(SCENES)]
    true = {form(claim) for one in layouts for claim in true_claims(one)}
    denials = [false_claims(one) for one in layouts[:10]]
    false = {form(claim) for found in denials for claim in (*found.absent, *found.untrue)}
    assert true <= false


def test_all_kinds_are_drawn_and_most_have_rivals(drawn: list[Drawn]) -> None:
    kinds = Counter(expression.kind for _, expression in drawn)
    assert set(kinds) == set(KINDS)
    assert min(kinds.values()) > 0.01 * len(drawn)
    assert sum(expression.rivals > 0 for _, expression in drawn) > 0.4 * len(drawn)


def test_difficult_things_are_rivals_and_never_meant(drawn: list[Drawn]) -> None:
    assert not any(one.things[expression.target or 0].is_difficult for one, expression in drawn)
    box = (0.1, 0.1, 0.3, 0.3)
    hidden = Layout((Thing("dog", box, is_difficult=False), Thing("dog", (0.12, 0.1, 0.31, 0.3), is_difficult=True)))
    assert [claim for claim in true_claims(hidden) if claim.kind == "class"] == []


def test_near_ties_are_not_said() -> None:
    near = Layout(
        (
            Thing("dog", (0.1, 0.1, 0.3, 0.3), is_difficult=False),
            Thing("dog", (0.14, 0.1, 0.34, 0.3), is_difficult=False),
        )
    )
    assert true_claims(near) == []


def test_a_seed_gives_the_same_expressions(drawn: list[Drawn]) -> None:
    assert draw() == drawn


def test_expressions_of_a_photo_differ() -> None:
    rng = Random(3)
    for _ in range(50):
        texts = [expression.text for expression in draw_expressions(layout(rng), rng, 20)]
        assert len(texts) == len(set(texts))


def test_mirrored_words_are_true_of_the_mirrored_photo(drawn: list[Drawn]) -> None:
    for one, expression in drawn[:1500]:
        assert can_mirror(expression.text)
        mirrored = mirror_words(expression.text)
        assert mirror_words(mirrored) == expression.text
        assert check(one.mirror(), mirrored).sure == {expression.target}, mirrored


def test_sides_are_not_tied_to_classes(drawn: list[Drawn]) -> None:
    table = Counter[tuple[str, str]]()
    for one, expression in drawn:
        words = {"left", "leftmost"}, {"right", "rightmost"}
        for side, spelled in zip(("left", "right"), words, strict=True):
            if expression.kind == "side" and spelled & set(expression.text.split()):
                table[one.things[expression.target or 0].name, side] += 1
    total = table.total()
    share = {side: sum(table[name, side] for name in CLASSES) / total for side in ("left", "right")}
    of_class = {name: table[name, "left"] + table[name, "right"] for name in CLASSES}
    chi_square = sum(
        (table[name, side] - of_class[name] * share[side]) ** 2 / (of_class[name] * share[side])
        for name in CLASSES
        for side in share
        if of_class[name]
    )
    assert total > 300
    assert chi_square < CRITICAL


def test_a_photo_without_rivals_says_its_class_and_relations_only() -> None:
    alone = Layout((Thing("dog", (0.1, 0.1, 0.5, 0.5), is_difficult=False),))
    found = draw_expressions(alone, Random(1), 10)
    assert len(found) == 1
    assert found[0].kind == "class"
    assert draw_expressions(Layout(()), Random(1), 10) == []


def test_the_paths_of_a_wide_noun_count_all_its_classes() -> None:
    both = Layout(
        (
            Thing("bicycle", (0.0, 0.1, 0.2, 0.3), is_difficult=False),
            Thing("motorbike", (0.6, 0.1, 0.9, 0.3), is_difficult=False),
        )
    )
    said = {(claim.noun, claim.kind) for claim in true_claims(both)}
    assert ("bicycle", "class") in said
    assert ("bike", "class") not in said
    assert ("bike", "side") in said


def test_colours_must_be_as_many_as_things() -> None:
    with pytest.raises(ValueError, match="1 colours for 0 things"):
        Layout((), ("red",))


def test_a_negation_without_a_claim_is_refused() -> None:
    with pytest.raises(ValueError, match="a negation denies a claim"):
        word_claim(Claim("negation", "dog", 0, 1), Random(0))


def test_likeness_counts_words_as_often_as_they_are_used() -> None:
    found = likeness(["left dog", "the dog"], ["left dog", "left dog", "big cat here now"])
    assert found.word_cover == pytest.approx(4 / 8)
    assert found.whole_cover == pytest.approx(2 / 3)
    assert dict(found.missing) == {"big": 1, "cat": 1, "here": 1, "now": 1}
    with pytest.raises(ValueError, match="1 generated and 2 human expressions"):
        likeness(["dog"], ["dog", "cat"])


@pytest.mark.data
def test_expressions_of_real_boxes_hold_and_come_close_to_peoples(data_folder: Path) -> None:
    rng = Random(11)
    scenes = [scene for scene in read_voc(data_folder / "voc") if scene.split == "train"]
    found = []
    for scene in scenes:
        one = Layout(scene.things)
        for expression in draw_expressions(one, rng, 6):
            meant = check(one, expression.text)
            assert (meant.sure, meant.possible) == ({expression.target}, {expression.target}), expression.text
            found.append(expression)
    assert len(found) > 2 * len(scenes)
    assert sum(expression.rivals > 0 for expression in found) > 0.4 * len(found)
    human = read_human_expressions(data_folder / "refs" / "expressions.csv.gz", ["refcoco", "refclef"])
    near = likeness((expression.text for expression in found), human)
    assert abs(near.lengths[4] - near.human_lengths[4]) <= 1.5
    assert near.word_cover > 0.3
