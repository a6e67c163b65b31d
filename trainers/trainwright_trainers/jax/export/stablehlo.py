"""StableHLO, by JAX's own exporter (https://docs.jax.dev/en/latest/export/export.html)."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import jax
import jax.export

from trainwright_trainers.chain.source import Converted, Source
from trainwright_trainers.chain.weights import WEIGHTS, signature
from trainwright_trainers.jax.artifacts import Model, load_model, of_stored, stored
from trainwright_trainers.jax.programs import FORMAT
from trainwright_trainers.jax.trees import flatten, unflatten
from trainwright_trainers.runtime.errors import ConfigurationError
from trainwright_trainers.runtime.tensors import write_tensors

FILE = "model.stablehlo"
PLATFORMS = ("cpu", "cuda")
"""What the program can run on; the same for all machines, whatever the one that exports it has."""


def convert_to_stablehlo(source: Source, directory: Path, dynamic_batch: bool) -> Converted:
    """Write the artifact's model to `directory`: a program of (weights by name, batch), and the weights.

    Raises:
        ConfigurationError: the model can't be exported, or can't take any batch size.
    """
    model = load_model(source.artifact, source.factory)
    try:
        exported = export(model, dynamic_batch)
    except (ValueError, TypeError, NotImplementedError, jax.errors.JAXTypeError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise ConfigurationError(
            f"export.format: this model can't be exported to StableHLO{' for any batch size' * dynamic_batch}: {reason}"
        ) from error
    (directory / FILE).write_bytes(exported.serialize())
    write_tensors(flatten(stored(model.variables)), directory / WEIGHTS)
    inputs, outputs = signature("input", model.sample), signature("output", jax.eval_shape(model.run, model.sample))
    if not dynamic_batch:
        inputs, outputs = (tensor.model_copy(update={"shape": [1, *tensor.shape[1:]]}) for tensor in (inputs, outputs))
    return Converted(FORMAT, FILE, [inputs], [outputs], {"jax": jax.__version__})


def export(model: Model, dynamic_batch: bool) -> jax.export.Exported:
    """The model as a program of (weights by name, batch), for batches of any size or for single samples."""
    form = jax.eval_shape(lambda: stored(model.variables))
    weights = flatten(form)
    batch = jax.export.symbolic_shape("batch")[0] if dynamic_batch else 1
    inputs = jax.ShapeDtypeStruct((batch, *model.sample.shape[1:]), model.sample.dtype)

    def run(weights: dict[str, jax.Array], inputs: jax.Array) -> jax.Array:
        return replace(model, variables=of_stored(unflatten(weights, form))).run(inputs)

    with without_locations():
        return jax.export.export(jax.jit(run), platforms=PLATFORMS)(weights, inputs)


@contextmanager
def without_locations() -> Iterator[None]:
    """Inside the block programs don't tell where in the code their operations are: it names folders of this machine."""
    setting = "jax_traceback_in_locations_limit"
    before = getattr(jax.config, setting)
    jax.config.update(setting, 0)
    try:
        yield
    finally:
        jax.config.update(setting, before)
