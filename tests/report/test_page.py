"""The page as text: what it tells, and that nothing in it is anyone's markup."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.report.build import (
    BEGIN,
    INT8,
    NOW,
    PRUNE,
    TRAIN,
    done,
    failure,
    job_of,
    moment,
    write_history,
    write_journal,
)
from trainwright.api.contract import Metrics
from trainwright.api.status import Condition, GateResult
from trainwright.report.page import render
from trainwright.report.run import read_run
from trainwright.report.writing import write_report

HOSTILE = "\"'><script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\"><!--"


def _text(page: str) -> str:
    """The page without its tags."""
    return " ".join(re.sub(r"<[^>]*>", " ", page).split())


def test_page_tells_numbers_gates_and_restarts(tmp_path: Path) -> None:
    gate = GateResult(
        passed=False, message="accuracy 0.95 is not at least 0.97 (at most 0.01 worse than 0.98); size is fine"
    )
    job = job_of(
        [TRAIN, PRUNE],
        [
            done("train", 0.98, 300_000, failures=[failure(5, "worker 1 was ended by SIGKILL")], attempts=2),
            done("prune", 0.95, 85_000, state="RolledBack", gate=gate, notes=["a checkpoint was damaged"]),
        ],
        restarts=1,
        completion_time=moment(100),
    )
    write_history(tmp_path, "train", ({"step": step, "loss": 1.0 / step, "time": BEGIN + step} for step in range(1, 9)))
    write_journal(
        tmp_path,
        "train",
        {"event": "started", "time": 1, "python": "3.11.9", "packages": {"torch": "2.13.0"}, "gpus": ["H100", "H100"]},
        {"event": "started", "time": 6, "python": "3.11.9", "packages": {"torch": "2.13.0"}, "gpus": ["H100", "H100"]},
        {"event": "resumed", "time": 7, "step": 4, "undoneSteps": 3, "undoneSeconds": 2.5},
        {"event": "ended", "time": 10, "outcome": "Succeeded"},
    )
    text = _text(render(read_run(job, tmp_path), NOW))
    for words in (
        "Gate missed accuracy 0.95 is not at least 0.97 (at most 0.01 worse than 0.98) size is fine",
        "prune : a checkpoint was damaged",
        "Restarts 1 3 optimizer steps done again",
        "Restarts had 3 optimizer steps done again, which had taken 2.5 s; between attempts 1 s passed.",
        "worker 1 was ended by SIGKILL",
        "gpus H100, H100",
        "torch 2.13.0",
        "Duration 1 min 40 s",
        "epochs 2",
    ):
        assert words in text


def test_page_tells_what_a_step_found_out(tmp_path: Path) -> None:
    details = {
        "msPerStep": 4.5,
        "operators": [{"name": "aten::convolution", "msPerStep": 3.25, "share": 0.7222}],
        "memory": {"peakBytes": 1000, "modules": [{"name": "fc", "parametersBytes": 2600}]},
        "models": [{"name": "int8", "accuracy": 0.5, "byBatchSize": [{"batchSize": 8, "p50Ms": 0.125}]}],
        "teacher": {"accuracy": 0.75},
        "student": {"accuracy": 0.5, "loss": 1.5},
        "confusionMatrix": [[1, 0], [0, 1]],
    }
    (tmp_path / "steps/profile").mkdir(parents=True)
    (tmp_path / "steps/profile/result.json").write_text(json.dumps({"outcome": "Succeeded", "details": details}))
    job = job_of([{"name": "profile", "profile": {}}], [done("profile", 0.98)])
    page = render(read_run(job, tmp_path), NOW)
    for words in (
        "What the steps found out Step profile name value msPerStep 4.5",
        "name accuracy loss teacher 0.75 student 0.5 1.5",
        "operators name msPerStep share aten::convolution 3.25 0.7222",
        "memory name value peakBytes 1.00 kB memory, modules name parametersBytes fc 2.60 kB",
        "models name accuracy int8 0.5 models, byBatchSize name batchSize p50Ms int8 8 0.125",
    ):
        assert words in _text(page)
    assert "<details open>" in page


def test_findings_without_end_leave_a_small_page(tmp_path: Path) -> None:
    deep: dict[str, Any] = {}
    for _ in range(50):
        deep = {"deeper": [deep], "value": 1}
    wide = [{f"column {column}": "x" for column in range(100)}] * 100
    (tmp_path / "steps/train").mkdir(parents=True)
    result = {"outcome": "Succeeded", "details": {"deep": deep, **{f"wide {number}": wide for number in range(20)}}}
    (tmp_path / "steps/train/result.json").write_text(json.dumps(result))
    page = render(read_run(job_of([TRAIN], [done("train", 0.98)]), tmp_path), NOW)
    assert page.count("column 11</th>") <= 12
    assert "column 12" not in page
    assert len(page) < 1_000_000


def test_object_alone_is_enough_for_a_page() -> None:
    job = job_of([TRAIN, INT8], [done("train", 0.98, 300_000), done("int8", 0.97, 39_000)])
    text = _text(render(read_run(job), NOW))
    assert "quantize: scheme int8-static, from train" in text
    assert "which was not at hand" in text
    assert "Accuracy against size" in text


def test_job_that_has_not_begun_has_a_page() -> None:
    text = _text(render(read_run(job_of([TRAIN], phase=None)), NOW))
    assert "job Pending" in text
    assert "train Pending" in text


def test_job_that_failed_says_why_at_the_top() -> None:
    failed = Condition(
        type="Failed", status="True", reason="GateMissed", message="step train", last_transition_time=NOW
    )
    text = _text(render(read_run(job_of([TRAIN], phase="Failed", conditions=[failed])), NOW))
    assert "job Failed GateMissed: step train" in text


def _hostile_run(directory: Path) -> Any:
    """A job whose every free text is an attack."""
    gate = GateResult(passed=True, message=HOSTILE)
    train = done("train", 0.98, failures=[failure(5, HOSTILE)], notes=[HOSTILE], gate=gate)
    assert train.artifact is not None
    train = train.model_copy(
        update={"artifact": train.artifact.model_copy(update={"format": HOSTILE, "sha256": HOSTILE})}
    )
    said = Condition(type="Complete", status="True", reason=HOSTILE, message=HOSTILE, last_transition_time=NOW)
    job = job_of([{"name": "train", "train": {"loss": HOSTILE}}], [train], conditions=[said])
    write_history(directory, "train", ({"step": step, "loss": 1.0 / step, HOSTILE: 1.0} for step in range(1, 9)))
    attack: dict[str, Any] = {"python": HOSTILE, "gpus": [HOSTILE], "packages": {HOSTILE: HOSTILE}}
    write_journal(
        directory,
        "train",
        {"event": "started", "time": 1, **attack},
        {"event": "ended", "time": 2, "outcome": HOSTILE, "message": HOSTILE},
    )
    artifact = directory / "steps/train/artifact/artifact.json"
    artifact.parent.mkdir(parents=True)
    artifact.write_text(json.dumps({"parent": {"name": HOSTILE}, "tools": {HOSTILE: HOSTILE}}))
    result = {"outcome": "Succeeded", "notes": [HOSTILE + "\ud800"], "details": {HOSTILE: [{HOSTILE: HOSTILE}]}}
    (directory / "steps/train/result.json").write_text(json.dumps(result))
    return job


def test_nothing_that_is_shown_becomes_markup(tmp_path: Path) -> None:
    job = _hostile_run(tmp_path)
    write_report(job, tmp_path, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert "<script" not in page
    assert "<img" not in page
    assert "<!--" not in page
    assert "onerror=&#34;" in page
    assert page.count("&lt;script&gt;") >= 16, "every one of them is shown"


def test_no_file_outside_the_directory_is_read(tmp_path: Path) -> None:
    outside, root = tmp_path / "outside", tmp_path / "root"
    (outside / "artifact").mkdir(parents=True)
    root.mkdir()
    (outside / "artifact/artifact.json").write_text(json.dumps({"tools": {"secret": "of another job"}}))
    write_history(outside, "train", [{"step": step, "loss": 1.0} for step in range(1, 9)])
    (root / "steps").mkdir()
    (root / "steps/train").symlink_to(outside / "steps/train")
    for path in ("../outside/artifact", str(outside / "artifact"), "\0"):
        train = done("train", 0.98)
        assert train.artifact is not None
        train = train.model_copy(update={"artifact": train.artifact.model_copy(update={"path": path})})
        (record,) = read_run(job_of([TRAIN], [train]), root).steps
        assert record.tools == {}
        assert record.history.series == {}


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff\xfe", b"[" * 100_000, b"null\n7\n", b'{"step": 1, "loss": NaN}\n' * 3],
    ids=lambda c: str(c[:9]),
)
def test_damaged_files_leave_a_page(tmp_path: Path, content: bytes) -> None:
    for name in ("history.jsonl", "journal.jsonl", "result.json", "artifact/artifact.json"):
        path = tmp_path / "steps/train" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    text = _text(render(read_run(job_of([TRAIN], [done("train", 0.98)]), tmp_path), NOW))
    assert "train Succeeded" in text


def test_numbers_that_can_not_be_leave_a_page(tmp_path: Path) -> None:
    absurd = Metrics(
        accuracy=-1e308, loss=1e308, latency_ms=1e-320, size_bytes=10**400, parameters=10**400, sparsity=1e300
    )
    jobs = [done("train", 1e308, 10**18), done("int8", 0.5).model_copy(update={"metrics": absurd})]
    write_history(tmp_path, "train", ({"step": 10.0**step, "loss": 10.0 ** (3 * step)} for step in range(1, 9)))
    write_journal(
        tmp_path,
        "train",
        {"event": "started", "time": 1e29},
        {"event": "started", "time": -BEGIN - 1},
        {"event": "started", "time": 1},
        {"event": "resumed", "time": 2, "step": 1e29, "undoneSteps": 1e29, "undoneSeconds": 1e29},
        {"event": "ended", "time": 1e11, "outcome": "Succeeded"},
    )
    for directory in (None, tmp_path):
        text = _text(render(read_run(job_of([TRAIN, INT8], jobs), directory), NOW))
        assert "int8 Succeeded" in text
        assert "nan" not in text.lower().split()


def test_long_history_stays_a_small_page(tmp_path: Path) -> None:
    records = ({"step": step, "loss": 1.0 + step % 7, "learningRate": 0.1} for step in range(1, 50_001))
    write_history(tmp_path, "train", records)
    page = render(read_run(job_of([TRAIN], [done("train", 0.98)]), tmp_path), NOW)
    assert len(page) < 400_000
    assert "of 50000 points the lowest and the highest of each stretch are drawn" in page
