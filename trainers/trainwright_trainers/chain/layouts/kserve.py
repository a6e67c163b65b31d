"""A model repository with the InferenceService that serves it: by Triton, or a SavedModel by TensorFlow Serving.

Source: https://kserve.github.io/website/docs/model-serving/predictive-inference/frameworks/overview
"""

from pathlib import Path
from typing import Any

import yaml

from trainwright_trainers.chain.layouts.layout import Delivery
from trainwright_trainers.chain.layouts.tf_serving import lay_out_tf_serving
from trainwright_trainers.chain.layouts.triton import lay_out_triton

SERVICE = "inferenceservice.yaml"
TRITON_FORMATS = {"onnx": "onnx", "torchscript": "pytorch"}
"""By our format: KServe's name for what Triton serves."""


def lay_out_kserve(directory: Path, delivery: Delivery) -> None:
    """Make the directory a model repository, with an InferenceService to be applied as it is."""
    if delivery.model.format in TRITON_FORMATS:
        lay_out_triton(directory, delivery)
        model = _by_triton(delivery)
    else:
        lay_out_tf_serving(directory, delivery)
        model = _by_tensorflow_serving(delivery)
    service = {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {"name": delivery.name, "namespace": delivery.namespace},
        "spec": {"predictor": {"model": model}},
    }
    (directory / SERVICE).write_text(yaml.safe_dump(service, sort_keys=False), encoding="utf-8")


def _by_triton(delivery: Delivery) -> dict[str, Any]:
    return {
        "modelFormat": {"name": TRITON_FORMATS[delivery.model.format]},
        "runtime": "kserve-tritonserver",
        "protocolVersion": "v2",
        "storageUri": delivery.uri,
    }


def _by_tensorflow_serving(delivery: Delivery) -> dict[str, Any]:
    return {
        "modelFormat": {"name": "tensorflow"},
        "runtime": "kserve-tensorflow-serving",
        "protocolVersion": "v1",
        "storageUri": f"{delivery.uri}/{delivery.name}",
    }
