"""The command line: validate, render, run, report, top; crd and reference for those who build on it."""

import asyncio
import uuid
from pathlib import Path
from typing import Annotated

import typer
import yaml
from rich.console import Console

from trainwright.api.crd import crd_yaml
from trainwright.api.job import TrainingJob
from trainwright.api.loading import ManifestError, read_manifests
from trainwright.api.problems import InvalidJobError
from trainwright.api.reference import reference
from trainwright.api.validation import find_change_problems, load_job
from trainwright.local import state
from trainwright.local.display import LiveDisplay, PlainDisplay, results_table
from trainwright.local.interpreters import MissingInterpreterError
from trainwright.local.metrics import MetricsPortError
from trainwright.local.overrides import OverrideError, override
from trainwright.local.runner import Runner
from trainwright.manifests.children import step_children
from trainwright.manifests.site import ClusterSite
from trainwright.planning.conditions import is_true
from trainwright.report.writing import FILE as REPORT
from trainwright.report.writing import write_report

EXIT_FAILED, EXIT_INVALID, EXIT_INTERRUPTED = 1, 2, 130
WIDTH_OF_LOGS = 200

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="One object from distributed training to an exported model, each step held to a gate.",
)

File = Annotated[Path, typer.Argument(metavar="FILE", help="A manifest in YAML or JSON.", show_default=False)]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Change a field below spec, such as steps.train.train.epochs=3."),
]


def main() -> None:
    """The entry point of the command `trainwright`."""
    app()


@app.command()
def validate(files: Annotated[list[Path], typer.Argument(metavar="FILE...", show_default=False)]) -> None:
    """Say all that is wrong with the TrainingJobs in the files; exit code 2 if anything is."""
    wrong = False
    for file in files:
        try:
            jobs = [load_job(body) for body in read_manifests(file)]
        except (ManifestError, InvalidJobError) as error:
            wrong = True
            _complain(file, error)
        else:
            typer.echo(f"{file}: {', '.join(job.metadata.name for job in jobs)}: right")
    if wrong:
        raise typer.Exit(EXIT_INVALID)


@app.command()
def render(file: File, overrides: Overrides = None) -> None:
    """Print the objects that the first attempt at every step would create on a cluster, as YAML."""
    job = _load(file, overrides)
    objects = {}
    for step in job.spec.steps:
        for body in step_children(job, step, 1, None, ClusterSite()):
            objects[body["kind"], body["metadata"]["name"]] = body
    typer.echo(yaml.safe_dump_all(objects.values(), sort_keys=False), nl=False)


@app.command()
def run(
    file: File,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="DIR", help="Where all goes.  [default: runs/<name>]")
    ] = None,
    overrides: Overrides = None,
    metrics_port: Annotated[
        int | None,
        typer.Option(
            metavar="PORT", min=1, max=65535, help="Serve the run's metrics to Prometheus on this port of 127.0.0.1."
        ),
    ] = None,
) -> None:
    """Run a TrainingJob on this machine, its workers as processes.

    Ctrl-C saves a checkpoint and stops; the same command goes on from there and passes over what is done.
    """
    job = _load(file, overrides)
    directory = (output or Path("runs") / job.metadata.name).resolve()
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDTH_OF_LOGS)
    try:
        with state.exclusive(directory):
            job = _continued(job, directory)
            job = _drive(job, directory, console, metrics_port)
    except (state.DirectoryInUseError, MetricsPortError, InvalidJobError, MissingInterpreterError) as error:
        _complain(directory, error)
        raise typer.Exit(EXIT_INVALID) from None
    console.print(results_table(job))
    shown = directory.relative_to(Path.cwd()) if directory.is_relative_to(Path.cwd()) else directory
    code = _exit_code(job, console, shown)
    try:
        write_report(job, directory, directory / REPORT)
        console.print(f"The report is {shown / REPORT}", highlight=False, soft_wrap=True)
    except Exception as error:  # whatever it is, the run's own result counts
        typer.echo(f"no report: {type(error).__name__}: {error}", err=True)
    raise typer.Exit(code)


