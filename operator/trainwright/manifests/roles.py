"""The roles of a user's TensorFlow program: one pod template for all, whose command finds its own by its index.

A Job has one template, and Kubernetes puts no more into a variable than another one's value. So a line of shell makes
TF_CONFIG, and is replaced by the user's program.
"""

from collections.abc import Sequence

from trainwright.api.contract import INDEX_VARIABLE
from trainwright.api.job import TrainingJob
from trainwright.api.steps import Step
from trainwright.manifests.rendezvous import Task
from trainwright.manifests.rendezvous.tensorflow import CLUSTER_VARIABLE


def tasks_of(job: TrainingJob, step: Step) -> tuple[Task, ...]:
    """The tasks by the workers' indices; none where the step has no roles.

    The first is the one whose end is the step's.
    """
    roles = step.run.roles if step.run else None
    if roles is None:
        return ()
    workers = job.spec.workers.replicas - roles.chief - roles.ps - roles.evaluator
    counts = {"chief": roles.chief, "worker": workers, "ps": roles.ps, "evaluator": roles.evaluator}
    return tuple(Task(role, number) for role, count in counts.items() for number in range(count))


def with_task(command: Sequence[str], tasks: Sequence[Task]) -> list[str]:
    """The command, run with the TF_CONFIG of the task that the pod's index stands for; as it is without tasks."""
    if not tasks:
        return list(command)
    cases = " ".join(f"{index}) role={task.role} number={task.number};;" for index, task in enumerate(tasks))
    config = (
        r"{\"cluster\": " + f"${CLUSTER_VARIABLE}" + r", \"task\": {\"type\": \"$role\", \"index\": $number},"
        r" \"environment\": \"cloud\"}"
    )
    script = f'case "${INDEX_VARIABLE}" in {cases} esac; export TF_CONFIG="{config}"; exec "$@"'
    return ["/bin/sh", "-c", script, "sh", *command]
