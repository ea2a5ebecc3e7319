"""What VitisAIEP claims of models with the operators of com.amd.quark and com.vai.quantize."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import vaip
from ep_models import CPU, RUNTIME_ERRORS
from models import ModelBuilder, Style
from onnx import TensorProto, helper, numpy_helper
from oracle import evaluate
from quark_models import DOMAINS, bfloat16, check_session, cpu_run, dq_node, network, q_node, tensor, vaip_operators
from sessions import EP_NAME, claimed_nodes, run, vaip_options, vaip_session


@pytest.mark.parametrize("domain", DOMAINS)
def test_the_default_axis_is_the_first(domain: str) -> None:
    builder = ModelBuilder(Style(qdq_domain=domain, power_of_two=True), seed=2)
    x = builder.input((2, 4, 5, 5))
    rng = np.random.default_rng(0)
    weights = [
        builder.constant(rng.integers(-128, 128, (3, 4, 1, 1)), "int8"),
        builder.constant(2.0 ** rng.integers(-7, -3, 3)),
        builder.constant(np.zeros(3), "int8"),
    ]
    builder.output(builder.q(builder.op("Conv", [builder.dq(x), builder.dq_node(weights)])))
    model, feeds = builder.build(), builder.feeds()
    expected = evaluate(model, feeds)[model.graph.output[0].name]
    np.testing.assert_array_equal(run(vaip_session(model), feeds)[0], expected)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16"])
@pytest.mark.parametrize("domain", DOMAINS)
def test_networks_of_every_integer_type_are_claimed(domain: str, dtype: str) -> None:
    builder = network(domain, dtype=dtype)
    session = vaip_session(builder.build())
    assert {"Conv", "Relu"} <= set(claimed_nodes(session))
    check_session(session, builder)


BAD_FORMS: dict[str, tuple[dict[str, Any], str]] = {
    "the zero point's type": ({"zero": np.int8(3)}, "the zero point is int8, the tensor uint8"),
    "a blocked scale": ({"scale": np.full((1, 3, 1, 1), 0.5, np.float32)}, "blocked quantization (a scale of rank 4)"),
    "a scale that is not positive": ({"scale": np.float32(0)}, "it must be positive"),
    "two scales, one zero point": ({"scale": np.float32([0.5, 0.5])}, "has 1 elements, its scale 2"),
    "an axis that is not there": (
        {"scale": np.full(3, 0.5, np.float32), "zero": np.zeros(3, np.uint8), "axis": 4},
        "axis 4 is outside a tensor of rank 4",
    ),
}


@pytest.mark.parametrize("case", BAD_FORMS)
def test_forms_that_do_not_fit_have_a_reason(case: str) -> None:
    """Their schemas say nothing of types and shapes: the model loads."""
    values, reason = BAD_FORMS[case]
    values = {"scale": np.float32(0.5), "zero": np.uint8(3), **values}
    builder = ModelBuilder(Style(qdq_domain="com.amd.quark"), seed=2)
    x = builder.input((1, 3, 4, 4))
    for name in ("scale", "zero"):
        builder.initializers[name] = numpy_helper.from_array(values[name], name)
    real = builder.dq_node([x.name, "scale", "zero"], values.get("axis"))
    builder.nodes.append(helper.make_node("Sigmoid", [real], ["y"], name="sigmoid"))
    builder.outputs.append(helper.make_tensor_value_info("y", TensorProto.FLOAT, x.shape))
    session = vaip_session(builder.build(), fallback=True)
    assert claimed_nodes(session) == []
    reasons = {node.name: node.reason for node in vaip.reports()[-1].unclaimed}
    assert reason in reasons["sigmoid"], reasons


@pytest.mark.parametrize("kind", ["float16", "bfloat16"])
def test_sixteen_bit_floats_stay_with_the_cpu(kind: str) -> None:
    """bfloat16 without the conversion of floats, for which a model without weights has to ask."""
    elem_type = TensorProto.FLOAT16 if kind == "float16" else TensorProto.BFLOAT16
    nodes = [
        q_node("com.amd.quark"),
        dq_node("com.amd.quark"),
        helper.make_node("Relu", ["y"], ["r"], name="relu"),
    ]
    x = np.float32([[-1.5, 1.0009765625, 3.0, 0.1]])
    parameters = [tensor("s", np.array(1.0), TensorProto.FLOAT), tensor("z", np.array(0.0), elem_type)]
    graph = helper.make_graph(
        nodes,
        "floats",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape)],
        [helper.make_tensor_value_info("r", TensorProto.FLOAT, x.shape)],
        parameters,
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.amd.quark", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    session = ort.InferenceSession(model.SerializeToString(), vaip_options(fallback=True), providers=[EP_NAME, CPU])
    expected = x.astype(np.float16).astype(np.float32) if kind == "float16" else bfloat16(x)
    np.testing.assert_array_equal(session.run(None, {"x": x})[0], np.maximum(expected, 0))
    reasons = [node.reason for node in vaip.reports()[-1].unclaimed]
    assert any(reason.startswith(f"quantizes to {kind}, which is not supported") for reason in reasons), reasons


def test_block_formats_are_not_registered() -> None:
    node = helper.make_node("BFPQuantizeDequantize", ["x"], ["y"], domain="com.amd.quark")
    with pytest.raises(RUNTIME_ERRORS, match="BFPQuantizeDequantize"):
        cpu_run([node], [], np.ones((1, 8), np.float32), ("y", TensorProto.FLOAT), vaip_operators())


def test_a_model_that_quark_quantized(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A8W8 and A16W8: activations of 8 and 16 bits, 8-bit weights, int32 biases, float scales."""
    pytest.importorskip("quark.onnx")
    monkeypatch.chdir(tmp_path)  # Quark leaves a table of what it did
    from onnxruntime.quantization import CalibrationDataReader
    from quark.onnx import ModelQuantizer
    from quark.onnx.quantization.config import Config, get_default_config

    rng = np.random.default_rng(3)
    images = [rng.normal(size=(1, 3, 8, 8)).astype(np.float32) for _ in range(8)]

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.remaining = list(images)

        def get_next(self) -> dict[str, np.ndarray] | None:
            return {"x": self.remaining.pop()} if self.remaining else None

    weights = {
        "w1": rng.normal(0, 0.2, (8, 3, 3, 3)),
        "b1": rng.normal(0, 0.2, 8),
        "w2": rng.normal(0, 0.2, (8, 8, 3, 3)),
        "b2": rng.normal(0, 0.2, 8),
    }
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["x", "w1", "b1"], ["c1"], pads=[1, 1, 1, 1], name="c1"),
            helper.make_node("Relu", ["c1"], ["r1"], name="r1"),
            helper.make_node("Conv", ["r1", "w2", "b2"], ["c2"], pads=[1, 1, 1, 1], name="c2"),
            helper.make_node("Add", ["c2", "r1"], ["a"], name="a"),
            helper.make_node("GlobalAveragePool", ["a"], ["y"], name="p"),
        ],
        "residual",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 8, 1, 1])],
        [numpy_helper.from_array(w.astype(np.float32), name) for name, w in weights.items()],
    )
    source, target = tmp_path / "float.onnx", tmp_path / "quantized.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), source)
    for preset in ("A8W8", "A16W8"):
        config = Config(global_quant_config=get_default_config(preset))
        ModelQuantizer(config).quantize_model(str(source), str(target), Reader())
        for model in (onnx.load(target), in_quarks_domain(onnx.load(target))):
            session = vaip_session(model)
            expected = evaluate(model, {"x": images[0]})["y"]
            error = np.abs(session.run(None, {"x": images[0]})[0] - expected).max()
            largest = max(numpy_helper.to_array(t).max() for t in model.graph.initializer if t.name.endswith("_scale"))
            assert error <= 1.01 * largest, preset


def in_quarks_domain(model: onnx.ModelProto) -> onnx.ModelProto:
    """As Quark wrote it before it took com.microsoft's operators for the types that they know."""
    for node in model.graph.node:
        if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            assert len(node.input) == 3
            node.domain, node.op_type = "com.amd.quark", "Extended" + node.op_type
    if "com.amd.quark" not in {o.domain for o in model.opset_import}:
        model.opset_import.append(helper.make_opsetid("com.amd.quark", 1))
    return model
