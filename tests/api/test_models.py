"""The typed models: what goes in comes out, times and words are those of Kubernetes."""

import subprocess
import sys
from dataclasses import fields
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from tests.objects.corpus import right_objects
from trainwright.api.base import Time
from trainwright.api.capabilities import CAPABILITIES, FIELDS, Capabilities
from trainwright.api.contract import Fault, StepConfiguration, StepResult
from trainwright.api.gates import METRICS, Gate, Goal
from trainwright.api.job import Framework, TrainingJob
from trainwright.api.status import FINISHED_STATES, Condition, StepState, TrainingJobStatus
from trainwright.api.steps import KINDS, Step, Train
from trainwright.api.validation import load_job


@pytest.mark.parametrize("name", right_objects())
def test_a_job_survives_its_plain_form(name: str) -> None:
    job = load_job(right_objects()[name])
    again = TrainingJob.model_validate_json(job.model_dump_json())
    assert again == job
    assert load_job(job.to_dict()) == job


@pytest.mark.parametrize("name", right_objects())
def test_a_step_survives_its_way_to_the_trainer(name: str) -> None:
    spec = load_job(right_objects()[name]).spec
    for step in spec.steps:
        sent = StepConfiguration(
            job=name, namespace="default", framework=spec.framework, step=step, output="o", checkpoints="c"
        )
        assert StepConfiguration.model_validate_json(sent.model_dump_json(exclude_none=True)) == sent


def test_each_step_knows_its_kind_and_options() -> None:
    steps = load_job(right_objects()["chain"]).spec.steps
    assert [step.kind for step in steps] == ["train", "prune", "quantize", "export", "evaluate", "run"]
    assert [step.distributed for step in steps] == [True, False, False, False, False, False]
    assert all(step.options is getattr(step, step.kind) for step in steps)
    assert steps[0].options == Train()


def test_a_program_of_the_user_runs_on_all_workers_unless_told_otherwise() -> None:
    assert load_job(right_objects()["minimal"]).spec.steps[0].distributed


def test_the_trainers_part_of_the_template_is_found() -> None:
    workers = load_job(right_objects()["maximal"]).spec.workers
    assert (workers.min_replicas, workers.max_replicas) == (2, 16)
    assert workers.trainer_container["env"] == [{"name": "NCCL_DEBUG", "value": "INFO"}]
    assert workers.pod_spec["nodeSelector"] == {"gpu": "h100"}
    plain = load_job(right_objects()["chain"]).spec.workers
    assert (plain.min_replicas, plain.trainer_container, plain.pod_spec) == (None, {}, {})


times = TypeAdapter(Time)


@given(st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(2200, 1, 1)), st.integers(-14, 14))
def test_times_are_written_as_kubernetes_does_and_read_back(time: datetime, hours: int) -> None:
    moment = time.replace(tzinfo=timezone(timedelta(hours=hours)))
    written = times.dump_python(moment, mode="json")
    assert written.endswith("Z")
    assert len(written) == len("2026-01-31T12:00:00Z")
    assert times.validate_python(written) == moment.replace(microsecond=0)


@pytest.mark.parametrize(
    "value", ["yesterday", "2026-13-01T00:00:00Z", "2026-01-31T12:00:00", 1769860800, None, datetime(2026, 1, 31)]
)
def test_what_is_no_moment_is_refused(value: Any) -> None:
    with pytest.raises(ValidationError, match="last_transition_time"):
        Condition(type="Running", status="True", reason="Started", last_transition_time=value)


numbers = st.integers(0, 2**31) | st.none()
results = st.builds(
    StepResult,
    outcome=st.sampled_from(["Succeeded", "Failed", "Stopped"]),
    training_step=numbers,
    resumed_from=numbers,
    fault=st.none()
    | st.builds(
        Fault,
        kind=st.text(max_size=100),
        message=st.text(),
        rank=numbers,
        exit_code=st.integers(-64, 255) | st.none(),
        secondary=st.booleans(),
        time=st.none()
        | st.datetimes(datetime(1970, 1, 1), timezones=st.just(UTC)).map(lambda time: time.replace(microsecond=0)),
    ),
    notes=st.lists(st.text(), max_size=2),
)


@given(results)
def test_a_result_survives_the_termination_message(result: StepResult) -> None:
    assert StepResult.model_validate_json(result.model_dump_json(exclude_none=True)) == result


def test_the_words_of_the_tables_are_those_of_the_models() -> None:
    assert set(KINDS) == set(Step.model_fields) - {"name", "gate"}
    assert set(METRICS) == {name for name, field in Gate.model_fields.items() if field.annotation == Goal | None}
    assert set(CAPABILITIES) == set(get_args(Framework))
    assert set(get_args(StepState)) >= FINISHED_STATES
    assert set(FIELDS) <= {field.name for field in fields(Capabilities)}


@pytest.mark.parametrize("framework", CAPABILITIES)
def test_every_capability_is_a_word_that_the_object_knows(framework: str) -> None:
    able = CAPABILITIES[framework]
    assert set(able.kinds) <= set(KINDS)
    for capability, (_, _, words) in FIELDS.items():
        assert set(getattr(able, capability)) <= set(words)
    if "train" in able.kinds:
        assert Train().optimizer.name.lower() in map(str.lower, able.optimizers)


def test_a_new_status_leaves_the_rest_as_it_was() -> None:
    job = load_job(right_objects()["chain"])
    running = job.with_status({"phase": "Running"})
    assert running.status == TrainingJobStatus(phase="Running")
    assert running.spec == job.spec


def test_the_trainers_contract_imports_neither_cel_nor_yaml() -> None:
    """A trainer's image has only the base dependencies."""
    program = "import sys, trainwright.api.contract; print(sorted({'cel', 'yaml', 'kopf'} & set(sys.modules)))"
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
