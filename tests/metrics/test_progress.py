"""A trainer's page becomes `status.progress`."""

import pytest

from trainwright.api.contract import LostTime
from trainwright.metrics.progress import read_progress

PAGE = """\
# TYPE trainwright_training_step gauge
trainwright_training_step{job_name="digits",step="train"} 120.0
trainwright_training_loss{job_name="digits",step="train"} NaN
trainwright_training_accuracy{job_name="digits",step="train"} 0.875
trainwright_training_progress_ratio{job_name="digits",step="train"} 0.999
trainwright_training_eta_seconds{job_name="digits",step="train"} +Inf
trainwright_training_lost_seconds{job_name="digits",step="train",cause="start"} 4.26
trainwright_training_lost_seconds{job_name="digits",step="train",cause="invented"} 9
python_info{version="3"} 1.0
"""


def test_what_is_told_is_taken_and_what_is_not_a_number_is_left_out() -> None:
    progress = read_progress(PAGE)
    assert (progress.training_step, progress.accuracy, progress.percent) == (120, 0.875, 99)
    assert progress.loss is None
    assert progress.remaining_seconds is None
    assert progress.lost == LostTime(start=4.3)


def test_a_page_without_figures_tells_nothing() -> None:
    assert not read_progress("").model_dump(exclude_none=True)


def test_a_page_in_another_format_is_refused() -> None:
    with pytest.raises(ValueError, match="invalid metric name"):
        read_progress("<html>")
