"""The operator itself: whether it leads, keeps up, and gets what it asks of the API server."""

from grafana_foundation_sdk.models.dashboard import Dashboard

from monitoring.dashboards.panels import dashboard, lines, number


def make() -> Dashboard:
    """The dashboard."""
    board = dashboard("operator", "Operator", "The operator's replicas: leading, keeping up, and the API server.")
    requests = "trainwright_operator_api_requests_total"
    for panel in (
        number("Replicas", "count(trainwright_build_info)"),
        number("Leaders", "sum(trainwright_operator_leader)", bad_above=2),
        number("Jobs due", "sum(trainwright_operator_queue_depth)", bad_above=1000),
        number("Slowest 1 % of passes", "trainwright_operator_pass_duration_seconds:p99_rate5m", "s", bad_above=5),
        number("Requests that fail", "trainwright_operator_api_errors:ratio_rate5m", "percentunit", bad_above=0.05),
        number("Jobs without series", "sum(trainwright_jobs_without_series)", bad_above=1),
        lines("Leader", {"{{instance}}": "trainwright_operator_leader"}),
        lines("Jobs due for a pass", {"{{instance}}": "trainwright_operator_queue_depth"}),
        lines("Passes a second by result", {"{{result}}": "result:trainwright_operator_passes:rate5m"}),
        lines(
            "Time of a pass",
            {
                "median": "histogram_quantile(0.5, sum by (le)"
                " (rate(trainwright_operator_pass_duration_seconds_bucket[$__rate_interval])))",
                "p99": "trainwright_operator_pass_duration_seconds:p99_rate5m",
            },
            "s",
        ),
        lines(
            "Requests a second",
            {"{{verb}} {{resource}}": f"sum by (verb, resource) (rate({requests}[$__rate_interval]))"},
            "reqps",
        ),
        lines("Answers a second by code", {"{{code}}": f"sum by (code) (rate({requests}[$__rate_interval]))"}, "reqps"),
        lines(
            "Watches begun anew an hour",
            {
                "{{resource}}": "sum by (resource)"
                " (rate(trainwright_operator_watch_restarts_total[$__rate_interval])) * 3600"
            },
        ),
        lines(
            "Gates decided an hour",
            {"{{result}}": "sum by (result) (rate(trainwright_step_gates_total[$__rate_interval])) * 3600"},
        ),
        lines(
            "CPU",
            {
                "{{instance}}": "rate(process_cpu_seconds_total[$__rate_interval])"
                " and on (instance) trainwright_build_info"
            },
            "percentunit",
        ),
        lines(
            "Memory",
            {"{{instance}}": "process_resident_memory_bytes and on (instance) trainwright_build_info"},
            "bytes",
        ),
    ):
        board = board.with_panel(panel)
    return board.build()
