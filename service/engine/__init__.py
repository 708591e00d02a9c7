"""The engine: bundles in, answers out. Worker, command line and evaluation are all built on it."""

from service.engine.engine import Engine

__all__ = ["Engine"]
