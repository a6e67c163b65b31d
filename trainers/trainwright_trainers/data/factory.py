"""The job's data, made by the factory that the user names."""

from trainwright.api.contract import StepConfiguration
from trainwright_trainers.data.splits import Splits, as_splits
from trainwright_trainers.runtime.errors import ConfigurationError
from trainwright_trainers.runtime.factories import make


def make_splits(configuration: StepConfiguration) -> Splits:
    """What spec.data's factory returns, as splits.

    Raises:
        ConfigurationError: spec.data is missing, or its factory can't be called or returns something else.
    """
    if configuration.data is None:
        raise ConfigurationError(f"spec.data is missing: step {configuration.step.name!r} needs a data factory")
    return as_splits(make(configuration.data, "spec.data"))
