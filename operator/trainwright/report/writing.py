"""Writes the report of a job to a file."""

from datetime import UTC, datetime
from pathlib import Path

from trainwright.api.job import TrainingJob
from trainwright.report.page import render
from trainwright.report.run import read_run

FILE = "report.html"
"""The report's name in a job's directory."""


def write_report(job: TrainingJob, directory: Path | None, output: Path) -> None:
    """Makes the report, whole or not at all.

    Args:
        job: the object with its status.
        directory: the job's folder on its storage, where it is at hand.
        output: the file to write.

    Raises:
        OSError: a file can't be read or written.
    """
    page = render(read_run(job, directory), datetime.now(UTC))
    partial = output.with_name(f".{output.name}.partial")
    partial.write_text(page, encoding="utf-8", errors="replace")  # a lone surrogate in a message is no reason to fail
    partial.replace(output)
