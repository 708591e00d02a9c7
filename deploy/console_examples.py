"""Writes the examples of the console from the sample photos: small copies, what they suggest, and whose they are.

    python deploy/console_examples.py

Owns `service/gateway/console/examples`. Authors and licences are read from `tests/samples/CREDITS.md`, so that they are
stated once; what each photo shows and what one might ask about it stands here.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parents[1]
SAMPLES = ROOT / "tests" / "samples"
EXAMPLES = ROOT / "service" / "gateway" / "console" / "examples"
SIDE_PX = 640
QUALITY = 80
_LINK = re.compile(r"\[(?P<name>[^]]+)\]\((?P<url>[^)]+)\)")


@dataclass(frozen=True)
class Example:
    """One photo as the console offers it; `domain`, `expressions` and `question` are what it suits."""

    file: str
    title: str
    domain: str | None
    expressions: tuple[str, ...]
    question: str


#: In the order of the page: first what is told for certain, then what is not.
EXAMPLES_SHOWN = (
    Example("white_pelican.jpg", "White pelican", "birds", ("the bird", "the orange bill"), "What colour is the bill?"),
    Example("nuthatch.jpg", "Nuthatch", "birds", ("the bird",), "What is the bird sitting on?"),
    Example("kingfisher.jpg", "Kingfisher", "birds", ("the blue bird",), "What colour is the bird?"),
    Example("northern_harrier.jpg", "Harrier in flight", "birds", ("the flying bird",), "What is the bird doing?"),
    Example("street_cars.jpg", "Street with cars", "cars", ("the car on the left", "the tree"), "How many cars are there?"),
    Example("room_table_drum.jpg", "Room with a drum", None, ("the wine glass", "the drum"), "What is on the table?"),
    Example("two_dogs.jpg", "Two dogs", None, ("the dog on the left",), "How many dogs are there?"),
    Example("horses.jpg", "Horses", None, ("the foal", "the horse on the right"), "How many horses are there?"),
    Example("cows.jpg", "Cows", None, ("the cow in front",), "What colour is the cow?"),
    Example("guitar_drums.jpg", "Guitar and drums", None, ("the guitar", "the drum kit"), "What is beside the drums?"),
    Example("coffee.jpg", "Cup of coffee", None, ("the spoon", "the cup"), "What is beside the cup?"),
)  # fmt: skip


def main() -> None:
    """Write the copies and `examples.json`."""
    credited = read_credits((SAMPLES / "CREDITS.md").read_text())
    EXAMPLES.mkdir(exist_ok=True)
    entries = []
    for example in EXAMPLES_SHOWN:
        write_copy(SAMPLES / example.file, EXAMPLES / example.file)
        entries.append(asdict(example) | {"credit": credited[example.file]})
    (EXAMPLES / "examples.json").write_text(json.dumps(entries, indent=1) + "\n")
    print(f"{len(entries)} examples, {sum(path.stat().st_size for path in EXAMPLES.iterdir()):,} bytes")


def write_copy(sample: Path, copy: Path) -> None:
    """Write a photo that fits into `SIDE_PX`; one that does already stays as it is, to the byte."""
    with Image.open(sample) as photo:
        if max(photo.size) <= SIDE_PX:
            copy.write_bytes(sample.read_bytes())
            return
        photo.thumbnail((SIDE_PX, SIDE_PX), Image.Resampling.LANCZOS)
        photo.save(copy, "JPEG", quality=QUALITY, optimize=True, progressive=True)


def read_credits(text: str) -> dict[str, dict[str, str | None]]:
    """Read the table of credits: for each file its author, its licence and where the licence stands, if anywhere."""
    credited = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) > 2 and cells[0].startswith("`"):
            link = _LINK.fullmatch(cells[2])
            licence, url = (link["name"], link["url"]) if link else (cells[2], None)
            credited[cells[0].strip("`")] = {"author": cells[1], "licence": licence, "licence_url": url}
    return credited


if __name__ == "__main__":
    main()
