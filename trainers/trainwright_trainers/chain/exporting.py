"""The `export` step of every framework; what it can do is a table of formats."""

from collections.abc import Mapping

from trainwright.api.contract import StepResult
from trainwright_trainers.chain.layouts import LAYOUTS, Delivery
from trainwright_trainers.chain.manifest import write_manifest
from trainwright_trainers.chain.publishing import publish
from trainwright_trainers.chain.source import Converter, SubjectOf, choose, field_of, read_source
from trainwright_trainers.evaluation import compare_exactly
from trainwright_trainers.runtime.artifacts import drafted, write_artifact
from trainwright_trainers.runtime.context import StepContext


def export(context: StepContext, formats: Mapping[str, Converter], subject_of: SubjectOf) -> StepResult:
    """Convert the accepted artifact, load what was written, and publish it if it gives the same outputs.

    Args:
        context: the step.
        formats: the framework's converters, by `export.format`.
        subject_of: loads an artifact of any format that the framework reads.

    Raises:
        ParityError: the converted model's outputs differ from the artifact's.
    """
    configuration = context.configuration
    step, options = configuration.step, configuration.step.options
    convert = choose(formats, options.format, f"{field_of(context)}.format")
    lay_out = choose(LAYOUTS, options.layout, f"{field_of(context)}.layout")
    source = read_source(context)
    with drafted(context.output) as draft:
        converted = convert(source, draft, options.dynamic_batch)
        uri = f"{configuration.storage}/{configuration.output}"
        lay_out(draft, Delivery(configuration.job, configuration.namespace, uri, converted))
        write_manifest(draft, configuration.job, converted, source)
        made = write_artifact(draft, converted.describe(step.name, source, recipe={}))
        before, after = (subject_of(artifact, source.factory).open(1) for artifact in (source.artifact, made))
        parity = compare_exactly(before, after, source.splits.validation)
        return publish(
            context, made, source.factory, source.splits.validation, parity, subject_of, parent=source.artifact
        )
