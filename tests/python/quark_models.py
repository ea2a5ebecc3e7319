"""Nodes, models and sessions of the operators of com.amd.quark and com.vai.quantize."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import vaip
from ep_models import CPU, newest_report
from models import ModelBuilder, Style
from onnx import TensorProto, helper, numpy_helper
from oracle import evaluate

DOMAINS = {"com.amd.quark": "Extended", "com.vai.quantize": "Vitis"}
INTEGERS = ("uint8", "int8", "uint16", "int16", "uint32", "int32")


def quark_options() -> ort.SessionOptions:
    """Session options with Quark's own library."""
    quark = pytest.importorskip("quark.onnx")
    options = ort.SessionOptions()
    options.register_custom_ops_library(quark.get_library_path())
    return options


def vaip_operators() -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.register_custom_ops_library(vaip.get_library_path())
    return options


LIBRARIES = {"vaip": vaip_operators, "quark": quark_options}


def tensor(name: str, array: np.ndarray, elem_type: int) -> onnx.TensorProto:
    """An initializer; bfloat16 from float32 values that it holds exactly."""
    if elem_type == TensorProto.BFLOAT16:
        bits = (array.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)
        return helper.make_tensor(name, elem_type, array.shape, bits.tobytes(), raw=True)
    return numpy_helper.from_array(array.astype(helper.tensor_dtype_to_np_dtype(elem_type)), name)


def cpu_run(
    op_nodes: Sequence[onnx.NodeProto],
    initializers: Sequence[onnx.TensorProto],
    x: np.ndarray,
    output: tuple[str, int],
    options: ort.SessionOptions,
    shape: Any = "known",
) -> np.ndarray:
    declared = list(x.shape) if shape == "known" else shape
    graph = helper.make_graph(
        list(op_nodes),
        "operators",
        [helper.make_tensor_value_info("x", helper.np_dtype_to_tensor_dtype(x.dtype), declared)],
        [helper.make_tensor_value_info(*output, None)],
        list(initializers),
    )
    opsets = [helper.make_opsetid("", 17), *(helper.make_opsetid(domain, 1) for domain in DOMAINS)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    options.log_severity_level = 4
    return ort.InferenceSession(model.SerializeToString(), options, providers=[CPU]).run(None, {"x": x})[0]


def q_node(domain: str, axis: int | None = None) -> onnx.NodeProto:
    attributes = {} if axis is None else {"axis": axis}
    return helper.make_node(DOMAINS[domain] + "QuantizeLinear", ["x", "s", "z"], ["q"], domain=domain, **attributes)


def dq_node(domain: str, axis: int | None = None, source: str = "q") -> onnx.NodeProto:
    attributes = {} if axis is None else {"axis": axis}
    op = DOMAINS[domain] + "DequantizeLinear"
    return helper.make_node(op, [source, "s", "z"], ["y"], domain=domain, **attributes)


def expand(parameter: np.ndarray, rank: int, axis: int | None) -> np.ndarray:
    """Per-channel parameters along `axis`, which Quark takes for 0 where a node has none."""
    if parameter.size == 1:
        return parameter.reshape(())
    return parameter.reshape([-1 if d == (axis or 0) % rank else 1 for d in range(rank)])


def bfloat16(x: np.ndarray) -> np.ndarray:
    """Rounded half to even, as float32."""
    bits = x.astype(np.float32).view(np.uint32).astype(np.uint64)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16 << 16).astype(np.uint32).view(np.float32)


def network(domain: str = "com.amd.quark", **style: Any) -> ModelBuilder:
    builder = ModelBuilder(Style(qdq_domain=domain, power_of_two=True, **style), seed=7)
    x = builder.input((2, 3, 6, 6))
    builder.output(builder.finish(builder.conv(x, 8, [3, 3], per_channel=True), "Relu"))
    return builder


def check_session(session: ort.InferenceSession, builder: ModelBuilder) -> None:
    model, feeds = builder.build(), builder.feeds()
    np.testing.assert_array_equal(session.run(None, feeds)[0], evaluate(model, feeds)[model.graph.output[0].name])
    assert newest_report()["clusters"]
