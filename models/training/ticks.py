"""What a photo's own ticks say, in words: the texts that PMA learns from.

For CUB-200-2011 people ticked, photo by photo, which of 312 attributes they saw. A photo's text is made from the string
of its own states and nothing else: a function here takes that string, the attributes' names and a random generator. What
is known of a class (percentages, written descriptions, its name) would tell the label and is never read.

Only a `1` speaks. Of several colours (blue, iridescent, purple, rufous, olive, green, pink, orange, red) a tick is known
only where it is the last of its group; elsewhere the state is `?` and the text keeps silent about it.

Phrases are worded as people word them, and as `models.text.read_phrases` gives them back from a sentence: lower case, the
head noun last, at most six words. `wording` makes sentences of them, and the noise of training.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random

from models.training.data import DataError, read_csv

PHRASES = 24
_COLOURS_A_PHRASE = 3
_WORDS_A_PHRASE = 6  # what a model reads of one, the noun counted in
_SPLIT = 0.2  # how often pattern and colour are two phrases
_STATES = frozenset("01?")


@dataclass(frozen=True, slots=True)
class Attributes:
    """The names behind a string of states: for each group, the position and the value of its attributes."""

    groups: Mapping[str, tuple[tuple[int, str], ...]]
    count: int

    def ticked(self, states: str, group: str | None) -> list[str]:
        """The values of a group that are `1` in a photo's states, in the group's order.

        Raises:
            DataError: the string has another length than the table.
        """
        if len(states) != self.count:
            raise DataError(f"a photo has {len(states)} states; the attribute table has {self.count}")
        return [value for position, value in self.groups.get(group or "", ()) if states[position] == "1"]


@dataclass(frozen=True, slots=True)
class Phrase:
    """A phrase about one thing; `colours` are joined by "and" and stand between `modifiers` and `noun`.

    As text it has no hyphens, as a phrase that was read has none; the parts keep theirs for a sentence.
    """

    modifiers: tuple[str, ...]
    colours: tuple[str, ...]
    noun: str

    @property
    def described(self) -> str:
        """The adjectives alone: `small brown and white`."""
        return " ".join((*self.modifiers, *_listed(self.colours)))

    @property
    def written(self) -> str:
        """The phrase as a person writes it: without its hyphen "duck-like bird" would be read as a clause."""
        return f"{self.described} {self.noun}".lstrip()

    def __str__(self) -> str:
        return self.written.replace("-", " ")


@dataclass(frozen=True, slots=True)
class _Subject:
    """Which groups describe a noun: one value of each of `one_of`, all ticked values of `colours`."""

    noun: str
    colours: str | None = None
    one_of: tuple[str, ...] = ()


# The groups that the data's notes call good, and the breast's colour. They are spoken of first; the others as far as there
# is room.
_MAIN = (
    _Subject("bird", "has_primary_color", ("has_size",)),
    _Subject("bird", None, ("has_shape",)),
    _Subject("bill", "has_bill_color", ("has_bill_length", "has_bill_shape")),
    _Subject("crown", "has_crown_color"),
    _Subject("throat", "has_throat_color"),
    _Subject("belly", "has_belly_color"),
    _Subject("wings", "has_wing_color", ("has_wing_pattern",)),
    _Subject("breast", "has_breast_color", ("has_breast_pattern",)),
)
_OTHERS = (
    _Subject("head", None, ("has_head_pattern",)),
    _Subject("eyes", "has_eye_color"),
    _Subject("legs", "has_leg_color"),
    _Subject("nape", "has_nape_color"),
    _Subject("forehead", "has_forehead_color"),
    _Subject("back", "has_back_color", ("has_back_pattern",)),
    _Subject("tail", "has_upper_tail_color", ("has_tail_shape", "has_tail_pattern")),
    _Subject("undertail", "has_under_tail_color"),
    _Subject("upperparts", "has_upperparts_color"),
    _Subject("underparts", "has_underparts_color"),
    _Subject("wings", None, ("has_wing_shape",)),
    _Subject("belly", None, ("has_belly_pattern",)),
)
# What people say for a value; a value that is not here is said as it stands, without brackets.
_SAID = {
    "about_the_same_as_head": "medium",
    "longer_than_head": "long",
    "shorter_than_head": "short",
    "curved_(up_or_down)": "curved",
    "dagger": "pointed",
    "needle": "thin",
    "spatulate": "flat",
    "cone": "conical",
    "very_small_(3_-_5_in)": "tiny",
    "very_large_(32_-_72_in)": "huge",
    "hooked_seabird": "hooked",
    "upright-perching_water-like": "upright",
    "chicken-like-marsh": "chicken-like",
    "long-legged-like": "long-legged",
    "tree-clinging-like": "tree-clinging",
    "upland-ground-like": "ground-dwelling",
    "perching-like": "perching",
    "multi-colored": "multicolored",
    "rounded_tail": "rounded",
    "forked_tail": "forked",
    "notched_tail": "notched",
    "fan-shaped_tail": "fan-shaped",
    "pointed_tail": "pointed",
    "squared_tail": "squared",
    "unique_pattern": "unusual",
    **{f"{shape}-wings": shape for shape in ("rounded", "pointed", "broad", "tapered", "long")},
}
# Marks of the head that are nouns of their own.
_MARKS = {
    "malar": Phrase((), (), "malar stripe"),
    "crested": Phrase((), (), "crest"),
    "masked": Phrase((), (), "mask"),
    "eyebrow": Phrase((), (), "eyebrow"),
    "eyering": Phrase((), (), "eyering"),
    "eyeline": Phrase((), (), "eyeline"),
}


def photo_phrases(states: str, attributes: Attributes, rng: Random, limit: int = PHRASES) -> list[str]:
    """At most `limit` phrases about a photo, from its own states, in random order: "red crown", "short grey bill".

    Where several values exclude each other (sizes, shapes) but were ticked, one is drawn.
    """
    return [str(phrase) for phrase in draw_phrases(states, attributes, rng, limit)]


def draw_phrases(states: str, attributes: Attributes, rng: Random, limit: int = PHRASES) -> list[Phrase]:
    """As `photo_phrases`, with the parts of each phrase."""
    main = [phrase for subject in _MAIN for phrase in _say(subject, states, attributes, rng)]
    others = [phrase for subject in _OTHERS for phrase in _say(subject, states, attributes, rng)]
    rng.shuffle(main)
    rng.shuffle(others)
    chosen = [*main, *others][:limit]
    rng.shuffle(chosen)
    return chosen


def _say(subject: _Subject, states: str, attributes: Attributes, rng: Random) -> Iterator[Phrase]:
    """The phrases that a subject's ticks give: one, or now and then one for each kind of adjective."""
    colours = attributes.ticked(states, subject.colours)
    if len(colours) > _COLOURS_A_PHRASE:
        colours = sorted(rng.sample(colours, _COLOURS_A_PHRASE), key=colours.index)
    modifiers = []
    for group in subject.one_of:
        values = attributes.ticked(states, group)
        if values:
            value = rng.choice(values)
            if value in _MARKS:
                yield _MARKS[value]
            else:
                modifiers.append(_said(value))
    if modifiers and colours and (_is_long(modifiers, colours) or rng.random() < _SPLIT):
        yield Phrase(tuple(modifiers), (), subject.noun)
        modifiers = []
    if modifiers or colours:
        yield Phrase(tuple(modifiers), tuple(colours), subject.noun)


