"""The numerics "xdna": every element as the oracle computes it in Python's integers, in every rounding mode."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import vaip
from hypothesis import assume, given
from hypothesis import strategies as st
from layer_kinds import examples
from onnx import TensorProto, helper
from oracle import xdna
from oracle.xdna import Params
from sessions import claimed_nodes, run, vaip_session
from xdna_kinds import ARITHMETIC, arithmetic, conv, gemm, product_of_activations, relu, requantize
from xdna_layer import Case, Draw, OneLayer, Stored
from xdna_selection_kinds import SELECTION

KINDS = (*ARITHMETIC, *SELECTION)


def check_equal(got: Stored, expected: Stored, what: str) -> None:
    assert got.dtype == expected.dtype
    np.testing.assert_array_equal(got, expected, err_msg=what)


def check_kind(kind: Callable[[Draw, bool, str], Case], mode: str, count: int) -> None:
    @examples(count)
    @given(st.data())
    def check(data: st.DataObject) -> None:
        exact = data.draw(st.booleans(), label="scales are powers of two")
        layer, expected = kind(data.draw, exact, mode)
        check_equal(layer.run("xdna", mode), expected, f"{kind.__name__}, {mode}")

    check()


@pytest.mark.parametrize("mode", xdna.MODES)
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_layer(kind: Callable[[Draw, bool, str], Case], mode: str) -> None:
    check_kind(kind, mode, 12)


@pytest.mark.timeout(3600)
@pytest.mark.slow
@pytest.mark.parametrize("mode", xdna.MODES)
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_layer_thousands(kind: Callable[[Draw, bool, str], Case], mode: str) -> None:
    check_kind(kind, mode, 250)


@pytest.mark.parametrize("mode", xdna.MODES)
def test_quantize_of_a_float_input(mode: str) -> None:
    p = Params(0.25, 3, "int8")
    ties = (np.arange(-300, 300) / 2).astype(np.float32) * np.float32(p.scale)
    x = np.concatenate([ties, ties + np.float32(1e-3), np.float32([0.0, -0.0, 1e-30, -1e-30])])[None]
    layer = OneLayer()
    layer.inputs.append(helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape))
    layer.data.append(x)
    stored = layer.node("QuantizeLinear", ["x", layer.constant(np.float32(p.scale)), layer.constant(np.int8(3))])
    y = layer.node("Relu", [layer.dequantized(stored, p.scale, np.int8(3))])
    expected = np.maximum(xdna.quantize(x, p, mode), 3)
    check_equal(layer.ends(y, p).run("xdna", mode), expected, mode)


@pytest.mark.parametrize("kind", [conv, gemm, product_of_activations, arithmetic, requantize, relu])
def test_half_to_even_is_onnx_where_scales_are_powers_of_two(kind: Callable[[Draw, bool, str], Case]) -> None:
    """The same accumulators, factor and rounding; only a bias that is no multiple of the accumulators' unit differs."""

    @examples(25)
    @given(st.data())
    def check(data: st.DataObject) -> None:
        layer, _ = kind(data.draw, True, "conv_even")
        assume(not layer.has_fractional_bias)
        check_equal(layer.run("xdna", "conv_even"), layer.run("onnx", "conv_even"), kind.__name__)

    check()


def test_session_options_reach_the_kernels() -> None:
    """Of the provider, of the file, and AMD's flag: the same model, rounded up and to even at a tie."""
    layer = OneLayer()
    p = Params(1.0, 0, "int8")
    x = np.array([[1, 3, 5, -1, -3]], np.int8)
    y = Params(2.0, 0, "int8")
    model = layer.ends(layer.node("Relu", [layer.activation(x, p)]), y).model()
    for options, expected in (
        ({}, [0, 2, 2, 0, 0]),
        ({"numerics": "xdna"}, [1, 2, 3, 0, 0]),
        ({"numerics": "xdna", "rounding": "floor"}, [0, 1, 2, 0, 0]),
        ({"numerics": "xdna", "xlnx_enable_py3_round": "1"}, [0, 2, 2, 0, 0]),
        ({"numerics": "xdna", "xlnx_enable_py3_round": "1", "rounding": "ceil"}, [1, 2, 3, 0, 0]),
        ({"rounding": "ceil"}, [0, 2, 2, 0, 0]),
    ):
        session = vaip_session(model, options, optimize=False)
        assert claimed_nodes(session)
        assert run(session, {"x0": x})[0].tolist() == [expected], options


def test_reports_name_the_numerics() -> None:
    p = Params(1.0, 0, "int8")
    layer = OneLayer()
    model = layer.ends(layer.node("Relu", [layer.activation(np.zeros((1, 4), np.int8), p)]), p).model()
    for options, numerics, rounding in (
        ({}, "onnx", None),
        ({"rounding": "ceil"}, "onnx", None),  # of numerics that are not used
        ({"numerics": "xdna"}, "xdna", "positive_inf"),
        ({"numerics": "xdna", "rounding": "floor"}, "xdna", "floor"),
    ):
        session = vaip_session(model, options, optimize=False)
        report = vaip.reports()[-1]
        assert (report.numerics, report.rounding) == (numerics, rounding), options
        del session
