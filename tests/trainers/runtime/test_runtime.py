"""The small parts of the runtime: context, factories, history, pace, stop, saving, metrics."""

import errno
import json
import mmap
import os
import signal
import threading
import time
from importlib.metadata import version
from pathlib import Path

import psutil
import pytest

from trainwright.api.contract import LostTime, StepConfiguration
from trainwright.api.figures import FIGURES
from trainwright.api.steps import Step
from trainwright_trainers.runtime.context import read_context
from trainwright_trainers.runtime.errors import ConfigurationError
from trainwright_trainers.runtime.factories import load_callable
from trainwright_trainers.runtime.history import History, Undone
from trainwright_trainers.runtime.journal import Journal
from trainwright_trainers.runtime.losses import Losses, process_start
from trainwright_trainers.runtime.pace import MOST_STEPS, Pace
from trainwright_trainers.runtime.progress import Figures, Progress, memory_bytes
from trainwright_trainers.runtime.saving import BackgroundSaver
from trainwright_trainers.runtime.stop import StopRequest
from trainwright_trainers.runtime.surroundings import surroundings


def environment(root: Path, **changes: str) -> dict[str, str]:
    step = Step.model_validate({"name": "train", "train": {}})
    configuration = StepConfiguration(
        job="j", namespace="n", framework="pytorch", step=step, output="steps/train/artifact", checkpoints="c"
    ).model_copy(update=changes)
    return {"TRAINWRIGHT_STEP": configuration.model_dump_json(), "TRAINWRIGHT_ROOT": str(root)}


def test_paths_become_absolute(tmp_path: Path) -> None:
    step = read_context(environment(tmp_path, input="steps/before/artifact"))
    assert step.input == tmp_path / "steps/before/artifact"
    assert step.output == tmp_path / "steps/train/artifact"
    assert step.directory == tmp_path / "steps/train"


@pytest.mark.parametrize("path", ["../other", "/etc", "a/../..", ".", "link/x"])
def test_no_path_leads_out_of_the_storage(path: str, tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "link").symlink_to(tmp_path)
    with pytest.raises(ConfigurationError, match="inside the job's storage"):
        read_context(environment(root, output=path))


def test_a_missing_or_broken_configuration_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="TRAINWRIGHT_STEP is not set"):
        read_context({})
    with pytest.raises(ConfigurationError, match=r"TRAINWRIGHT_STEP at step: Field required"):
        variables = {"TRAINWRIGHT_STEP": '{"job": "j", "namespace": "n", "framework": "f"}'}
        read_context(variables | {"TRAINWRIGHT_ROOT": str(tmp_path)})


