"""Geometry in single precision, also while a model trains in bfloat16.

Coordinates, roll-outs and the attention that a sampler reads would lose half a pixel and more in half precision.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from functools import wraps
from typing import ParamSpec, TypeVar

import torch

P = ParamSpec("P")
R = TypeVar("R")
_DEVICES = ("cpu", "cuda")


def exact(function: Callable[P, R]) -> Callable[P, R]:
    """Run a function without autocast; where autocast is off, as in export, just run it."""

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        active = [device for device in _DEVICES if torch.is_autocast_enabled(device)]
        if not active:
            return function(*args, **kwargs)
        with ExitStack() as stack:
            for device in active:
                stack.enter_context(torch.autocast(device, enabled=False))
            return function(*args, **kwargs)

    return run
