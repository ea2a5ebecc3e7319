"""The oracle against two opinions that it shares no code with: onnxruntime's CPU EP and onnx's reference evaluator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from layer_kinds import KINDS, draw_layer, draw_style, examples
from models import ModelBuilder, Quant, scale_of
from onnx.reference import ReferenceEvaluator
from oracle import evaluate
from oracle.linear import exact_matmul
from sessions import Tally, cpu_session, run

# Both other implementations take means and variances in float32, whose error exceeds a step of 16 bits.
MEASURED_IN_FLOAT32 = {"layer_norm", "instance_norm", "group_norm", "batch_norm", "lp_norm"}


def _check_layers(
    kind: str, compute: Callable[[onnx.ModelProto, dict[str, np.ndarray]], list[np.ndarray]], **style: Any
):
    """Random layers of the kind: at most one step from the other implementation's result."""

    @examples(30)
    @given(st.data())
    def check(data: st.DataObject) -> None:
        draw = data.draw
        builder = ModelBuilder(
            draw_style(draw, power_of_two=draw(st.booleans()), **style), seed=draw(st.integers(0, 999))
        )
        edges = draw_layer(draw, builder, kind)
        if kind in MEASURED_IN_FLOAT32 and builder.style.dtype in ("int16", "uint16"):
            return
        model, feeds = builder.build(), builder.feeds()
        expected = evaluate(model, feeds)
        for output, edge, got in zip(model.graph.output, edges, compute(model, feeds), strict=True):
            Tally().add(expected[output.name], got, output.name, equal=False, scale=scale_of(edge))

    check()


@pytest.mark.parametrize("kind", KINDS)
def test_agrees_with_the_cpu_ep(kind: str) -> None:
    _check_layers(kind, lambda model, feeds: run(cpu_session(model), feeds), domains=("", "com.microsoft"))


# Where onnx's reference strays from the specification: it fails on MaxPool with auto_pad, on negative pads and on
# ConvTranspose with output_shape, and its align_corners takes the unrounded product of size and scale for the resized
# length. Its GatherElements wants indices of the data's size in all other dimensions. Its QuantizeLinear wraps around
# beyond 32 bits, which products reach; squares of small numbers vanish in its LpNormalization; and with ceil_mode the
# windows of its AveragePool begin half a window early. Its Conv forgets the dilations of auto_pad VALID, and fails on
# SAME where strides exceed the kernel.
NOT_BY_REFERENCE = {
    *(
        "average_pool",
        "conv",
        "conv_transpose",
        "depthwise_conv",
        "gather_elements",
        "lp_norm",
        "max_pool",
        "pad",
        "reduce",
        "resize",
    ),
}


@pytest.mark.parametrize("kind", [k for k in KINDS if k not in NOT_BY_REFERENCE])
def test_agrees_with_the_reference_evaluator(kind: str) -> None:
    # The reference has Q and DQ from opset 19 on, in ONNX's domain only.
    _check_layers(
        kind, lambda model, feeds: ReferenceEvaluator(model).run(None, feeds), opsets=(19, 20, 21), domains=("",)
    )


def test_accumulates_in_integers_and_rounds_once_half_to_even() -> None:
    """Hand-computed: steps of 0.5, 1.5, 2.5, -0.5 and a saturated one; a bias; a zero point."""
    builder = ModelBuilder()
    x = builder.input((5, 2), Quant(0.5, 10, "uint8"))
    weights = builder.op(
        "DequantizeLinear",
        [builder.constant([[1], [2]], "int8"), builder.constant(0.5), builder.constant(0, "int8")],
    )
    bias = builder.op("DequantizeLinear", [builder.constant([1], "int32"), builder.constant(0.25)])
    # real = ((x0 - 10) + 2 (x1 - 10) + 1) / 4, quantized with scale 0.5 and zero point 3
    builder.output(builder.q(builder.op("Gemm", [builder.dq(x), weights, bias]), Quant(0.5, 3, "uint8")))
    model = builder.build()
    feeds = {x.name: np.array([[10, 10], [10, 11], [12, 11], [8, 10], [255, 255]], np.uint8)}
    steps = np.array([[0], [2], [2], [0], [252]])  # 0.5, 1.5, 2.5, -0.5, 368
    np.testing.assert_array_equal(evaluate(model, feeds)[model.graph.output[0].name], (steps + 3).astype(np.uint8))


def test_a_tensor_that_stays_float_is_rounded_to_float32_before_its_next_reader() -> None:
    """Two readers of an activation: Q sees float32, not the layer's real number."""
    builder = ModelBuilder()
    third = float(np.float32(1 / 3))
    x = builder.input((1, 1), Quant(third, 0, "uint8"))
    y = builder.op("Mul", [builder.dq(x), builder.dq(x)])
    builder.output(builder.q(y, Quant(third, 0, "uint8")))
    builder.float_output(y)
    model = builder.build()
    values = evaluate(model, {x.name: np.array([[7]], np.uint8)})
    np.testing.assert_array_equal(values[y], np.float32([[49.0 * third * third]]))
    np.testing.assert_array_equal(values[model.graph.output[0].name], np.rint(values[y] / np.float32(third)))


@pytest.mark.parametrize("bits", [52, 54])
def test_integer_products_are_exact_beyond_float64(bits: int) -> None:
    a = np.array([[2 ** (bits // 2), 1]], np.int64)
    b = np.array([[2 ** (bits // 2)], [1]], np.int64)
    assert exact_matmul(a, b)[0, 0] == 2**bits + 1
