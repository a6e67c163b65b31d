"""Which batch sizes a training can have."""

from trainwright.api.steps import Train
from trainwright_trainers.runtime.errors import ConfigurationError


def check_batch_size(options: Train, samples: int, processes: int, field: str) -> None:
    """Refuse a batch that can't be filled, or of which a process or a part would have nothing.

    Args:
        options: the training.
        samples: of the training split.
        processes: that a batch is spread over; devices, where a process has several.
        field: where the user described the training, such as `spec.steps[train].train`.
    """
    size = options.batch_size
    if size > samples:
        raise ConfigurationError(f"{field}.batchSize: {size} is more than the {samples} samples of the train split")
    if size < processes:
        raise ConfigurationError(f"{field}.batchSize: {size} must be at least the number of processes, {processes}")
    if size // processes < options.gradient_accumulation:
        raise ConfigurationError(
            f"{field}.gradientAccumulation: {options.gradient_accumulation} parts can't be made of a process' share of"
            f" {size // processes} samples (batchSize {size} over {processes} processes)"
        )
