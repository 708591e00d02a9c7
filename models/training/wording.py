"""Sentences from the phrases of one photo, and the noise that makes a model bear what people write.

The sentence forms follow what people wrote about photos of the same data; what they say comes from `ticks` alone. What
is said is also read again by the reader that serves, so a model trains on phrases as a request gives them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from models.text import SYNONYMS, read_phrases
from models.training.ticks import Attributes, Phrase, draw_phrases

_PLURALS = frozenset({"wings", "eyes", "legs", "upperparts", "underparts"})
_PHRASES_A_SENTENCE = (1, 5)
#: Words that no vocabulary is to hold: what a user says that training has not seen.
STRANGE_WORDS = ("thick", "fluffy", "glowing", "peculiar", "majestic", "funny", "sturdy", "webbed")
_BIRD = Phrase((), (), "bird")


@dataclass(frozen=True, slots=True)
class Noise:
    """How often training bends a text; each a probability.

    `phrase` drops a phrase, `few` leaves one to three only, `word` drops a modifier, `paraphrase` says a word otherwise,
    `strange` puts a word in that no one knows, `sentence` reads the phrases from sentences.
    """

    phrase: float = 0.15
    few: float = 0.15
    word: float = 0.1
    paraphrase: float = 0.2
    strange: float = 0.05
    sentence: float = 0.25


def photo_sentence(states: str, attributes: Attributes, rng: Random) -> str:
    """A sentence about a photo from its own states, worded as people do; "" where nothing is ticked."""
    phrases = draw_phrases(states, attributes, rng)
    subjects = [phrase for phrase in phrases if phrase.noun == "bird"]
    parts = [phrase for phrase in phrases if phrase.noun != "bird"][: rng.randint(*_PHRASES_A_SENTENCE)]
    if not phrases:
        return ""
    subject = rng.choice(subjects) if subjects else _BIRD
    return rng.choice(_FORMS)(subject, parts, rng) if parts else f"this is {_with_article(subject)}."


def training_phrases(states: str, attributes: Attributes, rng: Random, noise: Noise) -> list[str]:
    """A photo's phrases as training shows them: drawn from its states, or read from sentences on them, then bent.

    At least one phrase is left if the photo has any.
    """
    if rng.random() < noise.sentence:
        texts = [photo_sentence(states, attributes, rng) for _ in range(rng.randint(1, 3))]
        phrases = list(dict.fromkeys(phrase for text in texts for phrase in read_phrases(text)))
    else:
        phrases = [str(phrase) for phrase in draw_phrases(states, attributes, rng)]
    return bend(phrases, rng, noise)


def bend(phrases: Sequence[str], rng: Random, noise: Noise) -> list[str]:
    """Shuffle phrases, drop some, and drop, paraphrase and add words; the head noun stays, and so does one phrase."""
    kept = [phrase for phrase in phrases if rng.random() >= noise.phrase] or list(phrases[:1])
    rng.shuffle(kept)
    if rng.random() < noise.few:
        kept = kept[: rng.randint(1, 3)]
    return [_bend_phrase(phrase, rng, noise) for phrase in kept]


def _bend_phrase(phrase: str, rng: Random, noise: Noise) -> str:
    words = phrase.split()
    modifiers, noun = words[:-1], words[-1]
    places = [place for place, word in enumerate(modifiers) if word != "and"]
    spared = rng.choice(places) if places else None  # a phrase keeps an adjective if it has any
    kept = [word for place, word in enumerate(modifiers) if place == spared or rng.random() >= noise.word]
    words = _joined(kept, noun)
    words = [_otherwise(word, rng) if rng.random() < noise.paraphrase else word for word in words]
    if rng.random() < noise.strange:
        words.insert(rng.randrange(len(words)), rng.choice(STRANGE_WORDS))
    return " ".join(words)


def _joined(modifiers: list[str], noun: str) -> list[str]:
    """The words of a phrase without the "and" that joins nothing any more."""
    kept: list[str] = []
    for word, after in zip(modifiers, [*modifiers, noun][1:], strict=True):
        if word != "and" or (kept and kept[-1] != "and" and after not in {"and", noun}):
            kept.append(word)
    return [*kept, noun]


def _otherwise(word: str, rng: Random) -> str:
    """Another word that folds into the same."""
    one = SYNONYMS.get(word, word)
    return rng.choice(_OTHER_WORDS.get(one, (word,)))


def _groups() -> dict[str, tuple[str, ...]]:
    groups: dict[str, list[str]] = defaultdict(list)
    for word, one in SYNONYMS.items():
        groups[one].append(word)
    return {one: (one, *words) for one, words in groups.items() if one}


_OTHER_WORDS = _groups()


def _plain(phrase: Phrase) -> str:
    return f"{phrase.described} {phrase.noun}".lstrip()


def _with_article(phrase: Phrase) -> str:
    text = _plain(phrase)
    if phrase.noun in _PLURALS:
        return text
    return f"{'an' if text[0] in 'aeiou' else 'a'} {text}"


def _series(items: Sequence[str], rng: Random) -> str:
    """Items as "a, b, and c"."""
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])}{rng.choice((', and ', ' and '))}{items[-1]}"


def _has(subject: Phrase, parts: list[Phrase], rng: Random) -> str:
    opening = rng.choice(("this {} has {}.", "the {} has {}", "a {} with {}.", "{} with {}"))
    return opening.format(_plain(subject), _series([_with_article(part) for part in parts], rng))


def _is_a(subject: Phrase, parts: list[Phrase], rng: Random) -> str:
    return f"this is {_with_article(subject)} with {_series([_with_article(part) for part in parts], rng)}."


def _is_so(subject: Phrase, parts: list[Phrase], rng: Random) -> str:
    """The subject's adjectives after the verb: "this bird is brown and white with a short bill"."""
    if not subject.described:
        return _has(subject, parts, rng)
    rest = _series([_with_article(part) for part in parts], rng)
    return f"this bird is {subject.described} {rng.choice(('with', 'and has'))} {rest}."


def _that_are(subject: Phrase, parts: list[Phrase], rng: Random) -> str:
    """One part's adjectives after the verb: "this bird has wings that are black and has a short bill"."""
    first, *others = parts
    if not first.described:
        return _has(subject, parts, rng)
    if first.noun in _PLURALS:
        said = f"{first.noun} that are {first.described}"
    else:
        said = f"a {first.noun} that is {first.described}"
    rest = f" and has {_series([_with_article(part) for part in others], rng)}" if others else ""
    return f"this {_plain(subject)} has {said}{rest}."


def _list_only(subject: Phrase, parts: list[Phrase], rng: Random) -> str:
    # A bare noun gets an article: in a list it would share the adjectives of the noun before.
    return _series([_plain(item) if item.described else _with_article(item) for item in (subject, *parts)], rng)


_FORMS: tuple[Callable[[Phrase, list[Phrase], Random], str], ...] = (_has, _has, _is_a, _is_so, _that_are, _list_only)
