"""The roles of a user's TensorFlow or MXNet program: one pod template, whose command finds its own by its index.

A Job has one template, and Kubernetes puts no more into a variable than another one's value. So a line of shell tells
the program what it is, and is replaced by it.
"""

from collections.abc import Sequence

from trainwright.api.contract import INDEX_VARIABLE
from trainwright.api.job import TrainingJob
from trainwright.api.steps import Step
from trainwright.manifests.rendezvous import Task, tell_task


def tasks_of(job: TrainingJob, step: Step) -> tuple[Task, ...]:
    """The tasks by the workers' indices; none where the step has no roles."""
    roles = step.run.roles if step.run else None
    if roles is None:
        return ()
    others: dict[str, int] = roles.model_dump()
    workers = job.spec.workers.replicas - sum(others.values())
    counts = {"chief": others.pop("chief"), "worker": workers, **others}
    return tuple(Task(role, number) for role, count in counts.items() for number in range(count))


def deciding_indexes(job: TrainingJob, step: Step) -> str | None:
    """Whose success is the step's, as a Job's success policy says it; None where it takes all.

    A TensorFlow program is done when its first task is, an MXNet program when all workers are.
    """
    tasks = tasks_of(job, step)
    if not tasks:
        return None
    workers = sum(task.role == "worker" for task in tasks)
    return f"0-{workers - 1}" if job.spec.framework == "mxnet" and workers > 1 else "0"


def with_task(framework: str, command: Sequence[str], tasks: Sequence[Task]) -> list[str]:
    """The command, told the task that the pod's index stands for; as it is without tasks."""
    if not tasks:
        return list(command)
    cases = " ".join(f"{index}) role={task.role} number={task.number};;" for index, task in enumerate(tasks))
    script = f'case "${INDEX_VARIABLE}" in {cases} esac; {tell_task(framework)}; exec "$@"'
    return ["/bin/sh", "-c", script, "sh", *command]
