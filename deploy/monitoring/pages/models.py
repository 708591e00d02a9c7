"""Models: for each bundle how much it is asked, how fast it answers, how often it fails, and which ones are served."""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Dashboard

from deploy.monitoring.panels import Query, Row, choice, distribution, lines, listing, page

OF_MODEL = 'model=~"$model"'


def build() -> Dashboard:
    """Build the page."""
    return page(
        "models",
        "models",
        "Each bundle by itself: traffic, failures and latency.",
        [_traffic(), _latency(), _served()],
        [choice("model", "Model", 'label_values(fieldmark_request_seconds_count{task!="none"}, model)')],
    )


def _traffic() -> Row:
    return Row(
        "Traffic",
        [
            lines(
                "Requests",
                [Query(f"task_model:fieldmark_requests:rate5m{{{OF_MODEL}}}", "{{task}} {{model}}")],
                "Requests a second by task and model; `none` are those that ended before a model was chosen.",
                "reqps",
            ),
            lines(
                "Failures",
                [Query(f"task_model:fieldmark_failures:ratio5m{{{OF_MODEL}}}", "{{task}} {{model}}")],
                "Share of a model's requests that was refused (429) or failed (5xx).",
                "percentunit",
            ),
            lines(
                "Answers by status",
                [
                    Query(
                        "sum by (model, status) (rate("
                        f'fieldmark_requests_total{{task!="none", {OF_MODEL}}}[$__rate_interval]))',
                        "{{model}} {{status}}",
                    )
                ],
                "Answers a second by status.",
                "reqps",
            ),
        ],
    )


def _latency() -> Row:
    def quantile(name: str, share: int) -> Query:
        return Query(
            f"task_model:fieldmark_request_seconds:{name}{{{OF_MODEL}}}", f"{{{{task}}}} {{{{model}}}} {share} %"
        )

    about = "From the start of the request to its answer, over five minutes."
    return Row(
        "Latency",
        [
            lines("Half and 95 % answered within", [quantile("p50", 50), quantile("p95", 95)], about, "s"),
            lines("99 % answered within", [quantile("p99", 99)], about, "s"),
            distribution(
                "Distribution",
                f"sum by (le) (task_model_le:fieldmark_request_seconds_bucket:rate5m{{{OF_MODEL}}})",
                "How many requests a second took how long.",
                "s",
            ),
        ],
    )


def _served() -> Row:
    return Row(
        "Served",
        [
            listing(
                "Bundles", "fieldmark_model_info", "What the workers announced: name, version, system, variant, engine."
            ),
            lines(
                "Explanations",
                [Query("sum(rate(fieldmark_explain_total[$__rate_interval]))", "explained")],
                "Answers a second with an explanation, which cost more.",
                "reqps",
            ),
        ],
    )
