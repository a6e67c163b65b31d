"""TFLite models as files: what every framework's exporter does beside its own part."""

from importlib.metadata import version
from pathlib import Path

from trainwright_trainers.chain.source import Converted
from trainwright_trainers.evaluation.tflite import FORMAT, tflite_signatures
from trainwright_trainers.runtime.errors import ConfigurationError

FILE = "model.tflite"


def refuse_any_batch(dynamic_batch: bool) -> None:
    """Refuse a model of any batch size.

    Raises:
        ConfigurationError: it is asked for.
    """
    if dynamic_batch:
        raise ConfigurationError("export.dynamicBatch must be false for tflite: its models have one batch size, here 1")


def describe_tflite(path: Path, tools: dict[str, str]) -> Converted:
    """What stands in a .tflite file; `tools` are versions of the framework's packages that made it."""
    inputs, outputs = tflite_signatures(path)
    return Converted(FORMAT, FILE, inputs, outputs, tools | {"ai-edge-litert": version("ai-edge-litert")})
