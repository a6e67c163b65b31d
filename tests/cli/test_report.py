"""`trainwright report`: where it takes the job from, where it writes to, and what it says when it can't."""

from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from tests.report.build import TRAIN, done, job_of, write_history
from trainwright.cli import app
from trainwright.local import state

JOB = job_of([TRAIN], [done("train", 0.98)])


def _report(*arguments: str | Path) -> tuple[int, str, str]:
    """Exit code, standard output and standard error."""
    result = CliRunner().invoke(app, ["report", *map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


def test_directory_of_a_run_gets_its_report(tmp_path: Path) -> None:
    state.save(tmp_path, JOB)
    write_history(tmp_path, "train", ({"step": step, "loss": 1.0 / step} for step in (1, 2, 3)))
    code, out, _ = _report(tmp_path)
    assert (code, out.strip()) == (0, str(tmp_path / "report.html"))
    assert "Training in step train" in (tmp_path / "report.html").read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.html", "steps", "trainingjob.json"]


def test_object_as_a_file_is_enough_and_a_directory_adds_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    from_kubectl = JOB.to_dict()
    from_kubectl["metadata"] |= {"resourceVersion": "7", "managedFields": [{"manager": "kubectl"}]}
    Path("job.yaml").write_text(yaml.safe_dump(from_kubectl))
    assert _report("--object", "job.yaml")[:2] == (0, "report.html\n")
    assert "Training in step" not in Path("report.html").read_text()
    write_history(tmp_path / "volume", "train", ({"step": step, "loss": 1.0 / step} for step in (1, 2, 3)))
    assert _report("volume", "--object", "job.yaml", "--output", "both.html")[:2] == (0, "both.html\n")
    assert "Training in step train" in Path("both.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ([], 2, "give a run's directory, --object or --job"),
        (["--object", "a.yaml", "--job", "b"], 2, "not both"),
        (["nowhere"], 2, "nowhere is not a directory"),
        (["."], 2, "trainingjob.json: No such file or directory"),
        (["--object", "wrong.yaml"], 2, 'got "Pod"; expected TrainingJob'),
        (["--object", "job.yaml", "--output", "no/such/place.html"], 1, "place.html: No such file or directory"),
        (["--job", "digits", "-n", "team"], 1, "team/digits: "),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_what_can_not_be_reported_on_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int, words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    monkeypatch.setenv("COLUMNS", "200")
    Path("wrong.yaml").write_text("kind: Pod")
    Path("job.yaml").write_text(yaml.safe_dump(JOB.to_dict()))
    ended, _, err = _report(*arguments)
    assert ended == code
    assert words in err
    assert not list(tmp_path.rglob("*.html"))
