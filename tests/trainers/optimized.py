"""What ONNX Runtime makes of a model when it loads it."""

from collections import Counter
from pathlib import Path

import onnx
import onnxruntime


def operators_run(model: Path, scratch: Path) -> Counter[str]:
    """How often each operator is in the graph that runs on this machine: after fusion, and with its own layouts."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.optimized_model_filepath = str(scratch / "optimized.onnx")
    onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return Counter(node.op_type for node in onnx.load(scratch / "optimized.onnx").graph.node)
