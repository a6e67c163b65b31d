"""The steps of a job: what each kind can be told."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from trainwright.api.base import NCCL_NAME, CallableName, DnsLabel, Image, JsonObject, Model, Rule
from trainwright.api.gates import Gate

Precision = Literal["fp32", "bf16", "fp16"]
Strategy = Literal["ddp", "fsdp2"]


class Optimizer(Model):
    """An optimizer of the framework, by its own name."""

    name: str = Field(default="AdamW", min_length=1, max_length=40)
    """The framework's name for it, such as `AdamW` or `SGD`; upper and lower case are the same."""

    learning_rate: float = Field(default=1e-3, gt=0, le=1000)
    """Step size at the start, before any schedule."""

    weight_decay: float | None = Field(default=None, ge=0, le=10)
    """Weight decay; the optimizer's own default when not set."""

    args: JsonObject = {}
    """Further keyword arguments of the optimizer, such as `{momentum: 0.9}`."""


class Schedule(Model):
    """A learning-rate schedule of the framework, by its own name; it advances once an optimizer step."""

    name: str = Field(min_length=1, max_length=40)
    """The framework's name for it, such as `CosineAnnealingLR`; upper and lower case are the same."""

    warmup_steps: int = Field(default=0, ge=0, le=10_000_000)
    """Optimizer steps over which the learning rate rises linearly from near zero before the schedule begins."""

    args: JsonObject = {}
    """Further keyword arguments of the schedule. Its length (`T_max`, `total_steps`, `total_iters`) is filled in."""


class Checkpoint(Model):
    """When training is saved, and how much is kept."""

    every_steps: int = Field(default=100, ge=1, le=10_000_000)
    """Optimizer steps between two checkpoints: what a failure can cost at most."""

    keep: int = Field(default=2, ge=1, le=100)
    """How many of the newest checkpoints stay on the volume."""


class Scaling(Model):
    """How batch and learning rate follow the number of processes; without it, both stay as they are."""

    reference_processes: int = Field(ge=1, le=100_000)
    """Processes of all workers together that `batchSize` is meant for; with more or fewer it changes in proportion."""

    learning_rate: Literal["linear", "square-root", "constant"] = "linear"
    """How the learning rate, and a schedule's `max_lr`, follow the batch: in proportion, as is usual for SGD (Goyal et
    al. 2017); with the square root, as for Adam and its kin (Malladi et al. 2022); or not at all."""


class NcclVariable(Model):
    """A setting of NCCL, the library that GPUs exchange gradients with."""

    name: Annotated[str, Field(pattern=NCCL_NAME, max_length=60, json_schema_extra={"example": "NCCL_DEBUG"})]
    """The variable's name (https://docs.nvidia.com/deeplearning/nccl/user-guide/docs/env.html)."""

    value: str = Field(min_length=1, max_length=200)
    """Its value."""


class Collectives(Model):
    """How the processes of a group exchange data."""

    timeout_seconds: int = Field(default=300, ge=5, le=86_400)
    """Seconds without any progress after which the group ends with an error that names the process that hangs."""

    nccl: list[NcclVariable] = Field(default=[], max_length=50)
    """Settings of NCCL, set in every process before it is used; without GPUs they change nothing."""

    servers: int = Field(default=1, ge=1, le=1000)
    """Servers of MXNet's key-value store, which the gradients are divided among; each runs beside the workers of a pod
    of its own, from the first on."""


