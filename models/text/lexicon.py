"""Which part of speech a word has: closed lists, then endings, else a noun.

The lists hold the words that people use about the look of an animal or a thing; they were gathered from descriptions of
training photos and from general knowledge of English. What needs the words around it is decided in `tagger`.
"""

from __future__ import annotations

import re
from enum import Enum, auto


class Tag(Enum):
    """Parts of speech as far as noun phrases need them."""

    DETERMINER = auto()
    NEGATION = auto()  # "no wingbars": starts a phrase and turns its sense round
    ADVERB = auto()  # one that may stand before an adjective
    ADJECTIVE = auto()
    NOUN = auto()
    VERB = auto()
    PREPOSITION = auto()
    CONJUNCTION = auto()
    PRONOUN = auto()
    COMMA = auto()
    OTHER = auto()  # parts phrases: full stops, signs, sentence adverbs


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


DETERMINERS = _words("a an the this that these those its it's his her their my our your some each every any another")
RELATIVE_PRONOUNS = _words("that which who whom whose")
PRONOUNS = RELATIVE_PRONOUNS | _words(
    "it he she they them him i we you me us itself himself themselves there what whatever something everything "
    "one ones others that's he's she's there's none"
)
CONJUNCTIONS = _words("and or & / nor nd")
PREPOSITIONS = _words(
    "about above across after against along amid among amongst around as at atop before behind below beneath beside "
    "besides between but by despite down due during except for from in including inside into like near next of off on "
    "onto out outside over past per plus than through throughout to toward towards under underneath up upon via with "
    "within without"
)
# Where on a thing a colour is: "white on its head".
PLACE_PREPOSITIONS = _words("on along around over across in near at")
VERBS = _words(
    "accentuates allow allows am appear appears are aren't be bears become becomes been begin begins being bends "
    "blend blends boasts called can carries carry carrys come comes coming compared complements comprises comprising "
    "connects consist consists contain containing contains continues contrast contrasts could cover covers curves did "
    "dips displays do does doesn't don't droops eat eats ends exhibit exhibits extend extends fade fades fading "
    "features flies flows get gets give given gives go goes going had has hasn't have having helps hold holds hooks "
    "include includes is isn't juts keep keeps know lack lacks let lie lies lines live lives looks make makes making "
    "matches may meets might must perches possess possesses possessing protrude protrudes reach reaches resemble "
    "resembles rests run runs saw see seem seems seen separates shall show showing shown shows sit sits sitting slant "
    "slants slopes soar soars sports stand standing stands stares start starting starts stays stick sticks stretch "
    "stretches surrounding surrounds swim swims take takes tapers think transitions turn turns used was wears were "
    "will would wraps"
)
# Verbs whose complement says how the subject is.
COPULAS = _words(
    "is are was were be been am isn't aren't appears appear seems seem looks look become becomes turns turn gets get "
    "stays it's that's he's she's"
)
# Nouns, unless they follow a noun or a pronoun: "its features", "the bird features a long tail".
VERB_AFTER_NOUN = _words("features curves hooks points looks shows sports contrasts bears")
# Nouns, unless an adjective follows: "on top", "top black feathers"; "in size", "a medium size black bird".
EITHER_NOUN_OR_ADJECTIVE = _words("top bottom front rear middle male female adult juvenile size shape length average")
ADVERBS = _words(
    "all allover almost completely downward downwards entirely even extremely fairly forward fully just least less "
    "mainly more most mostly much nearly only otherwise overall partially partly predominantly predominately pretty "
    "primarily quite rather really relatively slightly so somewhat too totally upward upwards very"
)
# Adverbs of the sentence: they part phrases, and what follows "not" is not so.
SENTENCE_WORDS = _words(
    "again alone also although apart aside away because both either elsewhere everywhere here however if instead maybe "
    "neither not perhaps since then though thus together until well when where whereas while yet"
)
COLOURS = _words(
    "amber aqua azure beige black blue bronze brown buff burgundy charcoal chestnut cinnamon cobalt copper cream "
    "creme crimson ebony gold golden gray green grey indigo iridescent ivory khaki lavender lemon magenta maroon "
    "mustard navy olive orang orange peach pink purple red rufous rust rusty salmon scarlet silver slate tan taupe "
    "teal turquoise violet white yellow"
)
NUMBERS = _words(
    "two three four five six seven eight nine ten several many few multiple various numerous single double"
)
ADJECTIVES = (
    COLOURS
    | NUMBERS
    | _words(
        "abstract alert all-purpose ancient angular apparent ash ashy bad bald bare beautiful bent big bizarre blond "
        "blonde blunt bold bright brilliant broad central certain chocolate circular clear close coal cocoa common "
        "compact conical cool crisp cute dark dear deep dense different distinct dominant downy drawn dry dull "
        "elegant enormous entire erect extra faint far fat fierce fine flat front full giant good great hard heavy "
        "held high huge humble immature immense inner intense inverted irregular jet large lean left light little "
        "long longish looking loose low lower made magnificent main major malformed massive mature medium mid "
        "midnight minor mixed modest mohawk multi muscular narrow new nice noticeable odd off-white old opalescent "
        "opaque open ornate other outer outstretched oval own pale particular peculiar petite pitch plain plump "
        "prominent pure radiant rare raw rectangular regular rich right rigid rough round same scruffy semi shaggy "
        "sharp short significant silent similar simple singular skinny sleek slender slick slight slim small smoke "
        "smokey smoky smooth soft solid sparse spectacular spread square squat stark steep stiff stocky stout "
        "straight strange strong sturdy subtle tall thick thin tiny translucent triangular typical unclear unique "
        "unusual upper upright vibrant vivid warm weird wet whole wide wild young"
    )
)
NOUNS = _words(
    "albatross animal area areas baby back bay beak bed bellies belly berry bill bird birds bit body boy breast breed "
    "brow building canary car cardinal cavity cheek cheeks chest city clay color coloring colors colour colouring "
    "colours country covert coverts crest crown daddy day donkey duckling evening extremity eye eyebrow eyering "
    "eyerings eyes face family feather feathering feathers feed feet flight fly foot ground head hint hints history "
    "holiday iridescence jay key king lady leg legs length lot lots majority mammal marking markings metal monkey "
    "morning mottling nape neck osprey party patch patches pedal penguin plumage prey primaries primary quarry ray "
    "reed rest ring rings sea seabird seaweed secondaries secondary seed shade shades shading shape shed side sides "
    "sight size sky span speckling spot spots spring starling story string stripe stripes superciliaries superciliary "
    "supercillary tail territory tertiaries tertiary thing things throat tint tip tips toy tray tuft tufts tummy "
    "turkey underbelly underside undertail underwing variety water way webbing weed wing wingbar wingbars wings "
    "wingspan wood"
)

