"""The environment of a step's container: its configuration, its directories and its rendezvous."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from trainwright.api.contract import (
    CHECKPOINTS_VARIABLE,
    INDEX_VARIABLE,
    INPUT_VARIABLE,
    METRICS_PORT_VARIABLE,
    OUTPUT_VARIABLE,
    PROCESSES_VARIABLE,
    ROOT_VARIABLE,
    STEP_VARIABLE,
    TERMINATION_VARIABLE,
    StepConfiguration,
)
from trainwright.api.job import TrainingJob
from trainwright.api.steps import Step
from trainwright.manifests.elasticity import bounds_of
from trainwright.manifests.names import (
    INDEX_ANNOTATION,
    checkpoint_directory,
    claim_name,
    output_directory,
    storage_folder,
)
from trainwright.manifests.rendezvous import Group, rendezvous_environment
from trainwright.manifests.roles import tasks_of
from trainwright.manifests.site import Site

TERMINATION_PATH = "/dev/termination-log"

THREADS_VARIABLE = "OMP_NUM_THREADS"
"""What OpenMP and the libraries built on it, such as PyTorch and NumPy's, take the number of their threads from."""

EnvVar = dict[str, Any]


def step_environment(job: TrainingJob, step: Step, site: Site, input_path: str | None) -> list[EnvVar]:
    """What the step's container is told, in the order that lets later variables refer to earlier ones.

    Kubernetes puts the value of a variable in the place of `$(NAME)`, and `$` in the place of `$$`.
    Source: https://kubernetes.io/docs/tasks/inject-data-application/define-interdependent-environment-variables/
    """
    configuration = StepConfiguration(
        job=job.metadata.name,
        namespace=job.metadata.namespace,
        framework=job.spec.framework,
        seed=job.spec.seed,
        model=job.spec.model,
        data=job.spec.data,
        step=step,
        input=input_path,
        output=output_directory(step),
        checkpoints=checkpoint_directory(step),
        storage=f"pvc://{claim_name(job)}/{storage_folder(job)}",
    )
    values = {
        STEP_VARIABLE: configuration.model_dump_json(exclude_none=True),
        ROOT_VARIABLE: site.root,
        OUTPUT_VARIABLE: f"{site.root}/{configuration.output}",
        CHECKPOINTS_VARIABLE: f"{site.root}/{configuration.checkpoints}",
        TERMINATION_VARIABLE: TERMINATION_PATH,
        METRICS_PORT_VARIABLE: str(site.metrics_port(job, step)),
    }
    if input_path is not None:
        values[INPUT_VARIABLE] = f"{site.root}/{input_path}"
    index: EnvVar = {"name": INDEX_VARIABLE, "value": "0"}
    if step.distributed:
        index = {
            "name": INDEX_VARIABLE,
            "valueFrom": {"fieldRef": {"fieldPath": f"metadata.annotations['{INDEX_ANNOTATION}']"}},
        }
    group = _group(job, step, site)
    values[PROCESSES_VARIABLE] = str(group.processes)
    threads = threads_per_process(job, group.processes) if site.enforces_limits else None
    if threads and THREADS_VARIABLE not in _users_variables(job):
        values[THREADS_VARIABLE] = str(threads)
    escaped = {name: value.replace("$", "$$") for name, value in values.items()}
    return [*_plain(escaped), index, *_plain(rendezvous_environment(job.spec.framework, group))]


def processes_per_worker(job: TrainingJob) -> int:
    """Processes in each pod: as many as the user says; `auto` is one a GPU for PyTorch, else one."""
    count = job.spec.workers.processes_per_worker
    if isinstance(count, int):
        return count
    return max(_gpus(job), 1) if job.spec.framework == "pytorch" else 1


def threads_per_process(job: TrainingJob, processes: int) -> int | None:
    """Threads for each of a container's processes, by the container's CPU limit; None where it has none.

    Libraries count the node's cores, whatever the container may use of them: on 64 cores with a limit of 2 CPUs, 64
    threads would take turns on them.
    """
    resources = job.spec.workers.trainer_container.get("resources") or {}
    limit = str((resources.get("limits") or {}).get("cpu", ""))
    try:
        cpus = Decimal(limit.removesuffix("m")) / (1000 if limit.endswith("m") else 1)
    except InvalidOperation:
        return None
    return max(int(cpus / processes), 1) if cpus.is_finite() else None


def _users_variables(job: TrainingJob) -> set[str]:
    return {variable["name"] for variable in job.spec.workers.trainer_container.get("env") or ()}


def _gpus(job: TrainingJob) -> int:
    """GPUs that the trainer's container asks for, whoever makes them; a slice of one (MIG) counts as one."""
    resources = job.spec.workers.trainer_container.get("resources") or {}
    amounts = (
        str(amount)
        for name, amount in (resources.get("limits") or {}).items()
        if name.endswith("/gpu") or name.startswith("nvidia.com/mig-")
    )
    return sum(int(amount) for amount in amounts if amount.isdecimal())


def _group(job: TrainingJob, step: Step, site: Site) -> Group:
    replicas = job.spec.workers.replicas if step.distributed else 1
    endpoints = tuple(site.endpoint(job, step, index) for index in range(replicas))
    processes = processes_per_worker(job) if step.distributed else 1
    training = step.train or (step.distill.train if step.distill else None)
    servers = training.collectives.servers if training else 1
    return Group(endpoints, processes, bounds_of(job, step), tasks_of(job, step), servers)


def _plain(values: Mapping[str, str]) -> list[EnvVar]:
    return [{"name": name, "value": value} for name, value in values.items()]
