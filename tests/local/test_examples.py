"""The examples of PyTorch that no other test runs, as a user runs them, with a small model that is trained briefly."""

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
ELSEWHERE = {"digits-pytorch", "distillation", "fsdp2", "gate-rollback", "gate-fail"}
"""Examples that test_chain runs."""
SMALL = {"resnet8": {"width": 8}, "vit": {"width": 32}}
"""By model: arguments that make it small."""
EPOCHS = 4


def _examples() -> dict[str, dict[str, Any]]:
    """The object in each file, by the file's name."""
    objects = {path.stem: next(read_manifests(path)) for path in sorted(EXAMPLES.glob("*.yaml"))}
    return {
        name: body for name, body in objects.items() if body["spec"]["framework"] == "pytorch" and name not in ELSEWHERE
    }


def _made_small(body: dict[str, Any]) -> dict[str, Any]:
    """The same steps, with a smaller model and fewer epochs."""
    if model := body["spec"].get("model"):
        model["args"] |= SMALL[model["factory"].rpartition(":")[2]]
    for step in body["spec"]["steps"]:
        if "train" in step:
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
    makers = [step["name"] for step in steps if step.keys() & {"train", "prune", "quantize", "export"}]
    assert [artifact["name"] for artifact in status["artifacts"]] == makers
    for artifact in makers:
        assert (run.output / "steps" / artifact / "artifact" / "artifact.json").is_file()