def _is_long(modifiers: list[str], colours: list[str]) -> bool:
    return len(str(Phrase(tuple(modifiers), tuple(colours), "noun")).split()) > _WORDS_A_PHRASE


def _said(value: str) -> str:
    return _SAID.get(value) or value.partition("_(")[0].replace("_", " ")


def _listed(colours: tuple[str, ...]) -> tuple[str, ...]:
    return colours if len(colours) < 2 else (*colours[:-1], "and", colours[-1])


def read_attributes(path: Path) -> Attributes:
    """Read `attributes.csv`: columns attribute_id (from 1, without a gap), group and value.

    Raises:
        DataError: the table is not as it should be.
    """
    groups: dict[str, list[tuple[int, str]]] = {}
    count = 0
    for line in read_csv(path, ("attribute_id", "group", "value")):
        if line["attribute_id"] != str(count + 1):
            raise DataError(f"{path}: attribute_id {line['attribute_id']!r} in row {count + 1}; ids count from 1")
        groups.setdefault(line["group"], []).append((count, line["value"]))
        count += 1
    return Attributes({group: tuple(values) for group, values in groups.items()}, count)


def read_states(path: Path) -> dict[str, str]:
    """Read `image_attributes.csv.gz`: photo (`image_id`) to its states, a string of `0`, `1` and `?`.

    Raises:
        DataError: a row holds another sign, or the table is not as it should be.
    """
    states = {line["image_id"]: line["states"] for line in read_csv(path, ("image_id", "states"))}
    strange = next((photo for photo, row in states.items() if not set(row) <= _STATES), None)
    if strange is not None:
        raise DataError(f"{path}: the states of photo {strange} hold other signs than 0, 1 and ?")
    return states
