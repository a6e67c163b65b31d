"""Models in a process of their own, which imports nothing of ours: as those run them who only have the file."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from trainwright_trainers.data import Array

BATCHES = (1, 7, 64)

PROGRAM = """
import json, sys
import numpy as np


def run_onnx(path, x):
    import onnxruntime
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: x})[0]


def run_tflite(path, x):
    from ai_edge_litert.interpreter import Interpreter
    model = Interpreter(model_path=path)
    model.allocate_tensors()
    outputs = []
    for sample in x:
        model.set_tensor(model.get_input_details()[0]["index"], sample[None])
        model.invoke()
        outputs.append(model.get_tensor(model.get_output_details()[0]["index"]))
    return np.concatenate(outputs)


def run_pt2(path, x):
    import torch
    return torch.export.load(path).module()(torch.from_numpy(x)).detach().numpy()


def run_torchscript(path, x):
    import torch
    return torch.jit.load(path)(torch.from_numpy(x)).detach().numpy()


def run_saved_model(path, x):
    import tensorflow
    model = tensorflow.saved_model.load(path.rpartition("/")[0])
    return model.signatures["serving_default"](input=tensorflow.constant(x))["output"].numpy()


RUNS = {"onnx": run_onnx, "tflite": run_tflite, "pt2": run_pt2, "pt": run_torchscript, "pb": run_saved_model}
files, inputs, sizes, target = json.loads(sys.argv[1]), np.load(sys.argv[2]), json.loads(sys.argv[3]), sys.argv[4]
found = {}
for name, path in files.items():
    run = RUNS[path.rpartition(".")[2]]
    found |= {f"{name}-{size}": run(path, inputs[:size]) for size in sizes}
assert not [name for name in sys.modules if name.startswith("trainwright")]
np.savez(target, **found)
"""


def fresh_outputs(
    files: Mapping[str, Path], inputs: Array, folder: Path, sizes: tuple[int, ...] = BATCHES
) -> dict[str, Array]:
    """What each file's own runtime gives for the first inputs, by `<name>-<batch size>`.

    Args:
        files: models by name; how a file is run follows from its ending.
        inputs: [samples, ...], as many as the largest batch at least.
        folder: for the process to work in; it must not hold this repository.
        sizes: of the batches.
    """
    np.save(folder / "inputs.npy", inputs)
    paths = json.dumps({name: str(path) for name, path in files.items()})
    command = [sys.executable, "-c", PROGRAM, paths, "inputs.npy", json.dumps(sizes), "found.npz"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return dict(np.load(folder / "found.npz"))
