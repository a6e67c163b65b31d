"""One job: how far it is, how well it does, what its artifacts are worth, and what its time went to."""

from grafana_foundation_sdk.builders.dashboard import Row
from grafana_foundation_sdk.models.dashboard import Dashboard

from monitoring.dashboards.panels import choice, dashboard, lines, number, rows

JOB = 'namespace="$namespace", job_name="$job_name"'


def make() -> Dashboard:
    """The dashboard."""
    board = (
        dashboard("job", "Job", "One TrainingJob, from its first wait to its last artifact.")
        .with_variable(choice("namespace", "Namespace", "label_values(trainwright_job_info, namespace)", several=False))
        .with_variable(
            choice(
                "job_name", "Job", 'label_values(trainwright_job_info{namespace="$namespace"}, job_name)', several=False
            )
        )
    )
    for panel in (
        number("Progress of the step", f"trainwright_job_progress_ratio{{{JOB}}}", "percentunit"),
        number("Time left in the step", f"trainwright_job_eta_seconds{{{JOB}}}", "s"),
        number("Accuracy", f"trainwright_job_accuracy{{{JOB}}}", "percentunit"),
        number("Goodput", f"trainwright_job_goodput_ratio{{{JOB}}}", "percentunit"),
        number("Restarts", f"trainwright_job_restarts{{{JOB}}}", bad_above=1),
        number("Optimizer step", f"trainwright_job_training_step{{{JOB}}}"),
        lines(
            "Loss",
            {
                "as the status tells": f"trainwright_job_loss{{{JOB}}}",
                "{{step}}": f"trainwright_training_loss{{{JOB}}}",
            },
        ),
        lines(
            "Accuracy over time",
            {"job": f"trainwright_job_accuracy{{{JOB}}}", "{{step}}": f"trainwright_training_accuracy{{{JOB}}}"},
            "percentunit",
        ),
        lines(
            "Samples a second",
            {
                "as the status tells": f"trainwright_job_samples_per_second{{{JOB}}}",
                "{{step}}": f"trainwright_training_samples_per_second{{{JOB}}}",
            },
        ),
        lines("Learning rate", {"{{step}}": f"trainwright_training_learning_rate{{{JOB}}}"}),
        lines(
            "Time of an optimizer step",
            {
                "all": f"trainwright_training_step_seconds{{{JOB}}}",
                "waiting for data": f"trainwright_training_data_wait_seconds{{{JOB}}}",
            },
            "s",
        ),
        lines("Gradient norm", {"{{step}}": f"trainwright_training_gradient_norm{{{JOB}}}"}),
        lines(
            "Workers",
            {
                "wanted": f"trainwright_job_workers_wanted{{{JOB}}}",
                "ready": f"trainwright_job_workers_ready{{{JOB}}}",
            },
        ),
        lines(
            "Memory of rank 0",
            {
                "process": f"trainwright_training_process_memory_bytes{{{JOB}}}",
                "GPU": f"trainwright_training_gpu_memory_bytes{{{JOB}}}",
            },
            "bytes",
        ),
        lines(
            "GPU utilisation of rank 0",
            {"{{step}}": f"trainwright_training_gpu_utilization_ratio{{{JOB}}}"},
            "percentunit",
        ),
        lines("Time in each phase", {"{{phase}}": f"trainwright_job_phase_seconds{{{JOB}}}"}, "s", stacked=True),
        lines(
            "Lost time",
            {"{{cause}}": f"trainwright_job_lost_seconds{{{JOB}}}"},
            "s",
            stacked=True,
            description="Waiting, starting, restarts, work that was done twice; docs/metrics.md explains the causes.",
        ),
        lines(
            "Start and losses of the running step",
            {"{{cause}}": f"trainwright_training_lost_seconds{{{JOB}}}"},
            "s",
            stacked=True,
        ),
        lines(
            "Checkpoints",
            {"seconds to write": f"trainwright_training_checkpoint_seconds{{{JOB}}}"},
            "s",
        ),
        lines("Size of a checkpoint", {"{{step}}": f"trainwright_training_checkpoint_bytes{{{JOB}}}"}, "bytes"),
    ):
        board = board.with_panel(panel)
    board = board.with_row(Row("Artifacts"))
    for panel in (
        rows("Where it stands", f"trainwright_job_info{{{JOB}}}", ("Value",)),
        rows("Last failure", f"trainwright_job_last_failure_info{{{JOB}}}", ("Value",)),
        rows("Accuracy", f"trainwright_artifact_accuracy{{{JOB}}}"),
        rows("Latency in seconds", f"trainwright_artifact_latency_seconds{{{JOB}}}"),
        rows("Size in bytes", f"trainwright_artifact_size_bytes{{{JOB}}}"),
        rows("Parameters", f"trainwright_artifact_parameters{{{JOB}}}"),
        rows("Gates (1 is passed)", f"trainwright_step_gate_passed{{{JOB}}}"),
    ):
        board = board.with_panel(panel)
    return board.build()
