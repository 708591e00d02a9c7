"""The dashboards, one module each, in the order in which a person would look at them."""

from __future__ import annotations

from collections.abc import Sequence

from grafana_foundation_sdk.models.dashboard import Dashboard

from deploy.monitoring.pages import batching, models, overview, quality, workers


def dashboards() -> Sequence[Dashboard]:
    """Build all of them."""
    return [module.build() for module in (overview, models, workers, batching, quality)]
