"""The errors that a step's caller tells apart."""


class ConfigurationError(ValueError):
    """The user's mistake; its words name the field, what it got and what would be right. Exit code 2, no traceback."""


class NonFiniteLossError(ConfigurationError):
    """The loss became infinite or not a number; a further attempt would meet it again."""


class NonFiniteWeightsError(ConfigurationError):
    """A trained weight is not a number."""