class Train(Model):
    """Distributed training of the model from its initial weights, or on from the artifact before."""

    epochs: int = Field(default=1, ge=1, le=100_000)
    """Passes over the training split."""

    batch_size: int = Field(default=256, ge=1, le=10_000_000)
    """Samples an optimizer step over all processes together, so that a resize doesn't change the training."""

    loss: str = Field(default="CrossEntropyLoss", min_length=1, max_length=200)
    """The framework's name of a loss, or `package.module:callable` of the user's own."""

    optimizer: Optimizer = Optimizer()
    """The optimizer."""

    schedule: Schedule | None = None
    """The learning-rate schedule; none keeps the rate constant."""

    precision: Precision = "fp32"
    """Number format of the forward and backward pass; the weights stay in fp32. fp16 scales gradients."""

    gradient_accumulation: int = Field(default=1, ge=1, le=10_000)
    """Parts that each process splits its share of a batch into, to save memory."""

    gradient_clipping: float | None = Field(default=None, gt=0)
    """Largest norm of all gradients together; larger ones are scaled down."""

    strategy: Strategy = "ddp"
    """How the model is spread over the processes: `ddp` keeps all of it in each, `fsdp2` (PyTorch's fully_shard) a part
    of the weights, gradients and optimizer's state in each, for less memory and more communication."""

    activation_checkpointing: bool = False
    """Whether each block's intermediate results are computed again in the backward pass instead of being kept: less
    memory, about a third more computation, the same training."""

    tensor_parallel: int = Field(default=1, ge=1, le=1024)
    """Devices that hold one copy of the model together, for models that don't fit one: each has a part of the weights
    that the model's own rules split (a Flax module's `flax.linen.with_partitioning`, along the axis `model`). All
    devices together must be a multiple. For checkpoints and at the end the weights are put together again."""

    compile: bool = False
    """Whether the framework's compiler translates the model's blocks first (torch.compile): a slower start, by minutes
    at worst, then faster steps. On CPUs the trainer's image needs a C++ compiler for it."""

    scaling: Scaling | None = None
    """How batch and learning rate follow the number of processes; not set, the global batch stays the same."""

    collectives: Collectives = Collectives()
    """How the processes exchange data."""

    checkpoint: Checkpoint = Checkpoint()
    """When training is saved."""

    rules: ClassVar = (
        Rule(
            "!has(self.scaling) || self.scaling.referenceProcesses <= self.batchSize",
            "referenceProcesses (%s) must be at most batchSize (%s), for each to have a sample",
            ".scaling",
            ("self.scaling.referenceProcesses", "self.batchSize"),
        ),
        Rule(
            # The default of an object is held to its rules before its fields have their own defaults.
            "!has(self.compile) || !self.compile || !self.activationCheckpointing",
            "can't be had together with compile, which itself decides what is computed again",
            ".activationCheckpointing",
        ),
    )


class Distill(Model):
    """Training of a smaller student model to answer as a teacher does; the steps after it work on the student.

    The student's loss is `alpha * T^2 * KL(teacher || student) + (1 - alpha) * train.loss`, with both models' outputs
    divided by the temperature T in the first summand (Hinton et al. 2015, https://arxiv.org/abs/1503.02531).
    """

    student: "Factory"
    """The smaller model; it starts from the weights that its factory gives it."""

    teacher: "Factory | None" = None
    """Makes the teacher with its trained weights, which the factory must load; not set, the newest accepted artifact is
    the teacher."""

    temperature: float = Field(default=4.0, gt=0, le=100)
    """Softening of both models' outputs."""

    alpha: float = Field(default=0.5, ge=0, le=1)
    """Weight of the teacher's answers; the rest is the weight of the true labels."""

    compare_alone: bool = False
    """Whether the same student is also trained without the teacher, from the same initial weights, so that the result
    tells what the teacher is worth; it takes as long as the training without the teacher would."""

    train: Train = Train()
    """How the student is trained."""


class Prune(Model):
    """Removal of the least important weights or channels, and fine-tuning after it."""

    method: Literal["l1-unstructured", "l1-semi-structured", "l1-structured"]
    """`l1-unstructured` zeroes single weights, `l1-semi-structured` two of each four (2:4), as GPUs can skip them; both
    leave the file as large. `l1-structured` removes whole channels."""

    amount: float = Field(gt=0, lt=1)
    """Share that is removed: of the weights, or of the channels."""

    scope: Literal["layer", "global"] = "layer"
    """Whether each layer loses this share, or the weakest of all layers go, so that some lose more than others."""

    iterations: int = Field(default=1, ge=1, le=100)
    """Rounds in which the amount is reached, each with its fine-tuning."""

    finetune_epochs: int = Field(default=0, ge=0, le=10_000)
    """Passes over the training split after the removal, in each round."""

    batch_size: int = Field(default=256, ge=1, le=10_000_000)
    """Samples an optimizer step of the fine-tuning."""

    optimizer: Optimizer = Optimizer()
    """The optimizer of the fine-tuning."""

    loss: str = Field(default="CrossEntropyLoss", min_length=1, max_length=200)
    """The loss of the fine-tuning: the framework's name, or `package.module:callable`."""

    rules: ClassVar = (
        Rule(
            "self.method != 'l1-semi-structured' || self.amount == 0.5",
            "l1-semi-structured removes two of each four weights: amount must be 0.5, got %s",
            ".amount",
            ("self.amount",),
        ),
        Rule(
            "self.method != 'l1-semi-structured' || self.scope == 'layer'",
            "l1-semi-structured removes two of each four weights everywhere: scope must be layer",
            ".scope",
        ),
        Rule(
            "self.iterations == 1 || self.finetuneEpochs > 0",
            "%s iterations without fine-tuning between them do the same as one: finetuneEpochs must be at least 1",
            ".iterations",
            ("self.iterations",),
        ),
    )


