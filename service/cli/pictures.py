"""`--draw`: the explanation of each answer drawn on its photo, as PNG files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from service.answers import ClassifyAnswer, SubjectsAnswer
from service.cli.options import CommandFailed, check_place


class Pictures:
    """Draws answers into one file, or into a folder where there are several photos.

    Raises:
        CommandFailed: several photos would be drawn into one file, into one of themselves, or into one that cannot be there.
    """

    def __init__(self, target: Path, photos: Sequence[Path]) -> None:
        self._target = target
        self._is_folder = target.is_dir()
        self._names: set[str] = set()
        self._photos = {photo.resolve() for photo in photos}
        if len(photos) > 1 and not self._is_folder:
            raise CommandFailed(f"--draw {target}: there are {len(photos)} photos; name a folder that exists.")
        if not self._is_folder:
            check_place("--draw", target)
            if target.resolve() in self._photos:
                raise CommandFailed(f"--draw {target} is the photo itself; name another file.")

    def draw(self, path: Path, content: bytes, answer: ClassifyAnswer | SubjectsAnswer) -> None:
        """Draw the answer to one photo."""
        from service.drawing import draw_answer, draw_subjects

        if isinstance(answer, SubjectsAnswer):
            picture = draw_subjects(content, answer)
        else:
            picture = draw_answer([content], answer)
        self._place(path).write_bytes(picture)

    def _place(self, path: Path) -> Path:
        """The file of a photo: in a folder its own name with `.png`, numbered where two have the same or a photo has it."""
        if not self._is_folder:
            return self._target
        name, number = f"{path.stem}.png", 1
        while name in self._names or (self._target / name).resolve() in self._photos:
            number += 1
            name = f"{path.stem}-{number}.png"
        self._names.add(name)
        return self._target / name
