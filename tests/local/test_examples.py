"""Examples that no other test runs, of every framework, as a user runs them, but small and brief."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.local.runs import Run
from trainwright.api.loading import read_manifests

pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).parents[2] / "manifests" / "examples"
ELSEWHERE = {
    *("digits-pytorch", "digits-jax", "digits-tensorflow", "digits-mxnet"),
    *("distillation", "fsdp2", "gate-rollback", "gate-fail", "own-tensorflow-program", "own-mxnet-program"),
}
"""Examples that test_chain, test_mxnet and test_run_steps run."""
SMALL = {"resnet8": {"width": 8}, "vit": {"width": 32}, "transformer": {"width": 16}}
"""By model: arguments that make it small, where it isn't."""
EPOCHS = 4
"""Of trainings whose result is held to no gate."""


def _examples() -> dict[str, dict[str, Any]]:
    """The object in each file, by the file's name."""
    objects = {path.stem: next(read_manifests(path)) for path in sorted(EXAMPLES.glob("*.yaml"))}
    assert objects.keys() >= ELSEWHERE
    return {name: body for name, body in objects.items() if name not in ELSEWHERE}


def _made_small(body: dict[str, Any]) -> dict[str, Any]:
    """The same steps, with a smaller model and fewer epochs."""
    if model := body["spec"].get("model"):
        model["args"] |= SMALL.get(model["factory"].rpartition(":")[2], {})
    for step in body["spec"]["steps"]:
        if "train" in step and "gate" not in step:
            step["train"]["epochs"] = EPOCHS
    return body


@pytest.mark.parametrize("name", _examples())
def test_every_step_of_the_example_succeeds(start: Callable[..., Run], tmp_path: Path, name: str) -> None:
    body = _made_small(_examples()[name])
    shutil.copytree(EXAMPLES, tmp_path / "manifests" / "examples")  # where the user's own program lies
    run = start(body)
    assert run.wait(300) == 0, run.said
    status = json.loads((run.output / "trainingjob.json").read_text())["status"]
    steps = body["spec"]["steps"]
    assert {step["name"]: step["state"] for step in status["steps"]} == {step["name"]: "Succeeded" for step in steps}
    makers = [step["name"] for step in steps if step.keys() & {"train", "distill", "prune", "quantize", "export"}]
    assert [artifact["name"] for artifact in status["artifacts"]] == makers
    for artifact in makers:
        assert (run.output / "steps" / artifact / "artifact" / "artifact.json").is_file()
    if name == "gradients-of-samples":
        reports = [json.loads((run.output / f"steps/gradients/gradients-{rank}.json").read_text()) for rank in (0, 1)]
        assert [report["samples"] for report in reports] == [619, 619]
        assert all(report["hardest"][0]["norm"] > 3 * report["meanNorm"] > 0 for report in reports)
