"""What each framework's trainers can do: the table that validation refuses by.

A new method, scheme or format is one word here, beside its file in the framework's folder.
"""

from dataclasses import dataclass
from typing import get_args

from trainwright.api.steps import Export, Precision, Prune, Quantize, Strategy


@dataclass(frozen=True)
class Capabilities:
    """What one framework's trainer can do, in the object's words."""

    kinds: tuple[str, ...]
    prune_methods: tuple[str, ...] = ()
    quantize_schemes: tuple[str, ...] = ()
    quantize_backends: tuple[str, ...] = ()
    export_formats: tuple[str, ...] = ()
    optimizers: tuple[str, ...] = ()
    schedules: tuple[str, ...] = ()
    strategies: tuple[str, ...] = ()
    precisions: tuple[str, ...] = ()
    train_options: tuple[str, ...] = ()


CAPABILITIES = {
    "pytorch": Capabilities(
        kinds=("train", "distill", "prune", "quantize", "export", "evaluate", "profile", "run"),
        prune_methods=("l1-unstructured", "l1-semi-structured", "l1-structured"),
        quantize_schemes=("int8-static", "int8-dynamic", "int8-weight-only"),
        quantize_backends=("onnxruntime", "torchao", "litert"),
        export_formats=("onnx", "pt2", "torchscript-trace", "torchscript-script", "tflite"),
        optimizers=(
            *("Adadelta", "Adafactor", "Adagrad", "Adam", "AdamW", "Adamax", "ASGD"),
            *("NAdam", "RAdam", "RMSprop", "Rprop", "SGD"),
        ),
        schedules=(
            *("ConstantLR", "CosineAnnealingLR", "CosineAnnealingWarmRestarts", "ExponentialLR", "LinearLR"),
            *("MultiStepLR", "OneCycleLR", "PolynomialLR", "StepLR"),
        ),
        strategies=("ddp", "fsdp2"),
        precisions=("fp32", "bf16", "fp16"),
        train_options=("activationCheckpointing", "compile", "scaling", "collectives.nccl"),
    ),
    "tensorflow": Capabilities(
        kinds=("train", "distill", "prune", "quantize", "export", "evaluate", "profile", "run"),
        prune_methods=("l1-unstructured", "l1-semi-structured", "l1-structured"),
        quantize_schemes=("int8-static", "int8-dynamic", "float16"),
        quantize_backends=("onnxruntime", "litert"),
        export_formats=("saved-model", "tflite", "onnx"),
        optimizers=(
            *("Adadelta", "Adagrad", "Adam", "AdamW", "Adamax", "Ftrl", "Lamb", "Lion", "Nadam", "RMSprop", "SGD"),
        ),
        schedules=("CosineDecay", "CosineDecayRestarts", "ExponentialDecay", "InverseTimeDecay", "PolynomialDecay"),
        strategies=("ddp",),
        precisions=("fp32", "bf16", "fp16"),
        train_options=("collectives.nccl",),
    ),
    "jax": Capabilities(
        kinds=("train", "distill", "prune", "quantize", "export", "evaluate", "profile", "run"),
        prune_methods=("l1-unstructured", "l1-semi-structured", "l1-structured"),
        quantize_schemes=("int8-static",),
        quantize_backends=("onnxruntime",),
        export_formats=("onnx", "saved-model", "stablehlo", "tflite"),
        optimizers=(
            *("adabelief", "adadelta", "adafactor", "adagrad", "adam", "adamax", "adamaxw", "adamw", "adan"),
            *("amsgrad", "lamb", "lars", "lion", "nadam", "nadamw", "novograd", "radam", "rmsprop", "sgd", "yogi"),
        ),
        schedules=(
            *("constant_schedule", "cosine_decay_schedule", "cosine_onecycle_schedule", "exponential_decay"),
            *("linear_onecycle_schedule", "linear_schedule", "polynomial_schedule"),
        ),
        strategies=("ddp",),
        precisions=("fp32", "bf16"),
        train_options=("activationCheckpointing", "tensorParallel"),
    ),
    "mxnet": Capabilities(
        kinds=("train", "distill", "prune", "quantize", "export", "evaluate", "profile", "run"),
        prune_methods=("l1-unstructured", "l1-semi-structured"),
        quantize_schemes=("int8-static",),
        quantize_backends=("onnxruntime", "mxnet"),
        export_formats=("onnx", "mxnet-symbol"),
        optimizers=(
            *("AdaDelta", "AdaGrad", "Adam", "AdamW", "Adamax", "Ftrl", "LAMB", "NAG", "RMSProp", "SGD", "Signum"),
        ),
        schedules=("CosineScheduler", "FactorScheduler", "MultiFactorScheduler", "PolyScheduler"),
        strategies=("ddp",),
        precisions=("fp32", "bf16"),
        train_options=("collectives.servers",),
    ),
}
"""By framework. A kind that is missing has no trainer in this version."""

FIELDS = {
    "strategies": ("train", "strategy", get_args(Strategy)),
    "precisions": ("train", "precision", get_args(Precision)),
    "prune_methods": ("prune", "method", get_args(Prune.model_fields["method"].annotation)),
    "quantize_schemes": ("quantize", "scheme", get_args(Quantize.model_fields["scheme"].annotation)),
    "quantize_backends": ("quantize", "backend", get_args(get_args(Quantize.model_fields["backend"].annotation)[0])),
    "export_formats": ("export", "format", get_args(Export.model_fields["format"].annotation)),
}
"""Capability -> the step kind and field it bounds, and every word that the field knows."""

TRAIN_OPTIONS = {
    "activationCheckpointing": "has({0}.activationCheckpointing) && {0}.activationCheckpointing",
    "tensorParallel": "has({0}.tensorParallel) && {0}.tensorParallel > 1",
    "compile": "has({0}.compile) && {0}.compile",
    "scaling": "has({0}.scaling)",
    "collectives.nccl": "has({0}.collectives) && has({0}.collectives.nccl) && size({0}.collectives.nccl) > 0",
    "collectives.servers": "has({0}.collectives) && has({0}.collectives.servers) && {0}.collectives.servers > 1",
}
"""Options of a training that not every framework has -> whether a training asks for it, in CEL."""
