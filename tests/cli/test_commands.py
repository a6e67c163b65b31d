"""The command line: what it prints, and the exit codes that scripts rely on."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from tests.objects.corpus import WrongObject, wrong_objects
from trainwright.cli import app

EXAMPLES = Path(__file__).parents[2] / "manifests" / "examples"
DIGITS = str(EXAMPLES / "digits-pytorch.yaml")


def _invoke(*arguments: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a command."""
    result = CliRunner().invoke(app, arguments)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


@pytest.mark.parametrize("example", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_examples_are_right(example: Path) -> None:
    code, out, _ = _invoke("validate", str(example))
    assert code == 0
    assert out.strip().endswith("right")


@pytest.mark.parametrize("command", ["validate", "run", "render"])
@pytest.mark.parametrize("wrong", wrong_objects(), ids=lambda wrong: wrong.case)
def test_wrong_object_ends_every_command_with_exit_code_2_and_all_its_mistakes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: WrongObject, command: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("wrong.yaml").write_text(json.dumps(wrong.body))
    code, out, err = _invoke(command, "wrong.yaml")
    assert code == 2
    assert out == ""
    assert len(err.splitlines()) >= len(wrong.says)
    for path in wrong.says:
        assert path in err
    assert not Path("runs").exists(), "nothing is begun"


def test_wrong_object_prints_no_traceback_in_a_process_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "wrong.yaml").write_text("{apiVersion: trainwright.dev/v1alpha1, kind: TrainingJob, spec: 7}")
    command = [sys.executable, "-c", "from trainwright.cli import main; main()", "run", "wrong.yaml"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "spec: got 7" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("text", "words"),
    [("", "is empty"), ("a: [", "wrong.yaml"), ("a: 1\na: 2", "twice"), ("- 1", "expected an object")],
    ids=["empty", "no YAML", "key twice", "a list"],
)
def test_file_that_holds_no_object_is_said_to(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "wrong.yaml").write_text(text)
    code, _, err = _invoke("validate", str(tmp_path / "wrong.yaml"))
    assert code == 2
    assert words in err


def test_file_that_is_not_there_is_named() -> None:
    code, _, err = _invoke("validate", "no-such-file.yaml")
    assert code == 2
    assert "no-such-file.yaml: No such file or directory" in err


def test_right_files_are_named_beside_wrong_ones(tmp_path: Path) -> None:
    (tmp_path / "wrong.yaml").write_text("kind: Pod")
    code, out, err = _invoke("validate", DIGITS, str(tmp_path / "wrong.yaml"))
    assert code == 2
    assert "digits: right" in out
    assert 'got "Pod"' in err


def _rendered(*options: str) -> list[dict[str, Any]]:
    code, out, _ = _invoke("render", DIGITS, *options)
    assert code == 0
    return list(yaml.safe_load_all(out))


def test_render_prints_every_object_once() -> None:
    names = [f"{body['kind']}/{body['metadata']['name']}" for body in _rendered()]
    assert sorted(names) == [
        "Job/digits-int8",
        "Job/digits-onnx",
        "Job/digits-prune",
        "Job/digits-train",
        "NetworkPolicy/digits",
        "PersistentVolumeClaim/digits",
        "Service/digits",
    ]


@pytest.mark.parametrize("path", ["workers.replicas", "spec.workers.replicas"])
def test_set_changes_a_field(path: str) -> None:
    train = next(body for body in _rendered("--set", f"{path}=3") if body["metadata"]["name"] == "digits-train")
    assert train["spec"]["completions"] == train["spec"]["parallelism"] == 3


@pytest.mark.parametrize("path", ["steps.train.train.epochs", "steps[0].train.epochs"])
def test_set_finds_an_item_by_its_name_or_number(path: str) -> None:
    train = next(body for body in _rendered("--set", f"{path}=7") if body["metadata"]["name"] == "digits-train")
    variables = {item["name"]: item.get("value") for item in train["spec"]["template"]["spec"]["containers"][0]["env"]}
    assert json.loads(variables["TRAINWRIGHT_STEP"])["step"]["train"]["epochs"] == 7


@pytest.mark.parametrize(
    ("assignment", "words"),
    [
        ("workers.replicas", "expected PATH=VALUE"),
        ("steps.nothing.train.epochs=3", "there is no item nothing; there are train, prune, int8, onnx"),
        ("framework.name=3", "there is no field name"),
        ("workers.replicsa=3", "did you mean replicas?"),
    ],
)
def test_set_that_does_not_fit_is_explained(assignment: str, words: str) -> None:
    code, _, err = _invoke("render", DIGITS, "--set", assignment)
    assert code == 2
    assert words in err


def test_crd_is_one_custom_resource_definition() -> None:
    code, out, _ = _invoke("crd")
    assert code == 0
    assert yaml.safe_load(out)["kind"] == "CustomResourceDefinition"


def test_reference_names_every_kind_of_step() -> None:
    code, out, _ = _invoke("reference")
    assert code == 0
    for kind in ("train", "distill", "prune", "quantize", "export", "evaluate", "profile", "run"):
        assert f"`spec.steps[].{kind}`" in out