def test_a_module_that_the_users_module_lacks_is_told_as_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "users_own.py").write_text("import not_installed_anywhere\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigurationError, match="users_own needs the module 'not_installed_anywhere'"):
        load_callable("users_own:model", "spec.model.factory")
    with pytest.raises(ConfigurationError, match=r"no module 'json\.nothing'"):
        load_callable("json.nothing:model", "spec.model.factory")


def test_history_goes_on_after_the_step_that_is_resumed(tmp_path: Path) -> None:
    path = tmp_path / "new" / "history.jsonl"
    history = History(path)
    history.begin(0)
    history.append([{"step": step, "loss": step / 3} for step in range(1, 8)])
    with path.open("a") as file:
        file.write('{"step": 8, "lo')  # the process was killed here
    history = History(path)
    assert history.begin(5) == Undone(steps=2)
    history.append([{"step": 6, "loss": 0.1}])
    records = [json.loads(line) for line in path.read_text().splitlines()]
    assert [record["step"] for record in records] == [1, 2, 3, 4, 5, 6]
    assert records[4]["loss"] == 5 / 3
    assert history.begin(100) == Undone()
    assert len(path.read_text().splitlines()) == 6


def test_history_says_how_many_steps_and_seconds_a_restart_undoes(tmp_path: Path) -> None:
    history = History(tmp_path / "history.jsonl")
    assert history.begin(0) == Undone()
    history.append({"step": step, "loss": 1.0, "time": 1000.0 + step} for step in range(1, 8))
    history.append([{"step": 7, "epoch": 1, "accuracy": 0.5}])
    assert history.begin(4) == Undone(steps=3, seconds=3.0)
    history.append({"step": step, "loss": 1.0, "time": 1000.0 + step} for step in range(5, 7))
    assert history.begin(0) == Undone(steps=6, seconds=5.0), "nothing is there before the first record"


def test_journal_keeps_all_attempts_and_never_ends_a_step(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "new" / "journal.jsonl")
    journal.record("started", **surroundings())
    Journal(tmp_path / "new" / "journal.jsonl").record("resumed", step=5, undoneSteps=2)
    started, resumed = [json.loads(line) for line in (tmp_path / "new" / "journal.jsonl").read_text().splitlines()]
    assert (started["event"], resumed["event"], resumed["undoneSteps"]) == ("started", "resumed", 2)
    assert started["packages"]["torch"] == version("torch")
    assert 0 <= time.time() - started["time"] < 600
    (tmp_path / "file").touch()
    Journal(tmp_path / "file" / "journal.jsonl").record("started")


def test_memory_grows_with_what_is_held() -> None:
    before = memory_bytes()
    with mmap.mmap(-1, size := 64 << 20) as held:  # not from the heap, which may have that much to spare
        held.write(bytes(size))
        assert size // 2 < memory_bytes() - before < 4 * size


def test_meetings_come_twice_a_second_but_approach_that_slowly() -> None:
    pace = Pace(step=40)
    assert pace.next_step == 41
    steps, seconds = 41, 0.01
    intervals = []
    for _ in range(8):
        interval = pace.proposal(seconds)
        pace.agree(steps, interval)
        intervals.append(interval)
        steps = pace.next_step
    assert intervals == [2, 4, 8, 16, 32, 50, 50, 50]
    assert pace.proposal(seconds_per_step=30) == 1
    pace.agree(0, MOST_STEPS)
    assert pace.proposal(seconds_per_step=0) == MOST_STEPS


def test_a_signal_or_the_marker_asks_to_stop(tmp_path: Path) -> None:
    marker = tmp_path / "stop"
    told = StopRequest(marker)
    assert not told.requested
    marker.touch()
    assert told.requested
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    listening = StopRequest()
    try:
        listening.listen()
        assert not listening.requested
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        assert listening.requested
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def test_saving_runs_behind_one_at_a_time_and_survives_a_full_disk() -> None:
    saver = BackgroundSaver()
    release = threading.Event()
    order: list[str] = []

    def slow() -> None:
        release.wait()
        order.append("first")

    def full() -> None:
        order.append("second")
        raise OSError(errno.ENOSPC, "No space left on device")

    saver.submit(1, slow)
    assert order == []
    release.set()
    saver.submit(2, full)
    saver.wait()
    assert order == ["first", "second"]
    assert saver.notes == ["the checkpoint of step 2 could not be saved: [Errno 28] No space left on device"]


def test_an_error_of_our_own_in_a_save_is_not_swallowed() -> None:
    saver = BackgroundSaver()
    saver.submit(1, lambda: [][0])
    with pytest.raises(IndexError):
        saver.wait()


def test_a_port_that_is_taken_does_not_end_the_step(
    free_port: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    progress = Progress()
    monkeypatch.setenv("TRAINWRIGHT_METRICS_PORT", "1")
    monkeypatch.setattr("prometheus_client.start_http_server", _taken)
    progress.serve_where_asked()
    for thread in threading.enumerate():
        if thread.name == "metrics":
            thread.join()
    assert "port 1 can't be served" in caplog.text


def _taken(*_: object, **__: object) -> None:
    raise OSError(errno.EADDRINUSE, "Address already in use")


def test_figures_have_their_owner_and_all_names_are_known() -> None:
    progress = Progress(("team-a", "digits", "train", "pytorch"))
    assert Figures.__annotations__.keys() == FIGURES.keys()
    progress.update(step=3, loss=float("nan"))
    progress.watch(lambda: {"gpu_memory_bytes": 5})
    progress.lost = LostTime(start=1.5)
    families = {family.name: family for family in progress.collect()}
    assert families.keys() == {
        f"trainwright_training_{name}" for name in ("step", "loss", "gpu_memory_bytes", "process_memory_bytes")
    } | {"trainwright_training_lost_seconds"}
    (sample,) = families["trainwright_training_step"].samples
    assert sample.labels == {"namespace": "team-a", "job_name": "digits", "step": "train", "framework": "pytorch"}
    lost = {sample.labels["cause"]: sample.value for sample in families["trainwright_training_lost_seconds"].samples}
    assert lost == {"start": 1.5, "rendezvous": 0, "restore": 0, "replay": 0, "checkpoint": 0}


def test_lost_time_adds_up_over_attempts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, progress = tmp_path / "new" / "lost-time.json", Progress()
    first = Losses(path, progress)
    first.add("checkpoint", 2.0)
    first.add("replay", -1.0)
    first.save()
    first.add("checkpoint", 100.0)  # after the last checkpoint: it was killed
    second = Losses(path, progress)
    monkeypatch.setenv("TRAINWRIGHT_LAUNCHED", str(process_start(os.getpid()) - 3))
    second.begin()
    time.sleep(0.05)
    second.lap("restore")
    assert second.total.checkpoint == 2.0
    assert second.total.replay == 0.0
    assert second.total.rendezvous == pytest.approx(3, abs=0.1)
    assert 0.05 <= second.total.restore < 5
    assert progress.lost == second.total
    path.write_text("{")
    assert Losses(path, progress).total == LostTime()


def test_what_processes_before_in_the_same_pod_have_counted_is_not_counted_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    launched = process_start(os.getpid()) - 3
    monkeypatch.setenv("TRAINWRIGHT_LAUNCHED", str(launched))
    monkeypatch.setenv("TRAINWRIGHT_COUNTED", str(launched - 1))
    losses, before = Losses(tmp_path / "lost-time.json", Progress()), time.time()
    losses.begin()
    assert losses.total.rendezvous == pytest.approx(3, abs=0.1)
    assert losses.total.start == pytest.approx(1 + before - process_start(os.getpid()), abs=1)


def test_a_process_start_is_known() -> None:
    assert process_start(os.getpid()) == pytest.approx(psutil.Process().create_time(), abs=1.1)