@app.command()
def report(
    directory: Annotated[
        Path | None, typer.Argument(metavar="[DIR]", help="A run's directory, or a job's folder on its volume.")
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option("--object", metavar="FILE", help="The job with its status, from `kubectl get tj NAME -o yaml`."),
    ] = None,
    name: Annotated[str | None, typer.Option("--job", metavar="NAME", help="A job of the cluster.")] = None,
    namespace: Annotated[
        str | None, typer.Option("--namespace", "-n", help="Namespace of --job.  [default: the kubeconfig's]")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="What to write.  [default: report.html, in DIR if given]"),
    ] = None,
) -> None:
    """Make one HTML page of a job: curves, artifacts, gates, lineage, timeline, versions.

    The job is DIR/trainingjob.json, or what --object or --job names; DIR adds what only the job's files tell.
    """
    if file is not None and name is not None:
        raise typer.BadParameter("give one of --object and --job, not both")
    if directory is None and file is None and name is None:
        raise typer.BadParameter("give a run's directory, --object or --job")
    if directory is not None and not directory.is_dir():
        raise typer.BadParameter(f"{directory} is not a directory")
    folder = directory or Path()
    job = _look_up(name, namespace) if name is not None else _load(file or folder / state.FILE, None)
    target = output or folder / REPORT
    try:
        write_report(job, directory, target)
    except OSError as error:
        typer.echo(f"{target}: {error.strerror}", err=True)
        raise typer.Exit(EXIT_FAILED) from None
    typer.echo(target)


@app.command()
def top(
    namespace: Annotated[
        list[str] | None,
        typer.Option("--namespace", "-n", help="Jobs of this one; may be given again.  [default: the kubeconfig's]"),
    ] = None,
    all_namespaces: Annotated[bool, typer.Option("--all-namespaces", "-A", help="Jobs of all namespaces.")] = False,
    finished: Annotated[bool, typer.Option("--finished", help="Show jobs that are over, too.")] = False,
    once: Annotated[bool, typer.Option("--once", help="Print the jobs once, as plain text, and end.")] = False,
    interval: Annotated[float, typer.Option(min=0.5, help="Seconds between two looks.")] = 2.0,
) -> None:
    """Show the jobs of a cluster, live: how far each is, how well, how fast, and what it waits for."""
    from trainwright.controller.lookup import UNREACHABLE, current_namespace  # the operator's libraries
    from trainwright.top.following import follow

    namespaces = [] if all_namespaces else namespace or [current_namespace()]
    try:
        asyncio.run(follow(Console(), namespaces, interval, once=once, finished=finished))
    except KeyboardInterrupt:
        return
    except UNREACHABLE as error:
        typer.echo(f"the cluster can't be asked for its TrainingJobs: {error}", err=True)
        raise typer.Exit(EXIT_FAILED) from None


@app.command()
def operator(
    namespace: Annotated[
        list[str] | None, typer.Option(help="Care for this namespace only; may be given again.  [default: all]")
    ] = None,
    lease_namespace: Annotated[str, typer.Option(help="Where the Lease of the leader election is.")] = "default",
    lease_name: Annotated[
        str, typer.Option(help="Name of that Lease; operators of other namespaces need one of their own.")
    ] = "trainwright-operator",
    identity: Annotated[
        str | None,
        typer.Option(
            envvar="POD_NAME",
            help="This replica's name in the Lease: with the same name it leads at once after a crash."
            "  [default: host name and process id]",
        ),
    ] = None,
    config: Annotated[Path | None, typer.Option(help="Configuration file, with the default images.")] = None,
    health_port: Annotated[int, typer.Option(help="Port of /livez and /readyz.")] = 8080,
    metrics_port: Annotated[int, typer.Option(help="Port of /metrics.")] = 8081,
    metrics_jobs: Annotated[
        int, typer.Option(help="Jobs that have series of their own at /metrics: first those that run.")
    ] = 1000,
    workers: Annotated[int, typer.Option(help="Passes that may run at the same time.")] = 16,
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = "info",
) -> None:
    """Run the operator: bring every TrainingJob of a cluster nearer to its end, until stopped."""
    from trainwright.controller.process import run_operator  # the command line works without the operator's libraries

    try:
        run_operator(
            namespaces=tuple(namespace or ()),
            lease_namespace=lease_namespace,
            lease_name=lease_name,
            identity=identity,
            config=config,
            health_port=health_port,
            metrics_port=metrics_port,
            metrics_jobs=metrics_jobs,
            workers=workers,
            log_level=log_level,
        )
    except ManifestError as error:
        typer.echo(error, err=True)
        raise typer.Exit(EXIT_INVALID) from None


