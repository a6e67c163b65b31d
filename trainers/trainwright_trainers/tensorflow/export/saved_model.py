"""SavedModel (https://www.tensorflow.org/guide/saved_model): a versioned folder, as TensorFlow Serving takes it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from trainwright_trainers.chain.source import Converted, Source
from trainwright_trainers.evaluation.saved_model import FILE, FORMAT, SERVING, VERSION, load_served, signatures
from trainwright_trainers.runtime.errors import ConfigurationError
from trainwright_trainers.runtime.quiet import quiet
from trainwright_trainers.tensorflow.artifacts import load_model
from trainwright_trainers.tensorflow.serving import INPUT, OUTPUT, Program

RAW, LABELS = "raw", "labels"
"""Names of the further signatures."""


def convert_to_saved_model(source: Source, directory: Path, dynamic_batch: bool) -> Converted:
    """Write the artifact's model to `directory`/1 as a SavedModel.

    Its signatures: `serving_default` takes inputs as in training and gives the model's outputs; `raw` takes numbers
    from before they were scaled, where the data say how they were; `labels` gives the most probable class, its
    probability, and its name where the data have one, if the model gives one logit a class.

    Raises:
        ConfigurationError: the model can't be saved.
    """
    model = load_model(source.artifact, source.factory)
    program = Program(model, source.sample, dynamic_batch=dynamic_batch)
    try:
        with quiet():
            functions = {SERVING: program.function, **_further(program, source.splits.preprocessing)}
            tf.saved_model.save(program, directory / VERSION, signatures=functions)
    # tracing runs the user's layers, and these raise what they like
    except Exception as error:
        reason = str(error).strip().partition("\n")[0]
        raise ConfigurationError(f"export.format: this model can't be saved as a SavedModel: {reason}") from error
    inputs, outputs = signatures(load_served(directory / VERSION))
    return Converted(FORMAT, FILE, inputs, outputs, {"tensorflow": tf.__version__})


def _further(program: Program, preprocessing: Mapping[str, Any]) -> dict[str, Any]:
    """The signatures beside `serving_default` that the data and the model allow."""
    found = {}
    taken = program.function.input_signature[0]
    scale = preprocessing.get("scale")
    if isinstance(scale, int | float) and taken.dtype.is_floating:
        found[RAW] = _signature(taken, lambda values: program.function(values * scale))
    if program.function.get_concrete_function().structured_outputs[OUTPUT].shape.rank == 2:
        names = preprocessing.get("labels")
        found[LABELS] = _signature(taken, lambda values: label(program.function(values)[OUTPUT], names))
    return found


def label(logits: Any, names: list[str] | None) -> dict[str, Any]:
    """The most probable class of each sample, of logits [n, classes].

    Returns:
        `label`, its number [n] int64; `probability` [n] float32; `name` [n] where `names` has one for each class.
    """
    best = tf.argmax(logits, axis=1)
    told = {"label": best, "probability": tf.reduce_max(tf.nn.softmax(logits), axis=1)}
    if names and len(names) == logits.shape[1]:
        told["name"] = tf.gather(tf.constant(names), best)
    return told


def _signature(taken: Any, run: Any) -> Any:
    """A function of one input like that of another signature."""
    spec = tf.TensorSpec(taken.shape, taken.dtype, name=INPUT)
    return tf.function(lambda inputs: run(inputs), input_signature=[spec])
