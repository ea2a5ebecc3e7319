"""Scripts for vai_q_onnx: as AMD's documentation has them, on Quark; what cannot be mapped says so."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import vaip
import vaip.quantize.vai_q_onnx as vai_q_onnx
from layer_by_layer import check_layers
from onnx import TensorProto, numpy_helper
from vaip.demo.digits import FP32_MODEL, held_out_images, training_images
from vaip.quantize import QuantizeError
from vaip.quantize.vai_q_onnx.options import mapped


class Reader(vai_q_onnx.CalibrationDataReader):  # type: ignore[misc]
    def __init__(self) -> None:
        images, _ = training_images()
        self.rest: Iterator[np.ndarray] = iter(np.split(images[:60], 6))

    def get_next(self) -> dict[str, np.ndarray] | None:
        batch = next(self.rest, None)
        return None if batch is None else {"image": batch}


@pytest.fixture
def needs_quark() -> None:
    pytest.importorskip("quark.onnx", reason="needs the extra: pip install 'vaip[quark]'")


Q, V = vai_q_onnx.QuantType, vai_q_onnx.VitisQuantType
SCRIPTS: dict[str, dict[str, Any]] = {
    "cnn_on_npu": {
        "quant_format": vai_q_onnx.QuantFormat.QDQ,
        "calibrate_method": vai_q_onnx.PowerOfTwoMethod.MinMSE,
        "activation_type": Q.QUInt8,
        "weight_type": Q.QInt8,
        "enable_dpu": True,
        "extra_options": {"ActivationSymmetric": True},
    },
    "cnn_on_ipu": {"enable_ipu_cnn": True, "include_cle": True, "extra_options": {"IPULimitationCheck": True}},
    "cnn_with_relu6": {
        "enable_ipu_cnn": True,
        "enable_dpu": True,
        "include_cle": True,
        "extra_options": {"ReplaceClip6Relu": True, "CLESteps": 1, "CLEScaleAppendBias": True},
    },
    "cnn_of_products_alone": {
        "quant_format": vai_q_onnx.QuantFormat.QDQ,
        "calibrate_method": vai_q_onnx.PowerOfTwoMethod.NonOverflow,
        "op_types_to_quantize": ["Conv", "Gemm", "MatMul"],
        "use_external_data_format": True,
        "enable_ipu_cnn": True,
        "extra_options": {"ActivationSymmetric": True, "WeightSymmetric": True, "QuantizeBias": True},
    },
    "transformer_on_npu": {"calibrate_method": vai_q_onnx.CalibrationMethod.MinMax},
    "int16": {
        "quant_format": vai_q_onnx.VitisQuantFormat.QDQ,
        "calibrate_method": vai_q_onnx.CalibrationMethod.MinMax,
        "activation_type": V.QInt16,
        "weight_type": V.QInt8,
    },
    "bfloat16": {
        "quant_format": vai_q_onnx.VitisQuantFormat.QDQ,
        "activation_type": V.QBFloat16,
        "weight_type": V.QBFloat16,
    },
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_recommended_calls(needs_quark: None, name: str, tmp_path: Path) -> None:
    output = tmp_path / "quantized.onnx"
    vai_q_onnx.quantize_static(str(FP32_MODEL), str(output), Reader(), **SCRIPTS[name])

    session = onnxruntime.InferenceSession(output, providers=["VitisAIEP", "CPUExecutionProvider"])
    images, labels = held_out_images()
    right = session.run(None, {"image": images})[0].argmax(1) == labels
    assert right.mean() > 0.97
    assert vaip.reports()[-1].nodes.cpu == 0
    if name != "bfloat16":
        assert check_layers(name, onnx.load(output), {"image": images[:3]}) == set()


def test_flags_arrive(needs_quark: None, tmp_path: Path) -> None:
    """enable_dpu: scales are powers of two and biases have 8 bits; nodes_to_exclude: a float weight."""
    output = tmp_path / "quantized.onnx"

    def tensors(**arguments: Any) -> dict[str, np.ndarray]:
        vai_q_onnx.quantize_static(str(FP32_MODEL), str(output), Reader(), **arguments)
        return {t.name: numpy_helper.to_array(t) for t in onnx.load(output).graph.initializer}

    npu = tensors(**SCRIPTS["cnn_on_npu"])
    scales = np.array([a for name, a in npu.items() if name.endswith("_scale")])
    np.testing.assert_array_equal(np.log2(scales), np.rint(np.log2(scales)))
    assert npu["conv2.bias_quantized"].dtype == np.int8
    excluded = tensors(nodes_to_exclude=["conv2"], calibrate_method=vai_q_onnx.CalibrationMethod.MinMax)
    assert excluded["conv2.weight"].dtype == np.float32
    scales = np.array([a for name, a in excluded.items() if name.endswith("_scale") and a.ndim == 0])
    assert (np.log2(scales) != np.rint(np.log2(scales))).any()


def test_a_model_may_be_quantized_in_place(needs_quark: None, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(FP32_MODEL.read_bytes())
    vai_q_onnx.quantize_static(path, path, Reader(), **SCRIPTS["cnn_on_npu"])
    assert [node for node in onnx.load(path).graph.node if node.op_type == "QuantizeLinear"]
    assert list(tmp_path.iterdir()) == [path]


def test_random_data_without_a_reader(needs_quark: None, tmp_path: Path) -> None:
    output = tmp_path / "quantized.onnx"
    for shapes in ([2, 1, 8, 8], [[2, 1, 8, 8]], {"image": (2, 1, 8, 8)}):
        vai_q_onnx.quantize_static(str(FP32_MODEL), str(output), random_data_reader_input_shape=shapes)
        kinds = {t.data_type for t in onnx.load(output).graph.initializer}
        assert TensorProto.INT8 in kinds
        output.unlink()
    with pytest.raises(QuantizeError, match="2 shapes"):
        vai_q_onnx.quantize_static(str(FP32_MODEL), str(output), random_data_reader_input_shape=[[1], [1]])
    assert not output.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"quant_format": vai_q_onnx.VitisQuantFormat.FixNeuron}, "FixNeuron cannot be mapped.*QDQ"),
        ({"extra_options": {"CLEStep": 1}}, "'CLEStep'.*did you mean CLESteps"),
        ({"enable_dpu": True, "per_channel": True}, "per_channel"),
        ({"activation_type": V.QInt16}, "needs quant_format"),
        ({"weight_type": Q.QInt16}, "weight_type"),
        ({"calibrate_method": "MinMSE"}, "calibrate_method"),
        ({"quant_format": "QDQ"}, "quant_format"),
    ],
)
def test_what_cannot_be_mapped(needs_quark: None, arguments: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(QuantizeError, match=message):
        vai_q_onnx.quantize_static(str(FP32_MODEL), tmp_path / "q.onnx", Reader(), **arguments)
    assert list(tmp_path.iterdir()) == []


def test_the_npu_needs_static_shapes(needs_quark: None, tmp_path: Path) -> None:
    model = onnx.load(FP32_MODEL)
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_param = "height"
    onnx.save(model, tmp_path / "dynamic.onnx")
    with pytest.raises(QuantizeError, match="static shapes"):
        vai_q_onnx.quantize_static(tmp_path / "dynamic.onnx", tmp_path / "q.onnx", Reader(), enable_dpu=True)


def test_options_that_quark_renamed() -> None:
    options = mapped({"IPULimitationCheck": False, "MinMSEMode": "MostCommon", "AlignPool": False})
    assert options == {"NPULimitationCheck": False, "MinMSEModePof2Scale": "MostCommon", "AlignPool": False}


def test_functions_that_are_not_here_name_others() -> None:
    with pytest.raises(AttributeError, match="vaip sensitivity"):
        vai_q_onnx.dump_model  # noqa: B018
    with pytest.raises(AttributeError, match=r"no 'frobnicate'$"):
        vai_q_onnx.frobnicate  # noqa: B018