@app.command()
def crd() -> None:
    """Print the CustomResourceDefinition."""
    typer.echo(crd_yaml(), nl=False)


@app.command(name="reference")
def print_reference() -> None:
    """Print the reference of every field, in Markdown."""
    typer.echo(reference(), nl=False)


def _drive(job: TrainingJob, directory: Path, console: Console, metrics_port: int | None) -> TrainingJob:
    if not console.is_terminal:
        return Runner(job, directory, PlainDisplay(console), metrics_port).run()
    with LiveDisplay(console) as display:
        return Runner(job, directory, display, metrics_port).run()


def _continued(job: TrainingJob, directory: Path) -> TrainingJob:
    """The job with what an earlier run in the directory has done; a new one where there was none.

    Raises:
        InvalidJobError: the directory holds another job, or one that was changed where it can't be.
    """
    before = state.load(directory)
    if before is None:
        metadata = job.metadata.model_copy(update={"uid": str(uuid.uuid4())})
        return job.model_copy(update={"metadata": metadata})
    problems = find_change_problems(before, job.to_dict())
    if problems:
        raise InvalidJobError(problems)
    earlier = TrainingJob.model_validate(before)
    status = state.reopen(earlier.status) if is_true(earlier.status.conditions, "Failed") else earlier.status
    return job.model_copy(update={"metadata": earlier.metadata, "status": status})


def _exit_code(job: TrainingJob, console: Console, directory: Path) -> int:
    conditions = {condition.type: condition for condition in job.status.conditions if condition.status == "True"}
    if "Complete" in conditions:
        console.print(f"Complete. The artifacts are in {directory}", highlight=False, soft_wrap=True)
        return 0
    if "Failed" in conditions:
        failed = conditions["Failed"]
        console.print(
            f"Failed ({failed.reason}): {failed.message}", style="red", highlight=False, markup=False, soft_wrap=True
        )
        return EXIT_INVALID if failed.reason == "InvalidConfiguration" else EXIT_FAILED
    console.print("Suspended. The same command goes on from here.")
    return EXIT_INTERRUPTED


def _load(file: Path, overrides: list[str] | None) -> TrainingJob:
    """The one TrainingJob of a file, with changes from the command line; ends the program if it can't run."""
    try:
        bodies = list(read_manifests(file))
        if len(bodies) > 1:
            raise ManifestError(f"{file}: expected one TrainingJob, got {len(bodies)} objects")
        for assignment in overrides or ():
            override(bodies[0], assignment)
        return load_job(bodies[0])
    except (ManifestError, OverrideError, InvalidJobError) as error:
        _complain(file, error)
        raise typer.Exit(EXIT_INVALID) from None


def _look_up(name: str, namespace: str | None) -> TrainingJob:
    """A job of the cluster; ends the program if it can't be read."""
    from trainwright.controller.lookup import UNREACHABLE, current_namespace, look_up  # the operator's libraries

    namespace = namespace or current_namespace()
    try:
        return load_job(asyncio.run(look_up(namespace, name)))
    except InvalidJobError as error:
        _complain(Path(f"{namespace}/{name}"), error)
        raise typer.Exit(EXIT_INVALID) from None
    except UNREACHABLE as error:
        typer.echo(f"{namespace}/{name}: {error}", err=True)
        raise typer.Exit(EXIT_FAILED) from None


def _complain(where: Path, error: Exception) -> None:
    lines = (
        [f"{where}: {problem}" for problem in error.problems] if isinstance(error, InvalidJobError) else [str(error)]
    )
    for line in lines:
        typer.echo(line, err=True)
