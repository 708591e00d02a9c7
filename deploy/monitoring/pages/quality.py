"""Quality: what the models say of themselves, because nobody tells a running service whether it was right."""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Dashboard

from deploy.monitoring.panels import Query, Row, choice, distribution, lines, page

OF_MODEL = 'model=~"$model"'


def build() -> Dashboard:
    """Build the page."""
    return page(
        "quality",
        "quality",
        "How sure the models are, and whether that changes. Whether they are right is measured by `fieldmark evaluate`.",
        [_confidence(), _change()],
        [choice("model", "Model", "label_values(fieldmark_confidence_count, model)")],
    )


def _confidence() -> Row:
    rate = f"sum by (model, le) (rate(fieldmark_confidence_bucket{{{OF_MODEL}}}[$__rate_interval]))"
    mean = (
        f"sum by (model) (rate(fieldmark_confidence_sum{{{OF_MODEL}}}[1h]))"
        f" / (sum by (model) (rate(fieldmark_confidence_count{{{OF_MODEL}}}[1h])) > 0)"
    )
    return Row(
        "Confidence",
        [
            lines(
                "Mean of an hour",
                [Query(mean, "{{model}}")],
                "Mean probability of the best class, the best answer, or score of the best find.",
                "percentunit",
            ),
            lines(
                "Median",
                [Query(f"histogram_quantile(0.5, {rate})", "{{model}}")],
                "Half of the answers are less sure.",
                "percentunit",
            ),
            distribution(
                "Distribution",
                f"sum by (le) (rate(fieldmark_confidence_bucket{{{OF_MODEL}}}[$__rate_interval]))",
                "How many answers a second were how sure.",
                "percentunit",
            ),
        ],
    )


def _change() -> Row:
    return Row(
        "Change",
        [
            lines(
                "Drift of confidence",
                [Query(f"model:fieldmark_confidence:drift{{{OF_MODEL}}}", "{{model}}")],
                "Largest distance between the distributions of the last day and the last week: 0 is the same, 1 nothing in "
                "common. Above 0.15, with 500 answers or more, it is an alert.",
            ),
            lines(
                "Uncertain",
                [
                    Query(f"model:fieldmark_uncertain:share1d{{{OF_MODEL}}}", "{{model}} day"),
                    Query(f"model:fieldmark_uncertain:share1w{{{OF_MODEL}}}", "{{model}} week"),
                ],
                "Share of the answers that were marked uncertain.",
                "percentunit",
            ),
            lines(
                "Answers in a day",
                [Query(f"model:fieldmark_confidence:count1d{{{OF_MODEL}}}", "{{model}}")],
                "How many answers the shares of a day rest on.",
            ),
        ],
    )
