"""The public names of Fieldmark under the product's own name.

Owns the list of what users may import; the code lives in `service` and `models`. Names are loaded when they are first
asked for, so that `import fieldmark` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from service.client import AsyncClient, Client
    from service.engine.engine import Engine

__all__ = ["AsyncClient", "Client", "Engine"]

_HOMES = {"AsyncClient": "service.client", "Client": "service.client", "Engine": "service.engine.engine"}


def __getattr__(name: str) -> object:
    """Import a public name from the module that defines it."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it offers {', '.join(__all__)}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
