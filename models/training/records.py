"""The record of a run, kept beside its state: what makes two runs the same, whatever they train.

Owns the file `run.json` and the agreement of a folder with what is asked for. What stands in a record is a dataclass of each
kind of run; the state itself belongs to `models.training.loop`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import torch

from models.training.data import DataError
from models.training.loop import STATE_NAME

RECORD_NAME = "run.json"

Record = TypeVar("Record")


def write_record(folder: Path, record: object) -> None:
    """Write the record of a new run, or check that an old one in `folder` is the same run.

    A run that was stopped before it kept any state, such as by weights that are not those of its backbone, binds nobody.

    Raises:
        DataError: the folder holds another run; the message names what differs.
    """
    path = folder / RECORD_NAME
    if path.exists() and (folder / STATE_NAME).exists():
        differing = list(_differing(read_record_as(folder, type(record)), record))
        if differing:
            raise DataError(f"{folder} holds a run with other {', '.join(differing)}; name another folder")
        return
    folder.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(record), indent=2) + b"\n")


def read_record_as(folder: Path, kind: type[Record]) -> Record:
    """Read the record of the run in `folder`; raises DataError where there is none of this kind."""
    try:
        return msgspec.json.decode((folder / RECORD_NAME).read_bytes(), type=kind)
    except OSError as error:
        raise DataError(f"{folder} holds no training run ({RECORD_NAME} is missing)") from error
    except msgspec.DecodeError as error:
        raise DataError(
            f"{folder / RECORD_NAME} is not the record of a run of this kind; name the folder of another"
        ) from error


def read_state(folder: Path) -> dict[str, Any]:
    """The state of the run in `folder` as the loop left it; raises DataError where there is none yet."""
    path = folder / STATE_NAME
    if not path.exists():
        raise DataError(f"{folder} has not finished its first epoch")
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return state


def _differing(kept: object, asked: object) -> Iterator[str]:
    """The names of the values that differ; of a part that is a record itself, those of its own."""
    for field in fields(kept):  # type: ignore[arg-type]
        old, new = getattr(kept, field.name), getattr(asked, field.name)
        if is_dataclass(old) and type(old) is type(new):
            yield from _differing(old, new)
        elif old != new:
            yield field.name
