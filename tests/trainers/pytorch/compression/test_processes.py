"""The steps as a pod runs them: exit codes, the termination message, and a log that only says what a user needs."""

import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.trainers.pytorch.compression.conftest import Start
from trainwright.api.contract import StepResult
from trainwright.local.ports import free_ports
from trainwright_trainers.runtime.context import StepContext

REPOSITORY = Path(__file__).parents[4]


@contextmanager
def pod(step: StepContext, **variables: str) -> Iterator[subprocess.Popen[str]]:
    """The entry point, running the step."""
    environment = {
        **os.environ,
        **variables,
        "TRAINWRIGHT_STEP": step.configuration.model_dump_json(),
        "TRAINWRIGHT_ROOT": str(step.root),
        "TRAINWRIGHT_TERMINATION_LOG": str(step.root / "termination-log"),
        "PYTHONPATH": str(REPOSITORY),
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, "-m", "trainwright_trainers.pytorch"]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def message(step: StepContext) -> StepResult:
    """What the pod told the operator."""
    return StepResult.model_validate_json((step.root / "termination-log").read_bytes())


@pytest.mark.slow
def test_int8_step_ends_with_its_artifact_and_a_clean_log(start: Start) -> None:
    step = start({"name": "int8", "quantize": {"scheme": "int8-static", "calibrationSamples": 128}})
    with pod(step) as process:
        log, _ = process.communicate(timeout=600)
    assert process.returncode == 0, log
    result = message(step)
    assert result.outcome == "Succeeded"
    assert result.artifact is not None
    assert (step.root / result.artifact.path / "model.onnx").is_file()
    for word in ("Warning", "WARNING", "torchvision", "Traceback", "deprecated"):
        assert word not in log


@pytest.mark.slow
def test_fine_tuning_reports_and_sigterm_ends_it_with_143_and_no_half_artifact(start: Start) -> None:
    options = {"method": "l1-unstructured", "amount": 0.5, "finetuneEpochs": 10_000, "batchSize": 64}
    step = start({"name": "sparse", "prune": options})
    (port,) = free_ports(1)
    with pod(step, TRAINWRIGHT_METRICS_PORT=str(port)) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "fine-tuning epoch 10 of 10000" in line:
                break
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as response:
            figures = response.read().decode()
        assert re.search(r"^trainwright_training_epoch{.*} \d\d", figures, re.MULTILINE)
        assert re.search(r"^trainwright_training_progress_ratio{.*} 0\.00\d+", figures, re.MULTILINE)
        process.send_signal(signal.SIGTERM)
        asked = time.monotonic()
        assert process.wait(timeout=300) == 143
        assert time.monotonic() - asked < 10
    assert message(step).outcome == "Stopped"
    assert not step.output.exists()
    assert not step.output.with_name("artifact.draft").exists()


@pytest.mark.slow
def test_users_mistake_ends_with_2_and_one_line(start: Start) -> None:
    step = start({"name": "int8", "quantize": {"scheme": "int8-dynamic", "backend": "torchao"}})
    with pod(step) as process:
        log, _ = process.communicate(timeout=600)
    assert process.returncode == 2
    assert "Traceback" not in log
    fault = message(step).fault
    assert fault is not None
    assert fault.message == (
        "spec.steps[int8].quantize.scheme: this trainer has no 'int8-dynamic'; did you mean int8-static?"
    )
