"""INT8 for LiteRT, by ai-edge-quantizer (https://github.com/google-ai-edge/ai-edge-quantizer)."""

from importlib.metadata import version
from pathlib import Path

from trainwright_trainers.chain.scheme import Task
from trainwright_trainers.chain.source import Converted
from trainwright_trainers.chain.tflite_files import FILE, describe_tflite
from trainwright_trainers.data import Array, batches
from trainwright_trainers.evaluation import compare_exactly
from trainwright_trainers.evaluation.subject import model_input
from trainwright_trainers.evaluation.tflite import open_tflite
from trainwright_trainers.pytorch.artifacts import load_model
from trainwright_trainers.pytorch.export.tflite import export_tflite, tools
from trainwright_trainers.pytorch.predictors import subject_of
from trainwright_trainers.runtime.quiet import quiet


def quantize_static(task: Task) -> Converted:
    """Weights and activations in INT8, with ranges from the calibration samples."""
    return _quantize(task, "static_wi8_ai8")


def quantize_dynamic(task: Task) -> Converted:
    """Weights in INT8; activations' scales are found anew at each run."""
    return _quantize(task, "dynamic_wi8_afp32")


def quantize_weights(task: Task) -> Converted:
    """Weights in INT8, computation in floats."""
    return _quantize(task, "weight_only_wi8_afp32")


def _quantize(task: Task, recipe: str) -> Converted:
    """Convert the artifact to TFLite and quantize that; its input and output stay floats.

    Integers there would leave their scaling to everyone who calls the model, and whoever forgets it gets wrong numbers
    without an error.

    Raises:
        ConfigurationError: the artifact is no PyTorch model, the converter can't follow it, or is not installed.
        ParityError: the float TFLite model is not the artifact's.
    """
    source, float_model = task.source, task.scratch / FILE
    export_tflite(load_model(source.artifact, source.factory), source.sample, float_model)
    before = subject_of(source.artifact, source.factory).open(1)
    compare_exactly(before, open_tflite(float_model, 1), source.splits.validation)
    with quiet():
        _run_recipe(float_model, recipe, task)
    return describe_tflite(task.draft / FILE, tools() | {"ai-edge-quantizer": version("ai-edge-quantizer")})


def _run_recipe(float_model: Path, name: str, task: Task) -> None:
    from ai_edge_litert.interpreter import Interpreter
    from ai_edge_quantizer import qtyping, quantizer, recipe
    from ai_edge_quantizer.algorithm_manager import AlgorithmName

    quantizing = quantizer.Quantizer(str(float_model), getattr(recipe, name)())
    for edge in (qtyping.TFLOperationName.INPUT, qtyping.TFLOperationName.OUTPUT):
        quantizing.update_quantization_recipe(regex=".*", operation_name=edge, algorithm_key=AlgorithmName.NO_QUANTIZE)
    calibration = None
    if quantizing.need_calibration:
        ((signature, names),) = Interpreter(str(float_model)).get_signature_list().items()
        calibration = quantizing.calibrate({signature: _feeds(names["inputs"][0], task)}, num_threads=1)
    quantizing.quantize(calibration).export_model(str(task.draft / FILE), overwrite=True)


def _feeds(name: str, task: Task) -> list[dict[str, Array]]:
    return [{name: model_input(inputs)} for inputs, _ in batches(task.calibration, 1)]
