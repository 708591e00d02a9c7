"""In which precision a bundle's weights are stored: the most exact one that fits, if it costs no accuracy.

Owns the size that a bundle may have and the loss that is allowed; how weights are rounded is `export.weights`'s part.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from onnx import ModelProto

from export.weights import store
from models.sections import Precision

#: A bundle travels in git. A transformer of 22 million weights fits in 8-bit steps.
_LIMIT_BYTES = 16 << 20
_LIMITS_BYTES: dict[str, int] = {"rams_trans": 24 << 20, "referring": 24 << 20}
#: Labels, card, samples, vocabulary, manifest, and the tables of phrases or of directions.
OTHER_FILES_BYTES = 1280 << 10
#: Top-1 that rounding may cost on the held-out photos.
LOSS_LIMIT = 0.003
_PRECISIONS: tuple[Precision, ...] = ("fp32", "fp16", "int8")


@dataclass(frozen=True, slots=True)
class Stored:
    """A graph in the precision that was chosen."""

    precision: Precision
    proto: ModelProto


def size_limit_bytes(system: str) -> int:
    """What a bundle of a system may weigh, all its files together."""
    return _LIMITS_BYTES.get(system, _LIMIT_BYTES)


def choose_variant(proto: ModelProto, weights: Collection[str], limit_bytes: int) -> Stored:
    """The most exact precision in which the file leaves room for the others; the smallest where none does."""
    for precision in _PRECISIONS:
        stored = Stored(precision, store(proto, precision, weights))
        if stored.proto.ByteSize() + OTHER_FILES_BYTES <= limit_bytes:
            break
    return stored
