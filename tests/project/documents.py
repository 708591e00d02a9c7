"""Reads the project's documents: their links and their code blocks.

Owns what a fence may say: the language, and for `sh` and `python` one word on how the block is checked (CONTRIBUTING.md,
Documents).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("deploy", "export", "models", "service", "tests")
FENCE = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]\n]*\]\((?P<target>[^)\s]+)\)")


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block: where it starts, its language, the words after it and its text."""

    path: Path
    line: int
    language: str
    words: tuple[str, ...]
    text: str
    answer: str | None  # the text of the `json` or `text` block that follows, if the next block is one

    def __str__(self) -> str:
        return f"{self.path.relative_to(ROOT)}:{self.line}"


def documents() -> list[Path]:
    """All Markdown files except the bundles' cards, which the exporter writes."""
    nested = (path for folder in FOLDERS for path in (ROOT / folder).rglob("*.md"))
    return sorted([*ROOT.glob("*.md"), *(path for path in nested if "zoo" not in path.parts[:-2])])


def blocks(path: Path) -> list[Block]:
    """The fenced blocks of a document in their order."""
    text = path.read_text(encoding="utf-8")
    found = list(FENCE.finditer(text))
    return [
        Block(
            path,
            text.count("\n", 0, fence.start()) + 1,
            *_language_and_words(fence["info"]),
            fence["text"],
            after["text"] if after and after["info"].strip() in ("json", "text") else None,
        )
        for fence, after in zip_longest(found, found[1:])
    ]


def links(path: Path) -> list[str]:
    """Targets of the links to files of the project, without the anchor."""
    prose = FENCE.sub("", path.read_text(encoding="utf-8"))
    targets = (link["target"].partition("#")[0] for link in LINK.finditer(prose))
    return [target for target in targets if target and not target.startswith(("http://", "https://", "mailto:"))]


def blocks_in(language: str, *, words: tuple[str, ...]) -> list[Block]:
    """The blocks of all documents in a language that have exactly these words after it."""
    return [
        block for path in documents() for block in blocks(path) if (block.language, block.words) == (language, words)
    ]


def commands(block: Block) -> list[str]:
    """The lines of a shell block with continuations joined, comments and empty lines left out."""
    joined = re.sub(r"\\\n\s*", "", block.text)
    lines = (re.sub(r"(^|\s)#.*$", "", line).strip() for line in joined.splitlines())
    return [line for line in lines if line]


def _language_and_words(info: str) -> tuple[str, tuple[str, ...]]:
    language, *words = info.split() or [""]
    return language, tuple(words)
