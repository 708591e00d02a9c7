"""The words of a bundle as a file: strict JSON of a bounded size, read with every fault named.

What the file holds is its kind's own (`vocabulary`, `questions`, `expressions`); the manifest's `text` says which it is.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from models.faults import faults_of
from models.manifest import BundleError

WORD_FILE_BYTES_LIMIT = 1 << 20

Words = TypeVar("Words", bound=BaseModel)


def read_words(path: Path, kind: type[Words]) -> Words:
    """Read and check a file of words.

    Raises:
        BundleError: with every fault that the schema finds.
    """
    try:
        with path.open("rb") as file:
            content = file.read(WORD_FILE_BYTES_LIMIT + 1)
    except OSError as error:
        raise BundleError(path.name, [f"the file cannot be read ({error.strerror})"]) from error
    if len(content) > WORD_FILE_BYTES_LIMIT:
        raise BundleError(path.name, [f"the file is larger than {WORD_FILE_BYTES_LIMIT:,} bytes"])
    try:
        return kind.model_validate(json.loads(content))
    except ValidationError as error:
        raise BundleError(path.name, faults_of(error, "file")) from error
    except (ValueError, RecursionError) as error:
        raise BundleError(path.name, ["the file is not JSON"]) from error


def write_words(path: Path, words: BaseModel) -> None:
    """Write the file that `read_words` reads; the same words give the same bytes."""
    path.write_text(json.dumps(words.model_dump(mode="json"), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