class Quantize(Model):
    """Conversion of weights and activations to small numbers."""

    scheme: Literal["int8-static", "int8-dynamic", "int8-weight-only", "float16"]
    """`int8-static` fixes the activations' ranges beforehand, from calibration samples. `int8-dynamic` finds them anew
    for each input: for transformers and recurrent networks. `int8-weight-only` stores small weights and computes in
    floats. `float16` stores weights in half precision."""

    backend: Literal["onnxruntime", "torchao", "litert", "mxnet"] | None = None
    """What quantizes: `onnxruntime`, the default, and `torchao` (PT2E) make an ONNX model, `litert` a TFLite one,
    `mxnet` (quantize_net) a symbol that only MXNet runs. With TensorFlow and `litert`, `int8-static` takes and gives
    integers, else floats."""

    calibration_samples: int = Field(default=512, ge=1, le=1_000_000)
    """Samples of the calibration split that set the activations' ranges. The validation split is never used for it."""

    rules: ClassVar = (
        Rule(
            "!has(self.backend) || self.backend != 'torchao' || self.scheme == 'int8-static'",
            "the backend torchao has no %s; it has int8-static",
            ".scheme",
            ("self.scheme",),
        ),
        Rule(
            "self.scheme != 'float16' || (has(self.backend) && self.backend == 'litert')",
            "only litert has the scheme float16: backend must be litert",
            ".backend",
        ),
    )


_TRITON_FORMATS = ("onnx", "torchscript-trace", "torchscript-script")
LAYOUT_FORMATS = {
    "triton": _TRITON_FORMATS,
    "kserve": (*_TRITON_FORMATS, "saved-model"),
    "tf-serving": ("saved-model",),
}
"""Layout -> the formats that it is for; `plain` is for all."""


class Export(Model):
    """Conversion of the accepted artifact to a format that others can load."""

    format: Literal[
        "onnx",
        "pt2",
        "torchscript-trace",
        "torchscript-script",
        "tflite",
        "saved-model",
        "stablehlo",
        "mxnet-symbol",
    ]
    """The format. `torchscript-trace` keeps the operations of one batch, `torchscript-script` compiles the code."""

    dynamic_batch: bool = True
    """Whether the exported model takes any batch size; else it takes one sample at a time, as `tflite` always does."""

    layout: Literal["plain", "triton", "kserve", "tf-serving"] = "plain"
    """A plain folder, a model repository as NVIDIA Triton or TensorFlow Serving takes it, or one of these with a KServe
    InferenceService."""

    rules: ClassVar = (
        Rule(
            "self.format != 'tflite' || !self.dynamicBatch",
            "tflite models have one batch size: dynamicBatch must be false",
            ".dynamicBatch",
        ),
        *(
            Rule(
                f"self.layout != '{layout}' || self.format in {list(formats)}",
                f"the layout {layout} is for {', '.join(formats)}, not for %s; plain is for all",
                ".layout",
                ("self.format",),
            )
            for layout, formats in LAYOUT_FORMATS.items()
        ),
    )


class Evaluate(Model):
    """Measurement of the accepted artifact and of those that it was made from, without changing them."""

    batch_size: int = Field(default=256, ge=1, le=1_000_000)
    """Samples a forward pass when accuracy and loss are measured."""

    latency_batch_sizes: list[Annotated[int, Field(ge=1, le=100_000)]] = Field(
        default=[1, 8, 32], min_length=1, max_length=16
    )
    """Samples a forward pass when time is measured, one measurement a size; the gate's latency is always that of 1."""

    threads: int = Field(default=1, ge=1, le=1024)
    """Threads that time is measured on, each kept on a CPU of its own."""


