"""One network in every opset from 11 to 21 and with every domain's Q and DQ: all of it claimed, all of it exact."""

from __future__ import annotations

import numpy as np
import pytest
from layer_kinds import DOMAINS, OPSETS
from models import ModelBuilder, Style, expose_quantized
from oracle import evaluate
from sessions import claimed_nodes, run, vaip_session


def network(style: Style) -> ModelBuilder:
    """The operators whose attributes became inputs, or whose meaning changed, between opset 11 and 21."""
    b = ModelBuilder(style, seed=style.opset)
    x = b.input((2, 6, 9, 9))
    x = b.finish(b.conv(x, 8, [3, 3], per_channel=style.opset >= 13, pads=[1, 1, 1, 1]), "Relu6")
    padded = b.q(b.pad(x, [0, 0, 1, 1, 0, 0, 0, 0], "constant", 0.5), x.quant)
    left, right = (b.q(part, padded.quant) for part in b.split(padded, 1, [3, 5]))
    joined = b.q(b.op("Concat", [b.dq(right), b.dq(left)], axis=1))
    scaled = b.q(b.resize(joined, mode="nearest", coordinates="asymmetric", nearest="floor", scales=[1, 1, 2, 2]))
    even = b.q(b.slice(scaled, [-1], [-(2**31)], [-1], [-2]), scaled.quant)
    pooled = b.q(b.op("AveragePool", [b.dq(even)], kernel_shape=[3, 2], strides=[2, 2], ceil_mode=1, pads=[1, 0, 1, 0]))
    b.output(pooled)
    mean = b.q(b.reduce("ReduceMean", pooled, [2, 3], keepdims=True))
    flat = b.q(b.squeeze_or_unsqueeze("Squeeze", mean, [2, 3]), mean.quant)
    b.output(b.q(b.squeeze_or_unsqueeze("Unsqueeze", flat, [1]), flat.quant))
    logits = b.q(b.gemm(flat, 10, trans_b=True))
    b.output(b.q(b.clip(logits, None, 1.0)))
    b.output(b.q(b.softmax(logits, 1)))
    return b


@pytest.mark.parametrize("float_edges", [False, True], ids=["integer_edges", "float_edges"])
@pytest.mark.parametrize("domain", DOMAINS, ids=["onnx", "microsoft", "quark", "vai"])
@pytest.mark.parametrize("opset", sorted(OPSETS))
def test_opset(opset: int, domain: str, float_edges: bool) -> None:
    builder = network(Style(opset=opset, qdq_domain=domain, power_of_two=True, float_edges=float_edges))
    model, feeds = expose_quantized(builder.build()), builder.feeds()
    session = vaip_session(model)
    claimed = claimed_nodes(session)
    assert {"Conv", "Pad", "Split", "Concat", "Resize", "Slice", "AveragePool", "ReduceMean", "Gemm"} <= set(claimed)
    expected = evaluate(model, feeds)
    for output, got in zip(model.graph.output, run(session, feeds), strict=True):
        np.testing.assert_array_equal(got, expected[output.name], err_msg=output.name)


@pytest.mark.parametrize("dtype", ["uint8", "int8"])
def test_opset_10(dtype: str) -> None:
    """The first with QuantizeLinear: Clip and Pad have attributes only, several operators their older forms."""
    b = ModelBuilder(Style(opset=10, power_of_two=True, dtype=dtype))
    x = b.conv(b.input((2, 6, 9, 9)), 8, [3, 3], pads=[1, 1, 1, 1])
    x = b.q(b.op("Clip", [x], min=0.0, max=6.0))
    x = b.q(b.op("Pad", [b.dq(x)], pads=[0, 0, 1, 1, 0, 0, 0, 0], value=0.5), x.quant)
    x = b.q(b.op("MaxPool", [b.dq(x)], kernel_shape=[2, 2], dilations=[2, 1], ceil_mode=1), x.quant)
    x = b.q(b.op("Slice", [b.dq(x), *(b.constant(v, "int64") for v in ([0], [2**31 - 1], [-1], [2]))]), x.quant)
    b.output(b.q(b.op("AveragePool", [b.dq(x)], kernel_shape=[2, 2])))
    mean = b.q(b.reduce("ReduceMean", x, [2, 3], keepdims=False))
    b.output(b.q(b.softmax(b.finish(b.gemm(mean, 10, trans_b=True), "Relu"), 1)))
    model, feeds = b.build(), b.feeds()
    session = vaip_session(model)
    expected = evaluate(model, feeds)
    for output, got in zip(model.graph.output, run(session, feeds), strict=True):
        np.testing.assert_array_equal(got, expected[output.name], err_msg=output.name)


@pytest.mark.parametrize("domain", ["com.microsoft", "com.amd.quark", "com.vai.quantize"])
@pytest.mark.parametrize("dtype", ["uint16", "int16"])
def test_sixteen_bit_activations(dtype: str, domain: str) -> None:
    """A16W8: Q and DQ outside ai.onnx; accumulators beyond 32 bits where the sum demands it."""
    builder = ModelBuilder(Style(qdq_domain=domain, power_of_two=True, dtype=dtype, zero_point="symmetric"))
    x = builder.input((1, 64, 6, 6))
    x = builder.finish(builder.conv(x, 16, [3, 3], pads=[1, 1, 1, 1]), "Relu")
    builder.output(builder.q(builder.op("Add", [builder.dq(x), builder.dq(x)])))
    model, feeds = builder.build(), builder.feeds()
    session = vaip_session(model, fallback=True)
    np.testing.assert_array_equal(run(session, feeds)[0], evaluate(model, feeds)[model.graph.output[0].name])
