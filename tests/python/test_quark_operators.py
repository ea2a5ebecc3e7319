"""The operators of com.amd.quark and com.vai.quantize: their kernels for the CPU."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from ep_models import RUNTIME_ERRORS
from hypothesis import given
from hypothesis import strategies as st
from layer_kinds import examples
from onnx import TensorProto, helper, numpy_helper
from quark_models import (
    DOMAINS,
    INTEGERS,
    LIBRARIES,
    bfloat16,
    cpu_run,
    dq_node,
    expand,
    q_node,
    tensor,
    vaip_operators,
)


def draw_parameters(draw: Callable[..., Any], rng: np.random.Generator, shape: tuple[int, ...], axis: int | None):
    channels = 1 if draw(st.booleans()) else shape[(axis or 0) % len(shape)]
    scales = rng.uniform(0.01, 2.0, channels).astype(np.float32)
    return scales, (() if channels == 1 and draw(st.booleans()) else (channels,))


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("dtype", INTEGERS)
def test_integers_follow_the_definition(dtype: str, domain: str) -> None:
    """saturate(rint(x / s) + z) in float32, and (q - z) * s."""
    limits = np.iinfo(dtype)
    elem_type = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))

    @examples(25)
    @given(st.data())
    def check(data: st.DataObject) -> None:
        draw = data.draw
        rng = np.random.default_rng(draw(st.integers(0, 2**16)))
        shape = tuple(draw(st.lists(st.integers(1, 6), min_size=1, max_size=4)))
        axis = draw(st.sampled_from([None, *range(-len(shape), len(shape))]))
        scales, parameter_shape = draw_parameters(draw, rng, shape, axis)
        zeros = rng.integers(limits.min, limits.max, scales.size, endpoint=True).astype(dtype)
        s, z = expand(scales, len(shape), axis), expand(zeros, len(shape), axis)
        steps = rng.integers(-(2**18), 2**18, shape) / 2 if limits.bits > 8 else rng.integers(-700, 700, shape) / 2
        x = (steps * s).astype(np.float32)
        parameters = [
            tensor("s", scales.reshape(parameter_shape), TensorProto.FLOAT),
            tensor("z", zeros.reshape(parameter_shape), elem_type),
        ]
        q = np.clip(np.rint(x / s).astype(np.float64) + z.astype(np.float64), limits.min, limits.max).astype(dtype)
        got = cpu_run([q_node(domain, axis)], parameters, x, ("q", elem_type), vaip_operators())
        np.testing.assert_array_equal(got, q)
        y = (q.astype(np.int64) - z.astype(np.int64)).astype(np.float32) * s
        nodes = [dq_node(domain, axis, "x")]
        np.testing.assert_array_equal(cpu_run(nodes, parameters, q, ("y", TensorProto.FLOAT), vaip_operators()), y)

    check()


@pytest.mark.parametrize("dtype", INTEGERS)
def test_what_no_type_holds_saturates(dtype: str) -> None:
    limits = np.iinfo(dtype)
    elem_type = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    x = np.array([np.inf, -np.inf, 3e38, -3e38, 1e19, -1e19, -0.0, 1e-40], np.float32)
    parameters = [tensor("s", np.array(0.5), TensorProto.FLOAT), tensor("z", np.array(1), elem_type)]
    got = cpu_run([q_node("com.amd.quark")], parameters, x, ("q", elem_type), vaip_operators())
    np.testing.assert_array_equal(got, [limits.max, limits.min] * 3 + [1, 1])


# Ties in both directions, the largest numbers, what lies beyond them, subnormals, zeros of both signs.
HALF_CASES = np.concatenate(
    [
        np.float32([1 + 2**-11, 1 + 3 * 2**-11, 65504, 65519.99, 65520, 1e30, -1e30, 0.0, -0.0, np.inf, -np.inf]),
        np.float32(2.0) ** np.arange(-30, 17, dtype=np.float32),
        np.random.default_rng(0).normal(0, 1, 500).astype(np.float32),
        np.random.default_rng(1).normal(0, 1e-6, 500).astype(np.float32),
    ]
)


def test_float16_is_a_conversion() -> None:
    """Quark's kernel saturates and converts: it applies neither scale nor zero point."""
    parameters = [tensor("s", np.array(0.5), TensorProto.FLOAT), tensor("z", np.array(0), TensorProto.FLOAT16)]
    q = np.clip(HALF_CASES, -65504, 65504).astype(np.float16)
    for domain in DOMAINS:
        got = cpu_run([q_node(domain)], parameters, HALF_CASES, ("q", TensorProto.FLOAT16), vaip_operators())
        np.testing.assert_array_equal(got.view(np.uint16), q.view(np.uint16))
        nodes = [dq_node(domain, source="x")]
        y = cpu_run(nodes, parameters, q, ("y", TensorProto.FLOAT), vaip_operators())
        np.testing.assert_array_equal(y, q.astype(np.float32))
    every = np.arange(2**16, dtype=np.uint16).view(np.float16)
    numbers = every[~np.isnan(every)]
    y = cpu_run([dq_node("com.amd.quark", source="x")], parameters, numbers, ("y", TensorProto.FLOAT), vaip_operators())
    np.testing.assert_array_equal(y, numbers.astype(np.float32))


