"""Runs the command `trainwright` as a user does: a process of its own, in a directory of its own."""

import contextlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import yaml

from tests.promises import ran_job

TRAINWRIGHT = [sys.executable, "-c", "from trainwright.cli import main; main()"]


def manifest(steps: list[dict[str, Any]], **spec: Any) -> dict[str, Any]:
    """A TrainingJob of the given steps."""
    return {
        "apiVersion": "trainwright.dev/v1alpha1",
        "kind": "TrainingJob",
        "metadata": {"name": "job"},
        "spec": {"framework": "pytorch", "steps": steps, **spec},
    }


def python_step(name: str, program: str, *, distributed: bool = False) -> dict[str, Any]:
    """A step that runs a Python program."""
    return {"name": name, "run": {"command": ["python", "-c", program], "distributed": distributed}}


class Run:
    """One `trainwright run`, from its start."""

    def __init__(self, directory: Path, body: dict[str, Any], *options: str) -> None:
        (directory / "job.yaml").write_text(yaml.safe_dump(body))
        self.directory, self.output = directory, directory / "output"
        command = [*TRAINWRIGHT, "run", "job.yaml", "--output", str(self.output), *options]
        self.process = subprocess.Popen(
            command, cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
        )
        self._said = ""

    def wait(self, seconds: float = 600) -> int:
        """Its exit code, once it has ended."""
        said, _ = self.process.communicate(timeout=seconds)
        self._said += said
        if (job := self.output / "trainingjob.json").exists():
            ran_job(json.loads(job.read_text()))
        return self.process.returncode

    @property
    def said(self) -> str:
        """What it printed, once it has ended."""
        return self._said

    def interrupt(self) -> None:
        """Ctrl-C."""
        self.process.send_signal(signal.SIGINT)

    def descendants(self) -> list[psutil.Process]:
        """Its processes, at every depth."""
        try:
            return psutil.Process(self.process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []

    def end(self) -> None:
        """Ends it and all its processes, whatever state they are in."""
        for process in self.descendants():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self.process.kill()
        self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()


def wait_for(what: Callable[[], Any], seconds: float = 300) -> Any:
    """What the function returns, once that is true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := what():
            return found
        time.sleep(0.05)
    raise AssertionError(f"waited {seconds} s in vain for {what.__name__}")


def processes_of(mark: Path) -> list[psutil.Process]:
    """The processes of this machine that have the path among their arguments."""
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if any(str(mark) in part for part in process.info["cmdline"] or ())
    ]
