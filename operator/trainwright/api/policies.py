"""Where a job runs, where it keeps what it makes, and how long it may go on."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from trainwright.api.base import DnsName, JsonObject, Model, Quantity, Rule

ProcessCount = Annotated[
    int | Literal["auto"],
    Field(
        json_schema_extra={
            "x-kubernetes-int-or-string": True,
            "example": "auto, or a number from 1 to 64",
            "x-kubernetes-validations": [
                Rule(
                    "type(self) == int ? self >= 1 && self <= 64 : self == 'auto'",
                    "got %s; expected auto, or a number from 1 to 64",
                    values=("self",),
                ).as_kubernetes()
            ],
        }
    ),
]


class Workers(Model):
    """The group of pods that distributed steps run on."""

    replicas: int = Field(default=1, ge=1, le=1000)
    """Pods of the group; `kubectl scale` sets it."""

    processes_per_worker: ProcessCount = "auto"
    """Processes a pod. `auto`: for PyTorch one a GPU asked for, else 1; the others use all GPUs from one process."""

    min_replicas: int | None = Field(default=None, ge=1, le=1000)
    """Fewest pods that training goes on with. With maxReplicas, the group is elastic."""

    max_replicas: int | None = Field(default=None, ge=1, le=1000)
    """Most pods that the group may grow to."""

    template: JsonObject = {}
    """PodTemplateSpec of the pods: image, resources, nodeSelector, volumes... The container `trainer` is ours.

    Its OMP_NUM_THREADS is a process's share of its CPU limit, unless its env says another number.
    """

    rules: ClassVar = (
        Rule(
            "has(self.minReplicas) == has(self.maxReplicas)",
            "minReplicas and maxReplicas go together: an elastic group needs both",
            ".minReplicas",
        ),
        Rule(
            "!has(self.minReplicas) || !has(self.maxReplicas) || self.minReplicas <= self.maxReplicas",
            "minReplicas (%s) must not be more than maxReplicas (%s)",
            ".minReplicas",
            ("self.minReplicas", "self.maxReplicas"),
        ),
        Rule(
            "!has(self.minReplicas) || self.replicas >= self.minReplicas",
            "replicas (%s) must be at least minReplicas (%s)",
            ".replicas",
            ("self.replicas", "self.minReplicas"),
        ),
        Rule(
            "!has(self.maxReplicas) || self.replicas <= self.maxReplicas",
            "replicas (%s) must be at most maxReplicas (%s)",
            ".replicas",
            ("self.replicas", "self.maxReplicas"),
        ),
    )

    @property
    def pod_spec(self) -> dict[str, Any]:
        """The user's part of the pods' spec."""
        spec: dict[str, Any] = self.template.get("spec", {})
        return spec

    @property
    def trainer_container(self) -> dict[str, Any]:
        """The user's part of the container `trainer`."""
        containers: list[dict[str, Any]] = self.pod_spec.get("containers", [])
        return next((container for container in containers if container.get("name") == "trainer"), {})


class Storage(Model):
    """Where checkpoints and artifacts live: a claim made for the job, or one that is there already."""

    size: Quantity | None = None
    """Size of the PersistentVolumeClaim that is made for the job; 10Gi when nothing else is said."""

    storage_class_name: DnsName | None = Field(default=None, max_length=253)
    """Storage class of that claim; the cluster's default when not set."""

    access_modes: list[Literal["ReadWriteOnce", "ReadWriteMany", "ReadWriteOncePod"]] | None = Field(
        default=None, min_length=1, max_length=3
    )
    """Access modes of that claim: ReadWriteMany when the group can have more than one pod, else ReadWriteOnce."""

    claim_name: DnsName | None = Field(default=None, max_length=253)
    """An existing PersistentVolumeClaim; each job has a folder of its own on it."""

    rules: ClassVar = (
        Rule(
            "!has(self.claimName) || !(has(self.size) || has(self.storageClassName) || has(self.accessModes))",
            "claimName names an existing claim (%s): size, storageClassName and accessModes can not be set with it",
            ".claimName",
            ("self.claimName",),
        ),
    )


class RunPolicy(Model):
    """How long a job may run, how often it may fail, and what stays of it. The names are those of Kubernetes' Jobs."""

    suspend: bool = False
    """Stop after a last checkpoint, and hold no pods, until it is false again."""

    active_deadline_seconds: int | None = Field(default=None, ge=1, le=31_536_000)
    """Seconds from the start, or from the last resume, after which the job fails."""

    backoff_limit: int = Field(default=3, ge=0, le=1000)
    """Restarts of a step before the job fails. Disruptions (preemption, eviction, drain, a lost node) don't count."""

    ttl_seconds_after_finished: int | None = Field(default=None, ge=0, le=315_360_000)
    """Seconds after the end at which the object, and all that belongs to it, is deleted; never when not set."""

    clean_pod_policy: Literal["Running", "All", "None"] = "Running"
    """Which pods are deleted at the end: those still running, all, or none."""


class Scheduling(Model):
    """How the pods are queued and placed."""

    queue_name: DnsName | None = Field(default=None, max_length=63)
    """Kueue's LocalQueue. Kueue then decides when the child Jobs start."""

    gang: Literal["none", "volcano", "coscheduling"] = "none"
    """Who makes sure that the group's pods start together or not at all."""

    priority_class_name: DnsName | None = Field(default=None, max_length=253)
    """PriorityClass of the pods."""

    scheduler_name: str | None = Field(default=None, min_length=1, max_length=253)
    """Scheduler of the pods; the one that `gang` needs when not set."""
