"""The progress bar of long commands: on stderr, and silent where that is not a terminal; and what moves it on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

Batch = TypeVar("Batch")


def progress_bar() -> Progress:
    """A bar with counts and the time that remains."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, disable=not console.is_terminal)


def counted(batches: Iterable[Batch], advance: Callable[[], None]) -> Iterator[Batch]:
    """Pass batches through and tell when each was used."""
    for item in batches:
        yield item
        advance()
