"""The operators of com.amd.quark and com.vai.quantize: kernels, and the sessions in which onnxruntime finds them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import vaip
from ep_models import CPU, RUNTIME_ERRORS, newest_report
from hypothesis import given
from hypothesis import strategies as st
from layer_kinds import examples
from models import ModelBuilder, Style
from onnx import TensorProto, helper, numpy_helper
from oracle import evaluate
from sessions import EP_NAME, claimed_nodes, run, vaip_options, vaip_session

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


def bfloat16(x: np.ndarray) -> np.ndarray:
    """Rounded half to even, as float32."""
    bits = x.astype(np.float32).view(np.uint32).astype(np.uint64)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16 << 16).astype(np.uint32).view(np.float32)


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


# ---- sessions ----


def network(domain: str = "com.amd.quark", **style: Any) -> ModelBuilder:
    builder = ModelBuilder(Style(qdq_domain=domain, power_of_two=True, **style), seed=7)
    x = builder.input((2, 3, 6, 6))
    builder.output(builder.finish(builder.conv(x, 8, [3, 3], per_channel=True), "Relu"))
    return builder


def check_session(session: ort.InferenceSession, builder: ModelBuilder) -> None:
    model, feeds = builder.build(), builder.feeds()
    np.testing.assert_array_equal(session.run(None, feeds)[0], evaluate(model, feeds)[model.graph.output[0].name])
    assert newest_report()["clusters"]


@pytest.fixture
def model_file(tmp_path: Path) -> str:
    path = tmp_path / "model.onnx"
    onnx.save(network().build(), path)
    return str(path)


def test_by_name_without_options(model_file: str) -> None:
    builder = network()
    check_session(ort.InferenceSession(model_file, providers=[EP_NAME, CPU]), builder)
    check_session(ort.InferenceSession(Path(model_file), None, [(EP_NAME, {}), CPU]), builder)
    check_session(ort.InferenceSession(builder.build().SerializeToString(), providers=[EP_NAME, CPU]), builder)


def test_by_name_with_the_same_options_twice(model_file: str) -> None:
    options = ort.SessionOptions()
    for _ in range(2):
        check_session(ort.InferenceSession(model_file, options, providers=[EP_NAME, CPU]), network())


def test_registering_twice_is_registering_once(model_file: str) -> None:
    options = vaip_operators()
    options.register_custom_ops_library(vaip.get_library_path())
    check_session(ort.InferenceSession(model_file, options, providers=[EP_NAME, CPU]), network())


def test_by_device(model_file: str) -> None:
    for options in (ort.SessionOptions(), vaip_operators()):
        options.log_severity_level = 4
        devices = [device for device in ort.get_ep_devices() if device.ep_name == EP_NAME]
        options.add_provider_for_devices(devices[:1], {})
        check_session(ort.InferenceSession(model_file, options), network())


def test_with_quarks_library(model_file: str) -> None:
    options = quark_options()
    for _ in range(2):
        check_session(ort.InferenceSession(model_file, options, providers=[EP_NAME, CPU]), network())
    by_device = quark_options()
    by_device.add_provider_for_devices([d for d in ort.get_ep_devices() if d.ep_name == EP_NAME][:1], {})
    check_session(ort.InferenceSession(model_file, by_device), network())


def test_with_quarks_library_registered_before_the_import(
    model_file: str, run_python: Callable[[str], CompletedProcess[str]]
) -> None:
    pytest.importorskip("quark.onnx")
    done = run_python(
        "import onnxruntime as ort, quark.onnx\n"
        "options = ort.SessionOptions()\n"
        "options.register_custom_ops_library(quark.onnx.get_library_path())\n"
        "import vaip\n"
        f"session = ort.InferenceSession({model_file!r}, options, providers=['VitisAIEP', 'CPUExecutionProvider'])\n"
        "print('clusters', len(vaip.reports()[-1].to_dict()['clusters']))\n"
    )
    assert done.returncode == 0, done.stderr
    assert "clusters 1" in done.stdout


def test_sessions_without_these_operators_leave_the_options_alone(model_file: str) -> None:
    """Options of a session on another model can still take Quark's library: ours is not in them."""
    options = ort.SessionOptions()
    plain = network("").build().SerializeToString()
    ort.InferenceSession(plain, options, providers=[EP_NAME, CPU])
    with pytest.raises(RUNTIME_ERRORS, match="is not a registered function/op"):
        ort.InferenceSession(model_file, options, providers=[CPU])


def test_the_probe_for_operators_leaves_no_files(model_file: str, tmp_path: Path) -> None:
    options = ort.SessionOptions()
    options.enable_profiling = True
    options.profile_file_prefix = str(tmp_path / "profile")
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    options.register_custom_ops_library(vaip.get_library_path())
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model.onnx"]


def test_a_missing_model_is_onnxruntimes_error(tmp_path: Path) -> None:
    empty = tmp_path / "empty.onnx"
    empty.touch()
    for path in (tmp_path / "absent.onnx", empty):
        with pytest.raises(Exception, match=path.name):
            ort.InferenceSession(path, providers=[EP_NAME, CPU])


def test_reloading_the_package_wraps_once() -> None:
    constructor = ort.InferenceSession.__init__
    vaip.operators.wrap_inference_session()
    assert ort.InferenceSession.__init__ is constructor


def test_on_the_command_line(model_file: str, vaip_command: Any) -> None:
    report = vaip_command.json("run", model_file)
    assert report["clusters"]


# ---- what is claimed ----


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
