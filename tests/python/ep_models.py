"""The models that the EP's tests run, what they yield, and sessions on them."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import vaip
from models import Edge, ModelBuilder, Style
from onnx import TensorProto, helper
from oracle import evaluate
from sessions import vaip_options

CPU = "CPUExecutionProvider"
RUNTIME_ERRORS = (
    ort.capi.onnxruntime_pybind11_state.Fail,
    ort.capi.onnxruntime_pybind11_state.InvalidArgument,
    ort.capi.onnxruntime_pybind11_state.InvalidGraph,
    ort.capi.onnxruntime_pybind11_state.NotImplemented,
    ort.capi.onnxruntime_pybind11_state.RuntimeException,
)


def convolution(builder: ModelBuilder, batch: int = 2) -> Edge:
    x = builder.input([batch, 4, 6, 6])
    return builder.finish(builder.conv(x, 8, [3, 3], pads=[1, 1, 1, 1]), "Relu")


def network(**style: Any) -> ModelBuilder:
    """Conv, Relu and a global pool: the model that most of these tests run."""
    builder = ModelBuilder(Style(power_of_two=True, **style), seed=3)
    pooled = builder.op("GlobalAveragePool", [builder.dq(convolution(builder))])
    builder.output(builder.q(pooled))
    return builder


def network_with_unclaimed_node() -> ModelBuilder:
    builder = ModelBuilder(Style(float_edges=True), seed=4)
    convolved = builder.dq(convolution(builder))
    builder.nodes.append(helper.make_node("Hardmax", [convolved], ["picked"], name="the_hardmax", axis=1))
    builder.outputs.append(helper.make_tensor_value_info("picked", TensorProto.FLOAT, [None] * 4))
    return builder


def with_function(builder: ModelBuilder) -> onnx.ModelProto:
    """The same model, its Relu in a model-local function: onnxruntime offers the graph again once that is inlined."""
    model = builder.build()
    for node in model.graph.node:
        if node.op_type == "Relu":
            node.op_type, node.domain = "Rectify", "local"
    body = [helper.make_node("Relu", ["a"], ["b"])]
    opsets = [helper.make_opsetid("", builder.style.opset)]
    model.functions.append(helper.make_function("local", "Rectify", ["a"], ["b"], body, opsets))
    model.opset_import.append(helper.make_opsetid("local", 1))
    return model


def expected_of(builder: ModelBuilder, feeds: dict[str, np.ndarray] | None = None) -> np.ndarray:
    model = builder.build()
    return evaluate(model, feeds or builder.feeds())[model.graph.output[0].name]


def session_of(
    model: onnx.ModelProto | bytes | str,
    providers: list[Any],
    config: dict[str, str] | None = None,
) -> ort.InferenceSession:
    options = vaip_options(fallback=True)
    for key, value in (config or {}).items():
        options.add_session_config_entry(key, value)
    source = model.SerializeToString() if isinstance(model, onnx.ModelProto) else model
    session = ort.InferenceSession(source, options, providers=providers)
    session.disable_fallback()
    return session


def newest_report() -> dict[str, Any]:
    return vaip.reports()[-1].to_dict()


def with_batch(builder: ModelBuilder, batch: int, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed + batch)
    return {
        name: rng.integers(0, 256, (batch, *value.shape[1:])).astype(value.dtype)
        for name, value in builder.feeds().items()
    }
