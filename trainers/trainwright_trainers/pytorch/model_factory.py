"""The job's model, made by the factory that the user names."""

from torch import nn

from trainwright.api.steps import Factory
from trainwright_trainers.runtime.errors import ConfigurationError
from trainwright_trainers.runtime.factories import make


def make_model(factory: Factory, field: str = "spec.model") -> nn.Module:
    """A new model with its initial weights, drawn from torch's random numbers.

    Args:
        factory: what makes it.
        field: where the user named the factory.

    Raises:
        ConfigurationError: the factory can't be called, or returns something that is not a module.
    """
    model = make(factory, field)
    if not isinstance(model, nn.Module):
        raise ConfigurationError(
            f"{field}.factory: {factory.factory} must return a torch.nn.Module, it returned {type(model).__name__}"
        )
    return model