def test_bfloat16_has_scale_and_zero_point() -> None:
    x = HALF_CASES[np.isfinite(HALF_CASES)].reshape(1, -1)
    x = np.concatenate([x, x * np.float32(1.7)])
    scales, zeros = np.float32([0.3, 2.0]), np.float32([0.5, -1.25])
    parameters = [tensor("s", scales, TensorProto.FLOAT), tensor("z", zeros, TensorProto.BFLOAT16)]
    q = bfloat16(x / scales[:, None] + zeros[:, None])
    y = (q - zeros[:, None]) * scales[:, None]
    for domain in DOMAINS:
        nodes = [q_node(domain), dq_node(domain)]
        got = cpu_run(nodes, parameters, x, ("y", TensorProto.FLOAT), vaip_operators())
        np.testing.assert_array_equal(got, y)


@pytest.mark.parametrize("elem_type", [*(np.dtype(d) for d in INTEGERS), "float16", "bfloat16"], ids=str)
@pytest.mark.parametrize("axis", [None, 0, 1, -1])
def test_agrees_with_quarks_kernels(elem_type: Any, axis: int | None) -> None:
    rng = np.random.default_rng(5)
    shape = (3, 4, 5)
    channels = shape[axis or 0] if elem_type not in ("float16",) else 1
    scales = rng.uniform(0.1, 2, channels).astype(np.float32)
    if isinstance(elem_type, np.dtype):
        kind = helper.np_dtype_to_tensor_dtype(elem_type)
        limits = np.iinfo(elem_type)
        zeros = rng.integers(limits.min // 2, limits.max // 2, channels).astype(elem_type)
    else:
        kind = TensorProto.FLOAT16 if elem_type == "float16" else TensorProto.BFLOAT16
        zeros = np.zeros(channels, np.float32)
    x = (rng.normal(0, 100, shape)).astype(np.float32)
    parameters = [tensor("s", scales, TensorProto.FLOAT), tensor("z", zeros, kind)]
    nodes = [q_node("com.amd.quark", axis), dq_node("com.amd.quark", axis)]
    results = [cpu_run(nodes, parameters, x, ("y", TensorProto.FLOAT), make()) for make in LIBRARIES.values()]
    np.testing.assert_array_equal(*results)


def normalization(domain: str) -> onnx.NodeProto:
    op = {"com.amd.quark": "ExtendedInstanceNormalization", "com.vai.quantize": "VitisInstanceNormalization"}[domain]
    return helper.make_node(op, ["x", "weight", "bias"], ["y"], domain=domain, epsilon=1e-3)


@functools.cache
def normalization_case() -> tuple[np.ndarray, list[onnx.TensorProto]]:
    rng = np.random.default_rng(11)
    x = (rng.normal(0, 3, (2, 5, 7, 9)) + rng.normal(0, 4, (2, 5, 1, 1))).astype(np.float32)
    x[1, 2] = 0.75  # no variance
    weights = [tensor(n, rng.normal(1, 0.5, 5), TensorProto.FLOAT) for n in ("weight", "bias")]
    return x, weights


@pytest.mark.parametrize("domain", DOMAINS)
def test_instance_normalization_is_that_of_bfloat16(domain: str) -> None:
    x, parameters = normalization_case()
    got = cpu_run([normalization(domain)], parameters, x, ("y", TensorProto.FLOAT), vaip_operators())
    weight, bias = (numpy_helper.to_array(p).astype(np.float64).reshape(1, -1, 1, 1) for p in parameters)
    wide = x.astype(np.float64)
    mean, variance = wide.mean((2, 3), keepdims=True), wide.var((2, 3), keepdims=True)
    expected = (wide - mean) / np.sqrt(variance + 1e-3) * weight + bias
    np.testing.assert_array_equal(got, bfloat16(got))
    # A handful of bfloat16 roundings of numbers up to |x| / deviation.
    varied = np.broadcast_to(variance > 0, x.shape)
    np.testing.assert_allclose(got[varied], expected[varied], atol=0.08)


def test_instance_normalization_agrees_with_quarks() -> None:
    x, parameters = normalization_case()
    for domain in DOMAINS:
        results = [
            cpu_run([normalization(domain)], parameters, x, ("y", TensorProto.FLOAT), make())
            for make in LIBRARIES.values()
        ]
        np.testing.assert_array_equal(*results)


@pytest.mark.parametrize("shape", [None, [None, None], ["rows", None], ["rows", "columns"]], ids=str)
def test_shapes_that_are_not_known(shape: Any) -> None:
    x = np.arange(12, dtype=np.float32).reshape(3, 4)
    parameters = [tensor("s", np.array(0.5), TensorProto.FLOAT), tensor("z", np.array(3), TensorProto.UINT8)]
    nodes = [q_node("com.amd.quark"), dq_node("com.amd.quark")]
    np.testing.assert_array_equal(
        cpu_run(nodes, parameters, x, ("y", TensorProto.FLOAT), vaip_operators(), shape=shape), x
    )


BAD = {
    "a zero point of another type": ([0.5], [1], TensorProto.FLOAT, "zero points of ONNX element type 1"),
    "scales that fit no axis": ([0.5, 0.25], [1, 1], TensorProto.UINT8, "2 scales for 3 channels along axis 0"),
    "fewer zero points than scales": ([0.5] * 3, [1], TensorProto.UINT8, "3 scales, but 1 zero points"),
}


@pytest.mark.parametrize("case", BAD)
def test_parameters_that_do_not_fit(case: str) -> None:
    scales, zeros, elem_type, message = BAD[case]
    parameters = [tensor("s", np.array(scales), TensorProto.FLOAT), tensor("z", np.array(zeros), elem_type)]
    with pytest.raises(RUNTIME_ERRORS, match=message):
        cpu_run([q_node("com.amd.quark")], parameters, np.ones((3, 4), np.float32), ("q", elem_type), vaip_operators())
