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
    "with without of on in at by from to into onto over under around near along above below behind between beneath "
    "across through throughout for against about after before during except inside outside off out up down as like "
    "than per among amongst within upon underneath toward towards via beside besides past atop amid despite but "
    "including plus due"
)
# Where on a thing a colour is: "white on its head".
PLACE_PREPOSITIONS = _words("on along around over across in near at")
VERBS = _words(
    "is are was were be been being am has have had having do does did can could will would may might must shall "
    "isn't aren't doesn't don't hasn't appears appear seems seem looks become becomes turns turn gets get stays "
    "goes go going comes come coming makes make making takes take gives give given shows show showing shown "
    "contains contain containing consists consist comprises comprising includes include possesses possess possessing "
    "exhibits exhibit displays boasts sports wears bears carries carry carrys holds hold sits sit sitting stands stand "
    "standing flies soars soar swims swim resembles resemble reaches reach extends extend covers cover blends blend "
    "starts start starting begins begin ends fades fade fading contrasts contrast stretches stretch sticks stick "
    "protrudes protrude juts runs run lies lie let see saw seen know think called used droops curves hooks "
    "slants slant tapers separates surrounds accentuates complements matches meets connects continues allows allow "
    "helps lacks lack keeps keep stares eats eat lives live perches rests dips bends slopes flows wraps lines "
    "transitions features compared surrounding"
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
    "very quite rather mostly mainly almost nearly all completely entirely fully totally primarily predominantly "
    "predominately slightly somewhat fairly pretty extremely really relatively partly partially overall more most less "
    "least so too much downward downwards upward upwards forward otherwise just only even allover"
)
# Adverbs of the sentence: they part phrases, and what follows "not" is not so.
SENTENCE_WORDS = _words(
    "also not however then again while when where whereas because if though although until since here together apart "
    "aside away yet thus instead maybe perhaps well both either neither"
)
COLOURS = _words(
    "black white grey gray brown red orange yellow green blue purple pink tan beige cream buff rufous olive iridescent "
    "gold golden silver scarlet crimson maroon teal turquoise aqua navy violet lavender indigo charcoal slate chestnut "
    "cinnamon rust rusty khaki ivory peach salmon copper bronze mustard lemon burgundy magenta taupe amber azure cobalt "
    "ebony creme orang"
)
NUMBERS = _words(
    "two three four five six seven eight nine ten several many few multiple various numerous single double"
)
NOUNS = _words("that which who whom whose")
PRONOUNS = RELATIVE_PRONOUNS | _words(
    "it he she they them him i we you me us itself himself themselves there what whatever something everything "
    "one ones others that's he's she's there's none"
)
CONJUNCTIONS = _words("and or & / nor nd")
PREPOSITIONS = _words(
    "with without of on in at by from to into onto over under around near along above below behind between beneath "
    "across through throughout for against about after before during except inside outside off out up down as like "
    "than per among amongst within upon underneath toward towards via beside besides past atop amid despite but "
    "including plus due"
)
VERBS = _words(
    "is are was were be been being am has have had having do does did can could will would may might must shall "
    "isn't aren't doesn't don't hasn't appears appear seems seem looks become becomes turns turn gets get stays "
    "goes go going comes come coming makes make making takes take gives give given shows show showing shown "
    "contains contain containing consists consist comprises comprising includes include possesses possess possessing "
    "exhibits exhibit displays boasts sports wears bears carries carry carrys holds hold sits sit sitting stands stand "
    "standing flies soars soar swims swim resembles resemble reaches reach extends extend covers cover blends blend "
    "starts start starting begins begin ends fades fade fading contrasts contrast stretches stretch sticks stick "
    "protrudes protrude juts runs run lies lie let see saw seen know think called used droops curves hooks "
    "slants slant tapers separates surrounds accentuates complements matches meets connects continues allows allow "
    "helps lacks lack keeps keep stares eats eat lives live perches rests dips bends slopes flows wraps lines "
    "transitions features compared surrounding"
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
    "very quite rather mostly mainly almost nearly all completely entirely fully totally primarily predominantly "
    "predominately slightly somewhat fairly pretty extremely really relatively partly partially overall more most less "
    "least so too much downward downwards upward upwards forward otherwise just only even allover"
)
# Adverbs of the sentence: they part phrases, and what follows "not" is not so.
SENTENCE_WORDS = _words(
    "also not however then again while when where whereas because if though although until since here together apart "
    "aside away yet thus instead maybe perhaps well both either neither"
)
COLOURS = _words(
    "black white grey gray brown red orange yellow green blue purple pink tan beige cream buff rufous olive iridescent "
    "gold golden silver scarlet crimson maroon teal turquoise aqua navy violet lavender indigo charcoal slate chestnut "
    "cinnamon rust rusty khaki ivory peach salmon copper bronze mustard lemon burgundy magenta taupe amber azure cobalt "
    "ebony creme orang"
)
NUMBERS = _words(
    "two three four five six seven eight nine ten several many few multiple various numerous single double"
)
NOUNS = _words("that which who whom whose")
PRONOUNS = RELATIVE_PRONOUNS | _words(
    "it he she they them him i we you me us itself himself themselves there what whatever something everything "
    "one ones others that's he's she's there's none"
)
CONJUNCTIONS = _words("and or & / nor nd")
PREPOSITIONS = _words(
    "with without of on in at by from to into onto over under around near along above below behind between beneath "
    "across through throughout for against about after before during except inside outside off out up down as like "
    "than per among amongst within upon underneath toward towards via beside besides past atop amid despite but "
    "including plus due"
)
# Where on a thing a colour is: "white on its head".
PLACE_PREPOSITIONS = _words("on along around over across in near at")
VERBS = _words(
    "is are was were be been being am has have had having do does did can could will would may might must shall "
    "isn't aren't doesn't don't hasn't appears appear seems seem looks become becomes turns turn gets get stays "
    "goes go going comes come coming makes make making takes take gives give given shows show showing shown "
    "contains contain containing consists consist comprises comprising includes include possesses possess possessing "
    "exhibits exhibit displays boasts sports wears bears carries carry carrys holds hold sits sit sitting stands stand "
    "standing flies soars soar swims swim resembles resemble reaches reach extends extend covers cover blends blend "
    "starts start starting begins begin ends fades fade fading contrasts contrast stretches stretch sticks stick "
    "protrudes protrude juts runs run lies lie let see saw seen know think called used droops curves hooks "
    "slants slant tapers separates surrounds accentuates complements matches meets connects continues allows allow "
    "helps lacks lack keeps keep stares eats eat lives live perches rests dips bends slopes flows wraps lines "
    "transitions features compared surrounding"
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
    "very quite rather mostly mainly almost nearly all completely entirely fully totally primarily predominantly "
    "predominately slightly somewhat fairly pretty extremely really relatively partly partially overall more most less "
    "least so too much downward downwards upward upwards forward otherwise just only even allover"
)
# Adverbs of the sentence: they part phrases, and what follows "not" is not so.
SENTENCE_WORDS = _words(
    "also not however then again while when where whereas because if though although until since here together apart "
    "aside away yet thus instead maybe perhaps well both either neither"
)
COLOURS = _words(
    "black white grey gray brown red orange yellow green blue purple pink tan beige cream buff rufous olive iridescent "
    "gold golden silver scarlet crimson maroon teal turquoise aqua navy violet lavender indigo charcoal slate chestnut "
    "cinnamon rust rusty khaki ivory peach salmon copper bronze mustard lemon burgundy magenta taupe amber azure cobalt "
    "ebony creme orang"
)
NUMBERS = _words(
    "two three four five six seven eight nine ten several many few multiple various numerous single double"
)
NOUNS = _words("that which who whom whose")
PRONOUNS = RELATIVE_PRONOUNS | _words(
    "it he she they them him i we you me us itself himself themselves there what whatever something everything "
    "one ones others that's he's she's there's none"
)
CONJUNCTIONS = _words("and or & / nor nd")
PREPOSITIONS = _words(
    "with without of on in at by from to into onto over under around near along above below behind between beneath "
    "across through throughout for against about after before during except inside outside off out up down as like "
    "than per among amongst within upon underneath toward towards via beside besides past atop amid despite but "
    "including plus due"
)
VERBS = _words(
    "is are was were be been being am has have had having do does did can could will would may might must shall "
    "isn't aren't doesn't don't hasn't appears appear seems seem looks become becomes turns turn gets get stays "
    "goes go going comes come coming makes make making takes take gives give given shows show showing shown "
    "contains contain containing consists consist comprises comprising includes include possesses possess possessing "
    "exhibits exhibit displays boasts sports wears bears carries carry carrys holds hold sits sit sitting stands stand "
    "standing flies soars soar swims swim resembles resemble reaches reach extends extend covers cover blends blend "
    "starts start starting begins begin ends fades fade fading contrasts contrast stretches stretch sticks stick "
    "protrudes protrude juts runs run lies lie let see saw seen know think called used droops curves hooks "
    "slants slant tapers separates surrounds accentuates complements matches meets connects continues allows allow "
    "helps lacks lack keeps keep stares eats eat lives live perches rests dips bends slopes flows wraps lines "
    "transitions features compared surrounding"
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
    "very quite rather mostly mainly almost nearly all completely entirely fully totally primarily predominantly "
    "predominately slightly somewhat fairly pretty extremely really relatively partly partially overall more most less "
    "least so too much downward downwards upward upwards forward otherwise just only even allover"
)
# Adverbs of the sentence: they part phrases, and what follows "not" is not so.
SENTENCE_WORDS = _words(
    "also not however then again while when where whereas because if though although until since here together apart "
    "aside away yet thus instead maybe perhaps well both either neither"
)
COLOURS = _words(
    "black white grey gray brown red orange yellow green blue purple pink tan beige cream buff rufous olive iridescent "
    "gold golden silver scarlet crimson maroon teal turquoise aqua navy violet lavender indigo charcoal slate chestnut "
    "cinnamon rust rusty khaki ivory peach salmon copper bronze mustard lemon burgundy magenta taupe amber azure cobalt "
    "ebony creme orang"
)
NUMBERS = _words(
    "two three four five six seven eight nine ten several many few multiple various numerous single double"
)
ADJECTIVES = (
    COLOURS
    | NUMBERS
    | _words(
        "long short large small big tiny little huge great giant massive enormous medium mid tall thin thick fat "
        "wide narrow broad slim plump stout stocky slender skinny flat round square sharp blunt dull bright dark light "
        "pale deep faint vivid rich soft hard rough smooth sleek slick heavy strong stark straight bent sturdy squat "
        "lean full young old new same other different unique similar own entire whole main overall rare common odd "
        "strange weird nice fine cute beautiful good bad cool wild bold raw bare bald high low upper lower inner outer "
        "left right front central wet dry warm loose dense sparse stiff scruffy plain solid pure "
        "jet midnight coal mixed oval conical compact crisp slight close particular certain "
        "open erect upright minor major typical modest distinct prominent dominant significant magnificent "
        "brilliant elegant vibrant radiant opalescent translucent apparent ancient silent steep fierce intense immense "
        "immature mature ornate petite simple subtle humble multi semi off-white extra noticeable outstretched "
        "spread blond blonde regular irregular angular muscular rectangular triangular circular spectacular singular "
        "malformed downy peculiar unclear clear dear bizarre opaque unusual longish shaggy rigid alert drawn held made chocolate cocoa ash ashy smoke smoky "
        "smokey inverted abstract mohawk looking all-purpose"
    )
)
NOUNS = _words(
    "bird birds body belly bellies underbelly head beak bill wing wings tail feather feathers back crown nape throat breast "
    "chest eye eyes eyering eyerings ring rings feet foot leg legs neck face cheek cheeks side sides patch patches spot "
    "spots stripe stripes color colors colour colours coloring colouring marking markings feathering shading "
    "mottling speckling webbing wingbar wingbars covert coverts primary primaries secondary secondaries tertiary "
    "tertiaries superciliary supercillary superciliaries eyebrow brow canary sky berry country family variety "
    "majority animal cardinal metal mammal pedal king starling duckling morning evening building string spring thing "
    "things rest tip tips bit lot lots shade shades hint hints tint area areas size shape length span wingspan crest "
    "tuft tufts tummy baby fly city car lady toy sea seabird penguin albatross plumage iridescence "
    "feed seed weed reed breed seaweed bed shed wood ground water daddy quarry key monkey donkey turkey osprey "
    "party history story holiday day way bay jay clay prey ray tray boy territory cavity extremity "
    "flight sight underside underwing undertail"
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
_ADVERB_EXCEPTIONS = _words(
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
    (_ADVERB_EXCEPTIONS, Tag.ADJECTIVE),
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
