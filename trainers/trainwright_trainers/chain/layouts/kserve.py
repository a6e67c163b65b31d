"""A Triton model repository with the InferenceService that serves it.

Source: https://kserve.github.io/website/docs/model-serving/predictive-inference/frameworks/triton/overview
"""

from pathlib import Path

import yaml

from trainwright_trainers.chain.layouts.layout import Delivery
from trainwright_trainers.chain.layouts.triton import lay_out_triton

SERVICE = "inferenceservice.yaml"
MODEL_FORMATS = {"onnx": "onnx", "torchscript": "pytorch"}
"""By our format: KServe's name for it."""


def lay_out_kserve(directory: Path, delivery: Delivery) -> None:
    """Make the directory a Triton model repository, with an InferenceService to be applied as it is."""
    lay_out_triton(directory, delivery)
    service = {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {"name": delivery.name, "namespace": delivery.namespace},
        "spec": {
            "predictor": {
                "model": {
                    "modelFormat": {"name": MODEL_FORMATS[delivery.model.format]},
                    "runtime": "kserve-tritonserver",
                    "protocolVersion": "v2",
                    "storageUri": delivery.uri,
                }
            }
        },
    }
    (directory / SERVICE).write_text(yaml.safe_dump(service, sort_keys=False), encoding="utf-8")
