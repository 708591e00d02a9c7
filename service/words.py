"""A person's words as the service takes them: trimmed, bounded, and free of the marks of another encoding.

Shared by the gateway, the engine and the command line, so that a text is refused everywhere with the same sentence. What
a text means is the models' affair (`models/text`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from service.errors import InvalidParameter

#: What `models.text` reads at most; that package needs numpy, which the gateway does without. A test holds them equal.
TEXT_LIMIT = 4_000
#: An expression or a question; people use a tenth of it at most.
WORDS_LIMIT = 2_000
EXPRESSIONS_LIMIT = 20

#: Control characters but for those that part words and lines: the marks of a text in another encoding.
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f]")


def read_text(name: str, text: str, limit: int = TEXT_LIMIT) -> str:
    """Trim a text; what is left may be empty.

    Raises:
        InvalidParameter: it has more than `limit` characters, or a control character.
    """
    trimmed = text.strip()
    if len(trimmed) > limit:
        raise InvalidParameter(f"{name} has {len(trimmed):,} characters; it must be at most {limit:,}.")
    if strange := _CONTROL.search(trimmed):
        raise InvalidParameter(
            f"{name} has the control character U+{ord(strange[0]):04X} at position {strange.start()}; it must be plain "
            "text in UTF-8."
        )
    return trimmed


def read_question(text: str, name: str = "question") -> str:
    """Trim a question, or an expression.

    Raises:
        InvalidParameter: it is blank, has more than `WORDS_LIMIT` characters, or a control character.
    """
    words = read_text(name, text, WORDS_LIMIT)
    if not words:
        raise InvalidParameter(f"{name} is blank; say it in words.")
    return words


def read_expressions(expressions: Sequence[str], name: str = "expressions") -> tuple[str, ...]:
    """Trim expressions.

    Raises:
        InvalidParameter: there are none, or more than `EXPRESSIONS_LIMIT`; one is none, as for `read_question`.
    """
    if not 1 <= len(expressions) <= EXPRESSIONS_LIMIT:
        raise InvalidParameter(f"{name} has {len(expressions)} expressions; it must be 1 to {EXPRESSIONS_LIMIT}.")
    return tuple(read_question(expression, name) for expression in expressions)
