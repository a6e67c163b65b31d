"""What a step is given: its configuration, its directories, where to report, whether to stop."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from trainwright.api.contract import HISTORY_FILE, JOURNAL_FILE, ROOT_VARIABLE, STEP_VARIABLE, StepConfiguration
from trainwright_trainers.runtime.errors import ConfigurationError
from trainwright_trainers.runtime.history import History
from trainwright_trainers.runtime.journal import Journal
from trainwright_trainers.runtime.progress import Progress
from trainwright_trainers.runtime.stop import StopRequest


@dataclass(frozen=True)
class StepContext:
    """One run of one step; every path is absolute."""

    configuration: StepConfiguration
    root: Path
    """Where the job's storage is mounted."""
    input: Path | None
    """The accepted artifact that the step starts from."""
    output: Path
    """The directory that the step's artifact becomes; it does not exist before it is whole."""
    checkpoints: Path
    """The directory of the step's checkpoints."""
    progress: Progress
    stop: StopRequest

    @property
    def directory(self) -> Path:
        """The step's own directory, for its result and its history."""
        return self.output.parent

    @property
    def history(self) -> History:
        """The step's history; the process of rank 0 writes it."""
        return History(self.directory / HISTORY_FILE)

    @property
    def losses_file(self) -> Path:
        """Where the time lost in the step's attempts is kept."""
        return self.directory / "lost-time.json"

    @property
    def journal(self) -> Journal:
        """The step's journal; the first pod's processes write it."""
        return Journal(self.directory / JOURNAL_FILE)


def read_context(environment: Mapping[str, str] = os.environ) -> StepContext:
    """The context that the operator describes in the environment.

    Raises:
        ConfigurationError: a variable is missing, is not a step's configuration, or names a path outside the storage.
    """
    for name in (STEP_VARIABLE, ROOT_VARIABLE):
        if not environment.get(name):
            raise ConfigurationError(f"the environment variable {name} is not set; the operator sets it")
    try:
        configuration = StepConfiguration.model_validate_json(environment[STEP_VARIABLE])
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ConfigurationError(f"{STEP_VARIABLE} at {where or 'its start'}: {first['msg']}") from error
    root = Path(environment[ROOT_VARIABLE]).resolve()
    return StepContext(
        configuration=configuration,
        root=root,
        input=inside(root, configuration.input) if configuration.input is not None else None,
        output=inside(root, configuration.output),
        checkpoints=inside(root, configuration.checkpoints),
        progress=Progress(_labels(configuration)),
        stop=StopRequest(),
    )


def _labels(configuration: StepConfiguration) -> tuple[str, ...]:
    """The values of the live figures' labels, in the order of their names."""
    return configuration.namespace, configuration.job, configuration.step.name, configuration.framework


def inside(root: Path, relative: str) -> Path:
    """`relative` as an absolute path below `root`; a ConfigurationError when it leads out of it."""
    path = (root / relative).resolve()
    if not path.is_relative_to(root) or path == root:
        raise ConfigurationError(f"the path {relative!r} must lie inside the job's storage")
    return path
