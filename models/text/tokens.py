"""A text as lower-case tokens: the first step of reading what a person wrote about a photo.

Any string is a text: emoji, other scripts and control characters give tokens or nothing, never an error; only the length
has a limit. The time is linear in it.
"""

from __future__ import annotations

import re
import unicodedata

TEXT_CHARACTERS_LIMIT = 4_000  # ten long sentences have 2,000

# Look-alikes of quotation mark and hyphen; a replacement character is what was left of a space.
_ALIKE = str.maketrans({"\ufffd": " ", "‘": "'", "’": "'", "ʼ": "'", "`": "'", "‐": "-", "‑": "-", "–": "-", "−": "-"})
# In this order: contractions that are one word to a reader; the possessive mark; words, joined by hyphens or inner
# apostrophes; any other sign. Quotation marks are passed over, so that they part no phrase.
_TOKEN = re.compile(
    r"(?:it|that|he|she|there)'s(?![^\W_])"
    r"|'s(?![^\W_])"
    r"|[^\W_]+(?:(?:-|'(?!s(?![^\W_])))[^\W_]+)*"
    r"""|[^\w\s"']"""
)


class TextTooLong(ValueError):
    """A text is above `TEXT_CHARACTERS_LIMIT`."""

    def __init__(self, characters: int) -> None:
        super().__init__(
            f"the text has {characters:,} characters and at most {TEXT_CHARACTERS_LIMIT:,} are read; describe in fewer words"
        )


def tokenise(text: str) -> list[str]:
    """Words, signs and possessive marks of a text, in lower case and Unicode's compatibility form (NFKC).

    A word keeps its hyphens: `hawk-like` is one token.

    Raises:
        TextTooLong: the text is above `TEXT_CHARACTERS_LIMIT`.
    """
    if len(text) > TEXT_CHARACTERS_LIMIT:
        raise TextTooLong(len(text))
    plain = "".join(" " if unicodedata.category(sign)[0] == "C" else sign for sign in text)
    return _TOKEN.findall(unicodedata.normalize("NFKC", plain).translate(_ALIKE).lower())
