"""How near the meanings of two nouns are: the similarity of Wu and Palmer in WordNet's own files.

Wu & Palmer, "Verb Semantics and Lexical Selection", ACL 1994, by the rules that NLTK's figures have made the usual
ones: of several common hypernyms the one whose shortest way to the root is longest counts, with the length of its
longest way. Reads `data.noun`, `index.noun` and `noun.exc` as wndb(5WN) describes them. Published figures were made with
WordNet 3.0, which is Debian's `wordnet-base`; they move between versions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from models.training.data import DataError

#: Where Debian's package puts the files.
WORDNET_FOLDER = Path("/usr/share/wordnet")

_HYPERNYMS = ("@", "@i")  # a kind of, an instance of
_COMMENT = "  "  # the licence at the head of a file
# How a noun in the plural ends, and what its singular ends in: morphy(7WN).
_ENDINGS = (
    ("s", ""),
    ("ses", "s"),
    ("ves", "f"),
    ("xes", "x"),
    ("zes", "z"),
    ("ches", "ch"),
    ("shes", "sh"),
    ("men", "man"),
    ("ies", "y"),
)


@dataclass(frozen=True, slots=True)
class Nouns:
    """The nouns of a WordNet: `senses` of a word, hypernyms `above` a sense, `names` of senses, `irregular` plurals."""

    senses: Mapping[str, tuple[int, ...]]
    above: Mapping[int, tuple[int, ...]]
    names: Mapping[int, str]
    irregular: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def similarity(self, one: str, other: str) -> float:
        """The highest similarity of any two senses, above 0 to 1; 0 if a word is no noun."""
        pairs = ((first, second) for first in self.look_up(one) for second in self.look_up(other))
        return max((self._of_senses(*pair) for pair in pairs), default=0.0)

    def look_up(self, word: str) -> tuple[int, ...]:
        """The senses of a word or of what it is a plural of; words of several parts are joined by underscores."""
        word = word.lower()
        forms = [word, *self.irregular[word]] if word in self.irregular else [word, *_singulars(word)]
        return tuple(dict.fromkeys(sense for form in forms for sense in self.senses.get(form, ())))

    def _of_senses(self, one: int, other: int) -> float:
        """2 d / (2 d + the steps from both to their common hypernym), with d its depth, the root's being 1."""
        steps, other_steps = self._steps_up(one), self._steps_up(other)
        common = steps.keys() & other_steps.keys()
        if not common:
            return 0.0
        deepest = max(min(self._depths(sense)) for sense in common)
        nearest = [sense for sense in common if min(self._depths(sense)) == deepest]
        shared = one if one in nearest else min(nearest, key=lambda sense: self.names[sense])
        depth = max(self._depths(shared)) + 1
        return 2 * depth / (2 * depth + steps[shared] + other_steps[shared])

    def _steps_up(self, sense: int) -> dict[int, int]:
        """The fewest steps to each hypernym, the sense itself included."""
        steps, border = {sense: 0}, [sense]
        while border:
            higher = [up for below in border for up in self.above[below] if up not in steps]
            distance = steps[border[0]] + 1
            steps |= dict.fromkeys(higher, distance)
            border = list(dict.fromkeys(higher))
        return steps

    def _depths(self, sense: int) -> set[int]:
        """The lengths of all ways from a sense to a root."""
        depths, level, border = set(), 0, {sense}
        while border:
            if any(not self.above[below] for below in border):
                depths.add(level)
            border = {up for below in border for up in self.above[below]}
            level += 1
        return depths


def _singulars(word: str) -> Iterator[str]:
    yield from (word.removesuffix(ending) + other for ending, other in _ENDINGS if word.endswith(ending))


def read_nouns(folder: Path = WORDNET_FOLDER) -> Nouns:
    """Read the nouns of a WordNet database.

    Raises:
        DataError: a file is missing or is none of its kind.
    """
    senses = dict(_index(line) for line in _lines(folder / "index.noun"))
    above: dict[int, tuple[int, ...]] = {}
    names: dict[int, str] = {}
    for line in _lines(folder / "data.noun"):
        sense, word, hypernyms = _synset(line)
        above[sense] = hypernyms
        names[sense] = f"{word}.n.{senses.get(word, (sense,)).index(sense) + 1:02}"
    exceptions = (line.split() for line in _lines(folder / "noun.exc"))
    irregular = {plural: tuple(singular) for plural, *singular in exceptions}
    return Nouns(senses, above, names, irregular)


def _lines(path: Path) -> Iterator[str]:
    try:
        with path.open(encoding="utf-8") as file:
            yield from (line for line in file if not line.startswith(_COMMENT) and line.strip())
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); Debian's package wordnet-base has it") from error


def _index(line: str) -> tuple[str, tuple[int, ...]]:
    """Lemma pos synset_cnt p_cnt [ptr_symbol...] sense_cnt tagsense_cnt synset_offset [synset_offset...]."""
    parts = line.split()
    return parts[0], tuple(int(offset) for offset in parts[-int(parts[2]) :])


def _synset(line: str) -> tuple[int, str, tuple[int, ...]]:
    """synset_offset lex_filenum ss_type w_cnt word lex_id [word lex_id...] p_cnt [ptr...] | gloss; w_cnt has base 16."""
    parts = line.partition("|")[0].split()
    words = int(parts[3], 16)
    pointers = parts[5 + 2 * words :]
    above = tuple(
        int(offset) for symbol, offset in zip(pointers[::4], pointers[1::4], strict=True) if symbol in _HYPERNYMS
    )
    return int(parts[0]), parts[4].lower(), above
