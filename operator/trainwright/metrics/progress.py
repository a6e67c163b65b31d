"""Turns what rank 0 serves to Prometheus into `status.progress`: people and dashboards see the same numbers."""

import math

from prometheus_client.parser import text_string_to_metric_families

from trainwright.api.contract import LostTime
from trainwright.api.figures import LOST_SECONDS, PREFIX
from trainwright.api.status import Progress


def read_progress(text: str) -> Progress:
    """The progress that a trainer's /metrics page tells; what it doesn't tell is left out.

    Args:
        text: the page, in Prometheus' text format.

    Raises:
        ValueError: the page is not in that format.
    """
    samples = [
        sample
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name.startswith(PREFIX) and math.isfinite(sample.value)  # what is not says "not measured"
    ]
    values = {sample.name.removeprefix(PREFIX): sample.value for sample in samples}
    lost = {
        sample.labels["cause"]: sample.value
        for sample in samples
        if sample.name == f"{PREFIX}{LOST_SECONDS}" and sample.labels.get("cause") in LostTime.model_fields
    }
    ratio = values.get("progress_ratio")
    return Progress(
        percent=None if ratio is None else int(100 * ratio),
        training_step=_whole(values.get("step")),
        epoch=_whole(values.get("epoch")),
        loss=values.get("loss"),
        accuracy=values.get("accuracy"),
        samples_per_second=values.get("samples_per_second"),
        remaining_seconds=_whole(values.get("eta_seconds")),
        lost=LostTime(**lost).rounded() if lost else None,
    )


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)
