"""All jobs: what runs, what waits and why, what it costs, what was lost."""

from grafana_foundation_sdk.builders.dashboard import Row
from grafana_foundation_sdk.models.dashboard import Dashboard

from monitoring.dashboards.panels import choice, dashboard, lines, number, rows

JOBS = 'namespace=~"$namespace"'


def make() -> Dashboard:
    """The dashboard."""
    board = dashboard("fleet", "Fleet", "Every TrainingJob: what runs, what waits and why, and what the time went to.")
    board = board.with_variable(
        choice("namespace", "Namespace", "label_values(trainwright_jobs, namespace)", several=True)
    )
    for panel in (
        number("Running", f'sum(trainwright_jobs{{phase="Running", {JOBS}}}) or vector(0)'),
        number("Pending", f'sum(trainwright_jobs{{phase="Pending", {JOBS}}}) or vector(0)'),
        number(
            "Failed in a day", f"sum(increase(trainwright_jobs_failed_total{{{JOBS}}}[1d])) or vector(0)", bad_above=1
        ),
        number(
            "Restarts in a day",
            f"sum(increase(trainwright_restarts_total{{{JOBS}}}[1d])) or vector(0)",
            bad_above=10,
        ),
        number("Samples a second", f"sum(trainwright_job_samples_per_second{{{JOBS}}})"),
        number("Workers ready", f"sum(trainwright_job_workers_ready{{{JOBS}}})"),
        lines("Jobs by phase", {"{{phase}}": f"sum by (phase) (trainwright_jobs{{{JOBS}}})"}, stacked=True),
        lines("Jobs by framework", {"{{framework}}": f"sum by (framework) (trainwright_jobs{{{JOBS}}})"}, stacked=True),
        lines(
            "Goodput",
            {"{{namespace}}": f"namespace:trainwright_job_goodput:ratio{{{JOBS}}}"},
            "percentunit",
            description="Productive time over elapsed time of the jobs that live.",
        ),
        lines(
            "Lost time",
            {"{{cause}}": f"sum by (cause) (trainwright_job_lost_seconds{{{JOBS}}})"},
            "s",
            stacked=True,
            description="Of the jobs that live, since each began.",
        ),
        lines(
            "Jobs created and ended an hour",
            {
                "created": f"sum(rate(trainwright_jobs_created_total{{{JOBS}}}[$__rate_interval])) * 3600",
                "complete": f"sum(rate(trainwright_jobs_completed_total{{{JOBS}}}[$__rate_interval])) * 3600",
                "failed": f"sum(rate(trainwright_jobs_failed_total{{{JOBS}}}[$__rate_interval])) * 3600",
            },
        ),
        lines(
            "Restarts an hour by cause",
            {
                "{{cause}} {{reason}}": "sum by (cause, reason)"
                f" (rate(trainwright_restarts_total{{{JOBS}}}[$__rate_interval])) * 3600"
            },
        ),
        lines(
            "Wait for the first workers",
            {
                legend: f"histogram_quantile({share}, sum by (le)"
                " (rate(trainwright_job_wait_seconds_bucket[$__rate_interval])))"
                for legend, share in (("median", 0.5), ("p95", 0.95))
            },
            "s",
        ),
        lines(
            "Mean time of a step by kind",
            {
                "{{kind}}": "sum by (kind) (rate(trainwright_step_duration_seconds_sum[$__rate_interval]))"
                " / sum by (kind) (rate(trainwright_step_duration_seconds_count[$__rate_interval]))"
            },
            "s",
        ),
    ):
        board = board.with_panel(panel)
    board = board.with_row(Row("Jobs"))
    hidden = ("Value",)
    waiting = f'trainwright_job_info{{phase=~"Pending|Restarting|Suspended", {JOBS}}}'
    for panel in (
        rows("What waits, and why", waiting, hidden, "The condition Running has the whole reason."),
        rows("What runs", f'trainwright_job_info{{phase="Running", {JOBS}}}', hidden),
        rows("Last failures", f"trainwright_job_last_failure_info{{{JOBS}}}", hidden),
        rows("Accuracy of the artifacts, best first", f"sort_desc(trainwright_artifact_accuracy{{{JOBS}}})"),
        rows("Gates (1 is passed)", f"trainwright_step_gate_passed{{{JOBS}}}"),
    ):
        board = board.with_panel(panel)
    return board.build()