# An ending and the shortest word that it decides; the first that fits counts.
_ENDINGS: tuple[tuple[str, int, Tag], ...] = (
    ("ly", 5, Tag.ADVERB),
    ("wards", 7, Tag.ADVERB),
    ("eed", 0, Tag.NOUN),
    ("ed", 5, Tag.ADJECTIVE),
    ("ing", 6, Tag.ADJECTIVE),
    ("ish", 6, Tag.ADJECTIVE),
    ("like", 6, Tag.ADJECTIVE),
    ("less", 6, Tag.ADJECTIVE),
    ("ful", 6, Tag.ADJECTIVE),
    ("ous", 6, Tag.ADJECTIVE),
    ("ive", 6, Tag.ADJECTIVE),
    ("able", 6, Tag.ADJECTIVE),
    ("ible", 6, Tag.ADJECTIVE),
    ("ical", 6, Tag.ADJECTIVE),
    ("ial", 6, Tag.ADJECTIVE),
    ("nal", 6, Tag.ADJECTIVE),
    ("ual", 5, Tag.ADJECTIVE),
    ("ic", 6, Tag.ADJECTIVE),
    ("ity", 6, Tag.NOUN),
    ("y", 5, Tag.ADJECTIVE),
)
_LY_ADJECTIVES = _words(
    "curly woolly wooly ugly bristly friendly lovely wobbly oily bubbly scaly frilly elderly likely"
)
_COMPARATIVE = re.compile(r"(?P<stem>.+?)(?:i?er|i?est)$")
_NUMBER = re.compile(r"\d+")

_LISTS: tuple[tuple[frozenset[str], Tag], ...] = (
    (frozenset({","}), Tag.COMMA),
    (frozenset({"no", "zero"}), Tag.NEGATION),
    (DETERMINERS, Tag.DETERMINER),
    (CONJUNCTIONS, Tag.CONJUNCTION),
    (SENTENCE_WORDS, Tag.OTHER),
    (PRONOUNS, Tag.PRONOUN),
    (PREPOSITIONS, Tag.PREPOSITION),
    (NOUNS | VERB_AFTER_NOUN | EITHER_NOUN_OR_ADJECTIVE, Tag.NOUN),
    (ADJECTIVES, Tag.ADJECTIVE),
    (ADVERBS, Tag.ADVERB),
    (VERBS, Tag.VERB),
    (_LY_ADJECTIVES, Tag.ADJECTIVE),
)
_KNOWN = {word: tag for words, tag in reversed(_LISTS) for word in words}


def part_of_speech(token: str) -> Tag:
    """The tag of a token on its own."""
    known = _KNOWN.get(token)
    if known is not None:
        return known
    if not token[0].isalnum():
        return Tag.OTHER
    if _NUMBER.fullmatch(token):
        return Tag.ADJECTIVE
    last = token.rpartition("-")[2]
    if last != token:
        return _of_compound(last)
    if _is_comparative(token):
        return Tag.ADJECTIVE
    return next(
        (tag for ending, shortest, tag in _ENDINGS if len(token) >= shortest and token.endswith(ending)), Tag.NOUN
    )


def is_listed(token: str) -> bool:
    """Whether a list names the token, so that its tag is no guess."""
    return token in _KNOWN


def is_colour(token: str) -> bool:
    """Whether the token names a colour, also as `reddish` or `blue-grey`."""
    last = token.rpartition("-")[2]
    if last in COLOURS:
        return True
    stem = last.removesuffix("ish")
    # reddish, bluish, whitish: the colour with its last letter doubled or lost
    return stem != last and (stem in COLOURS or stem[:-1] in COLOURS or stem + "e" in COLOURS)


def _of_compound(last: str) -> Tag:
    """A hyphenated word is what its last part is: `eye-ring`, `hawk-like`, `red-orange`, `all-black`."""
    if last == "like":
        return Tag.ADJECTIVE
    tag = part_of_speech(last) if last else Tag.NOUN
    return tag if tag in {Tag.ADJECTIVE, Tag.ADVERB} else Tag.NOUN


def _is_comparative(word: str) -> bool:
    found = _COMPARATIVE.fullmatch(word)
    if found is None:
        return False
    stem = found["stem"]
    return any(form in ADJECTIVES for form in (stem, stem + "e", stem[:-1], stem + "y"))
