"""Parts of speech of a text's tokens: the lexicon's tag of each, corrected by the words around it.

One pass, each decision from at most two tokens on either side, so the time is linear. What a decision is for stands at it.
"""

from __future__ import annotations

from collections.abc import Sequence

from models.text.lexicon import (
    EITHER_NOUN_OR_ADJECTIVE,
    RELATIVE_PRONOUNS,
    VERB_AFTER_NOUN,
    Tag,
    is_listed,
    part_of_speech,
)

# A noun before one of these is a modifier: cream colored, rust tinged.
_PARTICIPLES_OF_NOUNS = frozenset(
    {"colored", "coloured", "sized", "shaped", "tipped", "toned", "tinged", "tinted", "feathered", "like", "looking"}
)
_PLACES = frozenset({"over", "under", "above", "below"})
_BEFORE_A_MODIFIER = frozenset({Tag.DETERMINER, Tag.NEGATION, Tag.ADVERB})


def tag(tokens: Sequence[str]) -> list[Tag]:
    """One tag a token."""
    alone = [part_of_speech(token) for token in tokens]
    tags: list[Tag] = []
    for index, token in enumerate(tokens):
        before = tags[index - 1] if index else Tag.OTHER
        after = alone[index + 1] if index + 1 < len(tokens) else Tag.OTHER
        if token in VERB_AFTER_NOUN:
            subject = tags[index - 2] if index > 1 and before is Tag.ADVERB else before  # a beak that slightly curves
            tags.append(Tag.VERB if subject in {Tag.NOUN, Tag.PRONOUN} else Tag.NOUN)
        elif token in EITHER_NOUN_OR_ADJECTIVE:
            tags.append(Tag.ADJECTIVE if after is Tag.ADJECTIVE else Tag.NOUN)
        elif token in RELATIVE_PRONOUNS:
            tags.append(_relative(alone[index], before, after))
        elif not is_listed(token):
            tags.append(_guessed(token, alone[index], before, after))
        else:
            tags.append(_listed(token, alone[index], before, after))
        if tags[-1] is Tag.NOUN and _describes(tokens, alone, index):
            tags[-1] = Tag.ADJECTIVE
    return tags


def _describes(tokens: Sequence[str], alone: Sequence[Tag], index: int) -> bool:
    """Whether a noun is part of an adjective: "rust tinged wings", but not "wings tinged with rust"."""
    if index + 1 == len(tokens) or tokens[index + 1] not in _PARTICIPLES_OF_NOUNS:
        return False
    return index + 2 == len(tokens) or alone[index + 2] is not Tag.PREPOSITION


def _relative(alone: Tag, before: Tag, after: Tag) -> Tag:
    """`that` points ("that red beak") or relates ("a beak that curves"): after a noun it relates."""
    relates = before in {Tag.NOUN, Tag.COMMA, Tag.ADVERB} or after is Tag.VERB
    return Tag.PRONOUN if relates else alone


def _guessed(token: str, alone: Tag, before: Tag, after: Tag) -> Tag:
    """A word that no list names: verbs look like nouns and adjectives, and show by their place."""
    if before is Tag.PRONOUN and (alone is Tag.NOUN or token.endswith("ed")):
        return Tag.VERB  # a tail that wiggles
    if "-" in token and alone is Tag.NOUN and after in {Tag.ADJECTIVE, Tag.NOUN}:
        return Tag.ADJECTIVE  # an all-purpose grey bill
    if token.endswith("ing") and (before is Tag.NOUN or after is Tag.DETERMINER):
        return Tag.VERB  # a bird floating in water
    if token.endswith("ing") and before is Tag.ADJECTIVE and after not in {Tag.ADJECTIVE, Tag.ADVERB, Tag.NOUN}:
        return Tag.NOUN  # black covering over the top
    if token.endswith("s") and before is Tag.NOUN and after is Tag.DETERMINER:
        return Tag.VERB  # the bird spreads its wings
    return alone


def _listed(token: str, alone: Tag, before: Tag, after: Tag) -> Tag:
    if token in _PLACES and before in _BEFORE_A_MODIFIER:
        return Tag.ADJECTIVE  # the under tail, an all over black bird
    if token == "to" and before is Tag.ADJECTIVE and after is Tag.ADJECTIVE:
        return Tag.CONJUNCTION  # a medium to large bird
    return alone
