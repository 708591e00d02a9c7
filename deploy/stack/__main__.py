"""Bring up the stack of docker-compose.yml without Docker: `python -m deploy.stack`, as root. Ctrl-C ends it.

Says where the gateway, Prometheus and Grafana are, and how to cut a worker's host off; everything else is the processes' own log.
"""

from __future__ import annotations

import signal
import sys
from types import FrameType

from deploy.stack.network import NoNetwork
from deploy.stack.stack import Stack, StackError


def main() -> int:
    """Run the stack until a signal; gives the exit status."""
    signal.signal(signal.SIGTERM, _stop)
    try:
        with Stack() as stack:
            workers = sum(host.startswith("worker") for host in stack.hosts)
            stack.wait_ready(workers)
            sys.stderr.write(f"gateway     {stack.url('gateway', 8000)} with {workers} workers\n")
            sys.stderr.write(f"its key     {stack.key}\n")
            for name, port in (("prometheus", 9090), ("grafana", 3000)):
                if name in stack.hosts:
                    sys.stderr.write(f"{name:<11} {stack.url(name, port)}\n")
            for name in stack.left_out:
                sys.stderr.write(f"{name} is not installed and was left out\n")
            signal.pause()
    except KeyboardInterrupt:
        return 0
    except (NoNetwork, StackError) as error:
        sys.stderr.write(f"The stack cannot run: {error}.\n")
        return 1
    return 0


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
