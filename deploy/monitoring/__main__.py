"""Write Grafana's dashboards anew: `python -m deploy.monitoring`. They are committed, so that Grafana needs no Python."""

from __future__ import annotations

from pathlib import Path

from deploy.monitoring.pages import dashboards
from deploy.monitoring.panels import write

FOLDER = Path(__file__).parent / "grafana" / "dashboards"


def main() -> None:
    """Write each dashboard into a file of its own."""
    for dashboard in dashboards():
        path = FOLDER / f"{dashboard.uid}.json"
        path.write_text(write(dashboard), encoding="utf-8")
        print(path)


if __name__ == "__main__":
    main()
