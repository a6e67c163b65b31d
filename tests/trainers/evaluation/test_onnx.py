"""ONNX models of any origin are measured; those that could read other files are refused."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from trainwright.api.steps import Factory
from trainwright_trainers.evaluation.onnx import onnx_signatures, onnx_subject, open_onnx, read_onnx
from trainwright_trainers.runtime.artifacts import Artifact, ArtifactError, Description, write_artifact

WEIGHT = np.array([[1, 0, 2], [0, 3, 0]], np.float32)


def linear(batch: int | str = "batch", *, inputs: int = 1) -> onnx.ModelProto:
    """y = x W, where W is 2 x 3 with half of it zero; x + x W for two inputs."""
    names = [f"x{index}" for index in range(inputs)]
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x0", "w"], ["y"])],
        "linear",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [batch, 2]) for name in names],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [batch, 3])],
        [numpy_helper.from_array(WEIGHT, "w")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def stored(directory: Path, model: onnx.ModelProto) -> Path:
    directory.mkdir(exist_ok=True)
    onnx.save(model, directory / "model.onnx")
    return directory / "model.onnx"


def artifact(path: Path) -> Artifact:
    description = Description(name="onnx", format="onnx", model=Factory(factory="a:b"), inputs=[])
    return write_artifact(path.parent, description)


def test_model_gives_its_outputs_on_float_and_double_inputs(tmp_path: Path) -> None:
    predict = open_onnx(stored(tmp_path, linear()), threads=1)
    batch = np.random.default_rng(0).normal(size=(7, 2))
    np.testing.assert_allclose(predict(batch), batch @ WEIGHT, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(predict(batch.astype(np.float32)), batch @ WEIGHT, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("size", [1, 2, 6])
def test_model_with_a_fixed_batch_gets_portions(tmp_path: Path, size: int) -> None:
    predict = open_onnx(stored(tmp_path, linear(batch=size)), threads=1)
    batch = np.random.default_rng(0).normal(size=(6, 2)).astype(np.float32)
    np.testing.assert_allclose(predict(batch), batch @ WEIGHT, rtol=1e-5, atol=1e-6)


def test_weights_are_counted_without_scales_and_shapes(tmp_path: Path) -> None:
    model = linear()
    quantized = [
        helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["w"], axis=1),
        helper.make_node("Reshape", ["y", "shape"], ["z"]),
    ]
    model.graph.node.insert(0, quantized[0])
    model.graph.node.append(quantized[1])
    del model.graph.initializer[:]
    del model.graph.output[:]
    model.graph.output.append(helper.make_tensor_value_info("z", TensorProto.FLOAT, ["batch", 3]))
    constants = {
        "q": WEIGHT.astype(np.int8),
        "scale": np.ones(3, np.float32),
        "zero": np.zeros(3, np.int8),
        "shape": np.array([-1, 3]),
    }
    model.graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in constants.items())
    subject = onnx_subject(artifact(stored(tmp_path, model)))
    (weights,) = subject.weights()
    np.testing.assert_array_equal(weights, WEIGHT)
    assert subject.size_bytes == (tmp_path / "model.onnx").stat().st_size
    assert subject.open(1)(np.ones((2, 2), np.float32)).tolist() == [[1, 3, 2]] * 2


def test_signature_calls_a_first_dimension_without_size_batch() -> None:
    inputs, outputs = onnx_signatures(linear(batch="N"))
    assert (inputs[0].name, inputs[0].dtype, inputs[0].shape) == ("x0", "float32", ["batch", 2])
    assert outputs[0].shape == ["batch", 3]


def in_another_file(tensor: onnx.TensorProto) -> None:
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../secret")


@pytest.mark.parametrize("place", ["initializer", "constant", "branch"])
def test_model_whose_weights_are_in_another_file_is_refused(tmp_path: Path, place: str) -> None:
    model = linear()
    (tmp_path / "secret").write_bytes(WEIGHT.tobytes())
    weight = model.graph.initializer.pop()
    in_another_file(weight)
    constant = helper.make_node("Constant", [], ["w"], value=weight)
    if place == "initializer":
        model.graph.initializer.append(weight)
    elif place == "constant":
        model.graph.node.insert(0, constant)
    else:
        branch = helper.make_graph([constant], "b", [], [helper.make_tensor_value_info("w", TensorProto.FLOAT, [2, 3])])
        model.graph.node.insert(0, helper.make_node("If", ["yes"], ["w"], then_branch=branch, else_branch=branch))
        model.graph.initializer.append(numpy_helper.from_array(np.array(True), "yes"))
    path = tmp_path / "artifact" / "model.onnx"
    path.parent.mkdir()
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ArtifactError, match="further files"):
        read_onnx(path)
    with pytest.raises(ArtifactError, match="further files"):
        onnx_subject(artifact(path))


@pytest.mark.parametrize("content", [b"", b"not onnx at all", b"\x80\x04\x95pickle"])
def test_file_that_is_not_onnx_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.onnx").write_bytes(content)
    with pytest.raises(ArtifactError, match="not a valid ONNX model"):
        read_onnx(tmp_path / "model.onnx")


def test_model_against_the_standard_is_refused(tmp_path: Path) -> None:
    model = linear()
    model.graph.node[0].op_type = "MatMuul"
    with pytest.raises(ArtifactError, match="not a valid ONNX model"):
        read_onnx(stored(tmp_path, model))


def test_model_with_two_inputs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="one input and one output"):
        open_onnx(stored(tmp_path, linear(inputs=2)), threads=1)
