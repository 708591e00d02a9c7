"""What a text says, as phrases for a model: noun phrases completed by what the text says of them elsewhere.

People put a colour behind a noun as often as before it. So four things are done to the chunks, each of which keeps a
user's own words:

- adjectives after a verb join their noun: "wings that are black" is `black wings`, "this bird is grey" is `grey bird`;
- a noun in a list shares the adjectives of the noun before it: "a white neck and belly" is `white neck`, `white belly`;
- a colour on a part joins the part: "patches of white on its wings" is `patches`, `white wings`;
- what is not there ("no crest", "without a crest") is left out.
"""

from __future__ import annotations

from collections.abc import Iterable

from models.text.chunker import Chunk, Parse, end_of_modifiers, parse
from models.text.lexicon import COPULAS, PLACE_PREPOSITIONS, RELATIVE_PRONOUNS, Tag, is_colour

_SEPARATORS = frozenset({Tag.COMMA, Tag.CONJUNCTION})
_NOT = frozenset({"without", "lacks", "lacking", "lack"})
_SIGNS = {"&": "and", "/": "and", ",": ""}


def read_phrases(text: str) -> list[str]:
    """The phrases of a text in lower case, each once, in order; words are parted by one space, the head noun is last.

    Raises:
        TextTooLong: see `models.text.tokens`.
    """
    parsed = parse(text)
    reader = _Reader(parsed)
    reader.share_in_lists()
    reader.attach_predicates()
    reader.put_colours_on_parts()
    return list(dict.fromkeys(reader.phrases()))


class _Reader:
    """The modifiers of each chunk while they are completed; None in place of a chunk that is not a phrase any more."""

    def __init__(self, parsed: Parse) -> None:
        self.tokens, self.tags, self.chunks = parsed.tokens, parsed.tags, parsed.chunks
        self.modifiers: list[list[str] | None] = [
            None if self._is_denied(chunk) else list(self.tokens[chunk.start : chunk.head]) for chunk in self.chunks
        ]

    def share_in_lists(self) -> None:
        """Give the modifiers of a noun to bare nouns that follow it in a list."""
        for number in range(1, len(self.chunks)):
            chunk = self.chunks[number]
            is_bare = chunk.start == chunk.head and not is_colour(self.tokens[chunk.head])
            before = self.modifiers[number - 1]
            if is_bare and before and self.modifiers[number] == [] and self._is_joined(number, determiner=False):
                self.modifiers[number] = list(before)

    def attach_predicates(self) -> None:
        """Give adjectives after a copula to its subject, and to bare nouns joined to it: "crown and nape are black"."""
        for number, chunk in enumerate(self.chunks):
            said = self._predicate(chunk.end)
            own = self.modifiers[number]
            if not said or own is None:
                continue
            own += said
            while number and self.modifiers[number - 1] == [] and self._is_joined(number, determiner=True):
                number -= 1  # noqa: PLW2901 - walks back over the list that the subject ends
                self.modifiers[number] = list(said)

    def put_colours_on_parts(self) -> None:
        """Merge colours that stand alone with the bare part that they are on."""
        colours: list[int] = []
        for number, chunk in enumerate(self.chunks):
            if is_colour(self.tokens[chunk.end - 1]) and self.modifiers[number] is not None:
                is_joined = bool(colours) and self._is_joined(number, determiner=False)
                colours = [*colours, number] if is_joined else [number]
                continue
            if colours and self.modifiers[number] == [] and self._is_on(colours[-1], number):
                self.modifiers[number] = self._joined_colours(colours)
                for colour in colours:
                    self.modifiers[colour] = None
            colours = []

    def phrases(self) -> Iterable[str]:
        """The phrases as they stand."""
        for chunk, modifiers in zip(self.chunks, self.modifiers, strict=True):
            if modifiers is not None:
                yield _as_words([*modifiers, *self.tokens[chunk.head : chunk.end]])

    def _is_denied(self, chunk: Chunk) -> bool:
        before = chunk.start - 1
        while before >= 0 and self.tags[before] is Tag.DETERMINER:
            before -= 1
        return self.tags[chunk.start] is Tag.NEGATION or (before >= 0 and self.tokens[before] in _NOT)

    def _is_joined(self, number: int, determiner: bool) -> bool:
        """Whether only commas and conjunctions (and a determiner) stand between a chunk and the one before it."""
        between = self.tags[self.chunks[number - 1].end : self.chunks[number].start]
        allowed = _SEPARATORS | {Tag.DETERMINER} if determiner else _SEPARATORS
        return bool(between) and all(tag in allowed for tag in between)

    def _is_on(self, colour: int, part: int) -> bool:
        between = range(self.chunks[colour].end, self.chunks[part].start)
        return (
            0 < len(between) <= 2
            and self.tokens[between[0]] in PLACE_PREPOSITIONS
            and all(self.tags[index] is Tag.DETERMINER for index in between[1:])
        )

    def _joined_colours(self, colours: list[int]) -> list[str]:
        words: list[str] = []
        for number in colours:
            words += ["and"] if words else []
            words += [*(self.modifiers[number] or ()), self.tokens[self.chunks[number].end - 1]]
        return words

    def _predicate(self, position: int) -> list[str]:
        """The adjectives of "(that) is very black and grey" at a position, or none."""
        tokens, tags = self.tokens, self.tags
        if position < len(tokens) and tokens[position] in RELATIVE_PRONOUNS:
            position += 1
        if position >= len(tokens) or tokens[position] not in COPULAS:
            return []
        end = end_of_modifiers(tags, position + 1)
        if end < len(tokens) and tags[end] is Tag.NOUN:
            return []  # the adjectives are a noun's own: "is black birds"
        while end > position + 1 and tags[end - 1] is Tag.ADVERB:
            end -= 1
        return list(tokens[position + 1 : end])


def _as_words(tokens: list[str]) -> str:
    words = (_SIGNS.get(token, token).replace("-", " ") for token in tokens)
    return " ".join(word for word in words if word)
