"""Base noun phrases of a text: determiner, modifiers, head noun; no parser, no model, no dependency.

PMA reads a text as a set of noun phrases (Song et al., IEEE TIP 2020, offline by a part-of-speech tagger); serving needs
the same from a text that comes with a request, within microseconds and for any string. The conventions are those of the
gold sentences in the tests:

- the head noun is last: `[a white patch] on [the crown]`; `of` parts phrases;
- coordinated modifiers are one phrase, `[black and white wings]`, coordinated nouns are each their own, `[crown] and [nape]`;
- a colour that stands for a noun is a phrase, `[a spot] of [red]`; adjectives after a verb are not, `is black in [color]`.

The time is linear: each token is looked at a bounded number of times.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from models.text.lexicon import COPULAS, PLACE_PREPOSITIONS, Tag, is_colour
from models.text.tagger import tag
from models.text.tokens import tokenise

_MODIFIERS = frozenset({Tag.ADJECTIVE, Tag.ADVERB})
_SEPARATORS = frozenset({Tag.COMMA, Tag.CONJUNCTION})


@dataclass(frozen=True, slots=True)
class Chunk:
    """A noun phrase as positions of tokens, without its determiner: modifiers from `start`, nouns from `head`, to `end`.

    A "no" stays, since it turns the sense round.
    """

    start: int
    head: int
    end: int


@dataclass(frozen=True, slots=True)
class Parse:
    """A text's tokens, one tag each, and its noun phrases in order."""

    tokens: tuple[str, ...]
    tags: tuple[Tag, ...]
    chunks: tuple[Chunk, ...]


def parse(text: str) -> Parse:
    """Find the noun phrases of a text; any text of at most `TEXT_CHARACTERS_LIMIT` characters has a parse.

    Raises:
        TextTooLong: the text is longer.
    """
    tokens = tokenise(text)
    tags = tag(tokens)
    return Parse(tuple(tokens), tuple(tags), tuple(_chunks(tokens, tags)))


def _chunks(tokens: Sequence[str], tags: Sequence[Tag]) -> Iterator[Chunk]:
    position = 0
    last_end = -1  # where the phrase before ended, to see what a conjunction joins
    while position < len(tokens):
        start = position + 1 if tags[position] in {Tag.DETERMINER, Tag.NEGATION} else position
        head = end_of_modifiers(tags, start)
        end = head
        while end < len(tokens) and tags[end] is Tag.NOUN:
            end += 1
        if end > head:
            begin = _after_predicate(tokens, tags, start, head) if start == position else start
            yield Chunk(position if tags[position] is Tag.NEGATION else begin, head, end)
            last_end = end
        elif head > start and (start > position or _is_nominal(tokens, tags, range(start, head), last_end)):
            for colour in _colours(tokens, tags, start, head):
                yield colour
                last_end = colour.end
        position = max(end, position + 1)


def end_of_modifiers(tags: Sequence[Tag], start: int) -> int:
    """Where the modifiers that begin at `start` end; commas and conjunctions between them belong to them."""
    end = start
    while end < len(tags):
        if tags[end] in _MODIFIERS:
            end += 1
            continue
        after = end
        while after < len(tags) and after < end + 2 and tags[after] in _SEPARATORS:
            after += 1
        if end in {start, after} or after == len(tags) or tags[after] not in _MODIFIERS:
            break
        end = after
    return end


def _after_predicate(tokens: Sequence[str], tags: Sequence[Tag], start: int, head: int) -> int:
    """Where the phrase begins: "is all black, short beak" holds a predicate and then a phrase."""
    if start == 0 or tokens[start - 1] not in COPULAS:
        return start
    commas = [index for index in range(start, head) if tags[index] is Tag.COMMA]
    return commas[-1] + 1 if commas else start


def _is_nominal(tokens: Sequence[str], tags: Sequence[Tag], run: range, last_end: int) -> bool:
    """Whether adjectives without a determiner stand where a noun must: "with black", "has black", "a red bill and black"."""
    before = tags[run.start - 1] if run.start else Tag.OTHER
    if before is Tag.CONJUNCTION:
        joined = run.start - 1
        if joined and tags[joined - 1] is Tag.COMMA:
            joined -= 1
        return last_end == joined
    if before in {Tag.OTHER, Tag.COMMA}:
        return run.stop < len(tokens) and tokens[run.stop] in PLACE_PREPOSITIONS  # "red on the wings"
    return before is Tag.PREPOSITION or (before is Tag.VERB and tokens[run.start - 1] not in COPULAS)


def _colours(tokens: Sequence[str], tags: Sequence[Tag], start: int, end: int) -> Iterator[Chunk]:
    """The colours among modifiers without a noun, each with what describes it: [bright red] and [orange]."""
    begin = start
    for index in range(start, end + 1):
        if index < end and tags[index] not in _SEPARATORS:
            continue
        colours = [at for at in range(begin, index) if is_colour(tokens[at])]
        if colours:
            yield Chunk(begin, colours[-1], colours[-1] + 1)
        if colours or begin == index:  # else they describe the colour to come: [a pale, greyish blue]
            begin = index + 1
