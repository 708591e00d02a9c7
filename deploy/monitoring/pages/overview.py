"""Overview: is all well, and if not, where to look: traffic, failures, latency, budgets, and what stands in the way."""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Dashboard

from deploy.monitoring.panels import Query, Row, lines, number, page


def build() -> Dashboard:
    """Build the page."""
    return page(
        "overview",
        "overview",
        "Is all well, and if not, where to look.",
        [_now(), _traffic(), _objectives(), _waiting()],
    )


def _now() -> Row:
    return Row(
        "Now",
        [
            number(
                "Gateways up", Query('sum(up{job="fieldmark"})'), "Gateways that answer Prometheus.", limits=(1, 0.5)
            ),
            number(
                "Workers up",
                Query('sum(fieldmark_worker_up) or 0 * sum(up{job="fieldmark"})'),
                "Workers that take requests.",
                limits=(1, 0.5),
            ),
            number(
                "Requests",
                Query("sum(task_model:fieldmark_requests:rate5m)"),
                "Requests a second over five minutes; pages and health are not counted.",
                "reqps",
            ),
            number(
                "Failures",
                Query("service:fieldmark_failures:ratio5m"),
                "Share of the requests that was refused (429) or failed (5xx), over five minutes.",
                "percentunit",
                (0.005, 0.05),
            ),
            number(
                "95 % answered within",
                Query("service:fieldmark_request_seconds:p95"),
                "From the start of the request to its answer, over five minutes.",
                "s",
                (0.5, 1),
            ),
            number(
                "Saturation",
                Query("service:fieldmark_credit:used5m"),
                "Share of what workers may hold that they do hold; at 100 % whatever comes next waits in the queue.",
                "percentunit",
                (0.7, 0.9),
            ),
        ],
    )


def _traffic() -> Row:
    requests = 'sum by (task, status) (rate(fieldmark_requests_total{task!="none"}[$__rate_interval]))'
    quantiles = [
        Query(f"service:fieldmark_request_seconds:{name}", f"{share} % within")
        for name, share in (("p50", 50), ("p95", 95), ("p99", 99))
    ]
    return Row(
        "Traffic",
        [
            lines(
                "Requests", [Query(requests, "{{task}} {{status}}")], "Answers a second by task and status.", "reqps"
            ),
            lines("Latency", quantiles, "From the start of the request to its answer, over five minutes.", "s"),
            lines(
                "Where the time goes",
                [
                    Query(
                        "sum by (stage) (rate(fieldmark_stage_seconds_sum[$__rate_interval]))"
                        " / (sum by (stage) (rate(fieldmark_stage_seconds_count[$__rate_interval])) > 0)",
                        "{{stage}}",
                    )
                ],
                "Mean time of answered requests in the queue, in decoding, in inference and after it.",
                "s",
            ),
        ],
    )


def _objectives() -> Row:
    return Row(
        "Objectives",
        [
            lines(
                "Error budget, an hour",
                [Query("slo:fieldmark_burn:1h", "{{slo}}")],
                "How many times too fast the budget of errors burns; above 14.4 somebody is called, at 1 a month lasts a month.",
            ),
            lines(
                "Error budget, three days",
                [Query("slo:fieldmark_burn:3d", "{{slo}}")],
                "The same over three days; above 1 the objective will be missed.",
            ),
            lines(
                "Alerts",
                [
                    Query(
                        'count by (alertname) (ALERTS{alertstate="firing"})'
                        ' or label_replace(vector(0), "alertname", "none", "", "")',
                        "{{alertname}}",
                    )
                ],
                "Alerts that fire; deploy/README.md says what to do for each.",
            ),
        ],
    )


def _waiting() -> Row:
    return Row(
        "In the way",
        [
            lines(
                "Queue",
                [Query("sum by (model) (fieldmark_queue_depth)", "{{model}}")],
                "Requests that wait for a worker.",
            ),
            lines(
                "Refused",
                [Query("sum by (reason) (rate(fieldmark_refused_total[$__rate_interval]))", "{{reason}}")],
                "Requests a second that were not let into the queue, by reason: its wait, the request's own deadline, the "
                "queue's length or bytes, no worker, or a photo that brought workers down.",
                "reqps",
            ),
            lines(
                "Lost on the way",
                [
                    Query("sum(rate(fieldmark_expired_total[$__rate_interval]))", "time ran out"),
                    Query("sum(rate(fieldmark_cancelled_total[$__rate_interval]))", "client left"),
                    Query("sum(rate(fieldmark_retries_total[$__rate_interval]))", "sent again"),
                    Query("sum(rate(fieldmark_poison_total[$__rate_interval]))", "poison"),
                ],
                "Accepted requests a second that did not go the straight way.",
                "reqps",
            ),
        ],
    )
