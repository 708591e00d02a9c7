"""Batching and queueing: how many requests share an inference, why they were released, who waits and how long."""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Dashboard

from deploy.monitoring.panels import Query, Row, distribution, lines, page


def build() -> Dashboard:
    """Build the page."""
    return page(
        "batching",
        "batching",
        "What shares an inference, and what waits for one.",
        [_batches(), _queue(), _times()],
    )


def _batches() -> Row:
    return Row(
        "Batches",
        [
            lines(
                "Mean size",
                [
                    Query(
                        "sum by (model) (rate(fieldmark_batch_size_sum[$__rate_interval]))"
                        " / (sum by (model) (rate(fieldmark_batch_size_count[$__rate_interval])) > 0)",
                        "{{model}}",
                    )
                ],
                "Requests that shared an inference; on a CPU that is mostly one, because more does not pay there.",
            ),
            distribution(
                "Sizes",
                "sum by (le) (rate(fieldmark_batch_size_bucket[$__rate_interval]))",
                "How many requests a second were in a batch of which size.",
            ),
            lines(
                "Released",
                [
                    Query(
                        "sum by (model, reason) (rate(fieldmark_batch_release_total[$__rate_interval]))",
                        "{{model}} {{reason}}",
                    )
                ],
                "Requests a second that were handed to a worker: it had room, another attempt, or a suspect that runs alone.",
                "reqps",
            ),
        ],
    )


def _queue() -> Row:
    return Row(
        "Queue",
        [
            lines(
                "Requests that wait",
                [Query("sum by (route) (fieldmark_queue_depth)", "{{route}}")],
                "By route, which is what is queued.",
            ),
            lines(
                "Predicted wait",
                [Query("max by (route) (fieldmark_predicted_wait_seconds)", "{{route}}")],
                "Wait of a request that came now; above `max_queue_wait_ms` it would be refused.",
                "s",
            ),
            lines(
                "Held by workers",
                [
                    Query("sum(fieldmark_inflight)", "held"),
                    Query("sum(fieldmark_worker_credit)", "room"),
                ],
                "Requests that workers hold, and how many they may hold.",
            ),
        ],
    )


def _times() -> Row:
    def stage(share: str) -> Query:
        rate = "sum by (stage, le) (rate(fieldmark_stage_seconds_bucket[$__rate_interval]))"
        return Query(f"histogram_quantile({share}, {rate})", f"{{{{stage}}}} {float(share):.0%}")

    return Row(
        "Times",
        [
            lines(
                "Stages", [stage("0.5"), stage("0.95")], "Half and 95 % of the answered requests were done within.", "s"
            ),
            lines(
                "Bytes that wait",
                [Query("sum(fieldmark_queue_bytes)", "queued")],
                "Bytes of the photos in the queue; above `queue_limit_bytes` nothing more is let in.",
                "bytes",
            ),
            lines(
                "Kept features",
                [
                    Query("sum by (result) (rate(fieldmark_feature_cache_total[$__rate_interval]))", "{{result}}"),
                ],
                "Photos a second whose features were there from an earlier expression, and whose were not.",
                "reqps",
            ),
        ],
    )
