"""Workers and devices: who is there, how busy each is, its memory, what restarted it, and whether the gateway is late."""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Dashboard

from deploy.monitoring.panels import Query, Row, lines, listing, page


def build() -> Dashboard:
    """Build the page."""
    return page(
        "workers",
        "workers and devices",
        "The processes that do the work, the devices that they do it on, and the gateway in front.",
        [_present(), _work(), _troubles(), _gateway()],
    )


def _present() -> Row:
    return Row(
        "Present",
        [
            listing("Workers", "fieldmark_worker_credit", "Connected workers and the device of each."),
            lines(
                "Workers that take requests",
                [Query("sum by (instance) (fieldmark_worker_up)", "{{instance}}")],
                "A worker that drains is not counted.",
            ),
            lines(
                "Room on each device",
                [Query("sum by (device) (fieldmark_worker_credit)", "{{device}}")],
                "Requests that the workers of a device may hold together.",
            ),
        ],
    )


def _work() -> Row:
    return Row(
        "Work",
        [
            lines(
                "Busy",
                [Query("fieldmark_engine_busy_ratio", "{{instance}} {{worker}}")],
                "Share of a worker's lane time that is spent in inference.",
                "percentunit",
            ),
            lines(
                "Saturation",
                [Query("worker:fieldmark_credit:used5m", "{{instance}} {{worker}}")],
                "Share of what a worker may hold that it does hold, over five minutes; at 100 % it is full.",
                "percentunit",
            ),
            lines(
                "Memory",
                [Query("fieldmark_worker_memory_bytes", "{{instance}} {{worker}}")],
                "Resident memory; above `worker_memory_bytes` a worker is replaced.",
                "bytes",
            ),
        ],
    )


def _troubles() -> Row:
    return Row(
        "Troubles",
        [
            lines(
                "Restarts",
                [Query("sum by (reason) (increase(fieldmark_worker_restarts_total[1h]))", "{{reason}}")],
                "Workers that took another's place within an hour: it crashed, was wedged, or had grown too large.",
            ),
            lines(
                "After a worker was lost",
                [
                    Query("sum(increase(fieldmark_retries_total[1h]))", "sent again"),
                    Query("sum(increase(fieldmark_poison_total[1h]))", "poison"),
                    Query("sum(increase(fieldmark_late_answers_total[1h]))", "answered too late"),
                ],
                "Requests within an hour that were sent again, that alone brought a worker down, whose answer nobody awaited.",
            ),
            lines(
                "Other hosts",
                [
                    Query("max by (instance) (fieldmark_bus_local_only)", "{{instance}} alone"),
                    Query("sum by (instance) (increase(fieldmark_bus_reconnects_total[1h]))", "{{instance}} came back"),
                ],
                "1 while a gateway cannot reach Redis, and how often it came back within an hour.",
            ),
        ],
    )


def _gateway() -> Row:
    def late(share: str) -> Query:
        rate = "sum by (le) (rate(fieldmark_loop_lag_seconds_bucket[$__rate_interval]))"
        return Query(f"histogram_quantile({share}, {rate})", f"{float(share):.0%} of the time")

    def upload(share: str) -> Query:
        rate = "sum by (le) (rate(fieldmark_body_seconds_bucket[$__rate_interval]))"
        return Query(f"histogram_quantile({share}, {rate})", f"{float(share):.0%} within")

    return Row(
        "Gateway",
        [
            lines(
                "Lag of the event loop",
                [late("0.5"), late("0.99")],
                "How late the gateway runs a timer; a high one means that it, or its core, is overloaded.",
                "s",
            ),
            lines(
                "Upload", [upload("0.5"), upload("0.95")], "From the start of a request to the end of its body.", "s"
            ),
        ],
    )
