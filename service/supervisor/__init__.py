"""The supervisor: starts the gateway and the workers, watches them, restarts what fell and ends them in order.

`main.serve` is the whole life in one function; `supervision.py` decides, `child.py` and `loop.py` touch the operating
system, `checks.py` refuses what could not work. Light: no array, image or web library is imported here.
"""

from service.supervisor.main import serve

__all__ = ["serve"]
