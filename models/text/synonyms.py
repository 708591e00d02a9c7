"""One word for what people call by several: the table that a vocabulary is built with.

A small model sees each part and colour often enough only if `beak` and `bill` are one word to it. The table goes into
the bundle with the words it folded, so that a later change here alters no bundle. Two words may become one, `eye ring`
is `eyering`, and words that only strengthen or shade become none. Sources: the words of CUB-200-2011's attributes on the left, on the right what people write instead in
descriptions of training photos, and the names that the parts of a bird have in field guides.
"""

from __future__ import annotations

from collections.abc import Sequence

# A word, and what folds into it; entries are parted by commas.
_GROUPS = {
    # colours
    "grey": "gray, grays, greys, greyish, grayish, silver, silvery, charcoal, slate, ash, ashy, smoky",
    "black": "blackish, ebony, blacks",
    "white": "whitish, ivory, whites",
    "brown": "brownish, chocolate, browns",
    "red": "reddish, scarlet, crimson, maroon",
    "yellow": "yellowish, golden, gold, lemon, mustard",
    "blue": "bluish, blueish, navy, azure, cobalt, teal, turquoise, indigo",
    "green": "greenish",
    "orange": "orangish",
    "pink": "pinkish, salmon",
    "purple": "purplish, violet, lavender",
    "buff": "tan, beige, cream, creme, khaki, sandy, taupe",
    "rufous": "rust, rusty, chestnut, cinnamon, copper",
    "olive": "olive green",
    "iridescent": "metallic, glossy",
    # sizes and shapes
    "small": "little, smaller, smallish, small sized",
    "tiny": "very small, miniature, petite",
    "medium": "mid, average, medium sized, mid sized, average sized, medium size",
    "large": "big, larger, bigger, large sized",
    "huge": "very large, giant, enormous, massive",
    "long": "longer, lengthy, elongated",
    "short": "shorter, stubby, stubbier, stumpy",
    "thin": "slender, skinny, slim, narrow, needle like, needle shaped",
    "pointed": "pointy, sharp, dagger like, dagger shaped, pointing, tapered",
    "curved": "curvy, curving, bent, downcurved, downturned",
    "hooked": "hook shaped",
    "broad": "wide",
    "conical": "cone shaped, cone like, cone",
    "flat": "flattened, spatulate",
    "rounded": "round, roundish",
    # patterns
    "striped": "streaked, barred, stripey, streaky, lined",
    "spotted": "speckled, mottled, dotted, flecked, freckled, spotty",
    "solid": "plain, uniform",
    "multicolored": "multi colored, multi coloured, multicoloured, multi toned, colorful, colourful",
    # parts
    "bill": "beak, bills, beaks",
    "wing": "wings, coverts, covert, secondaries, secondary, primaries, wingspan, wing span, wing feather, wing feathers, "
    "wingbar, wingbars, wing bar, wing bars",
    "tail": "tails, rectrices, retrices, rectrice, tail feather, tail feathers, tailfeathers, upper tail, uppertail",
    "undertail": "under tail, vent",
    "belly": "bellies, tummy, stomach, abdomen, underbelly",
    "breast": "breasts, chest",
    "underparts": "underside, underneath, under parts, flank, flanks, side, sides",
    "upperparts": "upperside, upper parts",
    "back": "mantle",
    "crown": "crowns, cap",
    "head": "heads, face",
    "throat": "throats, chin",
    "nape": "napes, neck, hindneck",
    "forehead": "foreheads",
    "eye": "eyes, iris, irises, pupil, pupils",
    "eyering": "eyerings, eye ring, eye rings",
    "eyebrow": "eyebrows, brow, superciliary, superciliaries, supercilium, supercillary",
    "eyeline": "eye line, eyestripe, eye stripe",
    "leg": "legs, feet, foot, tarsus, tarsi, tarsals, tarsuses, thigh, thighs, claws, talons, toes",
    "crest": "crests, tuft, tufts, plume, mohawk, crested head",
    "bird": "birds, body, plumage, feathers, feather, coloring, coloration, color, colors, colour, colours",
    "mask": "masked head, masked face",
    "stripe": "stripes, streak, streaks",
    "spot": "spots, speckles",
    # what strengthens or shades, and fillers
    "": "very, really, quite, rather, extremely, mostly, mainly, primarily, predominantly, predominately, completely, "
    "entirely, totally, fully, all over, overall, nearly, almost, slightly, somewhat, fairly, dark, darker, light, lighter, "
    "bright, pale, deep, dull, vivid, colored, coloured, sized, looking, particular, beautiful, distinct, distinctive",
}
SYNONYMS: dict[str, str] = {word: one for one, group in _GROUPS.items() for word in group.split(", ")}


def fold(words: Sequence[str], synonyms: dict[str, str]) -> tuple[str, ...]:
    """Replace each word, or two words in a row, by what the table says, left to right; what says nothing goes."""
    folded: list[str] = []
    position = 0
    while position < len(words):
        pair = " ".join(words[position : position + 2])
        if pair in synonyms:
            folded.append(synonyms[pair])
            position += 2
            continue
        folded.append(synonyms.get(words[position], words[position]))
        position += 1
    return tuple(word for word in folded if word)