class Profile(Model):
    """A short, profiled run: where the time goes, by operator, and a trace for the browser."""

    steps: int = Field(default=10, ge=1, le=1000)
    """Steps that are recorded, after as many as warm-up."""

    mode: Literal["training", "inference"] = "training"
    """Whether a step goes forward, backward and through the optimizer, or forward only."""

    batch_size: int = Field(default=256, ge=1, le=1_000_000)
    """Samples a step."""

    precision: Precision = "fp32"
    """Number format of the forward and backward pass."""

    loss: str = Field(default="CrossEntropyLoss", min_length=1, max_length=200)
    """The loss: the framework's name, or `package.module:callable`."""

    optimizer: Optimizer = Optimizer()
    """The optimizer; the model that it changes is thrown away."""


class Roles(Model):
    """How many of the workers are something else than a worker; the rest are workers.

    TensorFlow has chief, parameter servers and evaluator, in TF_CONFIG; MXNet scheduler and servers of the key-value
    store, in DMLC_ROLE and MX_CONFIG.
    """

    chief: int = Field(default=0, ge=0, le=1)
    """Whether the first one is the chief. The step is done when the chief is, else when worker 0 is; then the others
    are stopped."""

    ps: int = Field(default=0, ge=0, le=1000)
    """Parameter servers."""

    evaluator: int = Field(default=0, ge=0, le=1)
    """Whether the last one is the evaluator, which knows the cluster and is no part of it."""

    scheduler: int = Field(default=0, ge=0, le=1)
    """Whether there is a scheduler, after the workers. The step is done when all workers are; then the others are
    stopped."""

    server: int = Field(default=0, ge=0, le=1000)
    """Servers of the key-value store."""


class Run(Model):
    """The user's own program, with the same rendezvous environment and directories that the trainers get."""

    command: list[str] = Field(min_length=1, max_length=1000)
    """Program and arguments; not run in a shell."""

    image: Image | None = None
    """Image to run it in; the trainer's image when not set."""

    distributed: bool = True
    """Whether it runs on every worker of the group, or once."""

    roles: Roles | None = None
    """TensorFlow and MXNet only: how many of the workers have another role. Without it, all are workers, and MXNet's
    scheduler and server run beside the first one. The image must have a shell, /bin/sh."""

    rules: ClassVar = (
        Rule(
            "!has(self.roles) || self.distributed",
            "a program that runs once has no roles: distributed must be true",
            ".distributed",
        ),
    )


class Factory(Model):
    """A callable that makes a model or a data set."""

    factory: CallableName
    """Where it is: `package.module:callable`, importable in the trainer's image."""

    args: JsonObject = {}
    """Keyword arguments it is called with."""


KINDS = ("train", "distill", "prune", "quantize", "export", "evaluate", "profile", "run")
"""The kinds of step, by the names of their fields."""

_KINDS_SET = "[{}].filter(kind, kind != '')".format(", ".join(f"has(self.{kind}) ? '{kind}' : ''" for kind in KINDS))
"""In CEL, the list of the kinds that a step has."""


class Step(Model):
    """One step: a name, exactly one kind, and the gate that its result must pass."""

    name: DnsLabel = Field(max_length=16)
    """The step's name, unique in the job; part of its pods' names."""

    train: Train | None = None
    """Train the model on all workers."""

    distill: Distill | None = None
    """Train a smaller student on all workers."""

    prune: Prune | None = None
    """Remove weights or channels."""

    quantize: Quantize | None = None
    """Convert to small integers."""

    export: Export | None = None
    """Convert to a format to be served."""

    evaluate: Evaluate | None = None
    """Measure the accepted artifact."""

    profile: Profile | None = None
    """Record where the time goes."""

    run: Run | None = None
    """Run the user's own program."""

    gate: Gate | None = None
    """What the result must satisfy."""

    rules: ClassVar = (
        Rule(
            f"{_KINDS_SET}.size() > 0",
            f"step %s has no kind; it must have one of {', '.join(KINDS)} (without options: `train: {{}}`)",
            values=("self.name",),
        ),
        Rule(
            f"{_KINDS_SET}.size() < 2",
            "step %s must have exactly one kind; it has %s",
            values=("self.name", _KINDS_SET),
        ),
    )

    @property
    def kind(self) -> str:
        """The one kind that is set."""
        return next(kind for kind in KINDS if getattr(self, kind) is not None)

    @property
    def options(self) -> Any:
        """The options of the kind that is set."""
        return getattr(self, self.kind)

    @property
    def distributed(self) -> bool:
        """Whether the step runs on the whole group of workers."""
        return self.kind in ("train", "distill") or (self.run is not None and self.run.distributed)
