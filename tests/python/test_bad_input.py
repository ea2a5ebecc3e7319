"""Whatever a user can get wrong: one error that names file, field or node; the process lives, and goes on working."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import vaip
from models import ModelBuilder, Quant, Style
from onnx import TensorProto, helper
from oracle import evaluate
from sessions import EP_NAME, cpu_session, run, vaip_session


def small_network(*, dynamic_batch: bool = False) -> ModelBuilder:
    builder = ModelBuilder(Style(power_of_two=True, dynamic_batch=dynamic_batch))
    x = builder.finish(builder.conv(builder.input((1, 4, 6, 6)), 8, [3, 3], pads=[1, 1, 1, 1]), "Relu")
    builder.output(builder.q(builder.op("MaxPool", [builder.dq(x)], kernel_shape=[2, 2], strides=[2, 2]), x.quant))
    return builder


GOOD = small_network()
GOOD_MODEL = GOOD.build().SerializeToString()


def load(model: bytes | str = GOOD_MODEL, **options: Any) -> ort.InferenceSession:
    """As a user would: with the CPU EP behind, so that an error must not turn into a silent run on the CPU."""
    return ort.InferenceSession(model, providers=[(EP_NAME, options), "CPUExecutionProvider"])


def load_error(*words: str, model: bytes | str = GOOD_MODEL, **options: Any) -> None:
    with pytest.raises(Exception) as caught:  # noqa: PT011  onnxruntime's exceptions share no base class
        load(model, **options)
    check_message(str(caught.value), words)


def check_message(message: str, words: tuple[str, ...]) -> None:
    missing = [word for word in words if word not in message]
    assert not missing, f"the error does not say {missing}: {message}"
    assert message.count("\n") < 8, f"not one error: {message}"
    assert "internal" not in message.lower(), f"a user's mistake is not an internal error: {message}"


@pytest.fixture(autouse=True)
def _the_next_session_works() -> Iterator[None]:
    yield
    expected = evaluate(GOOD.build(), GOOD.feeds())[GOOD.outputs[0].name]
    np.testing.assert_array_equal(run(vaip_session(GOOD_MODEL), GOOD.feeds())[0], expected)


class TestConfigFile:
    def test_missing(self, tmp_path: Path) -> None:
        load_error("nowhere.json", "no such file", config_file=str(tmp_path / "nowhere.json"))

    def test_directory(self, tmp_path: Path) -> None:
        load_error(str(tmp_path), "directory", config_file=str(tmp_path))

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("", ("empty",)),
            ("  \n", ("empty",)),
            ('{"vaip": {"minimum_nodes": 1', ("not valid JSON",)),
            ("passes: all\n", ("not valid JSON",)),
            ("\x00\xff\x7fELF", ("JSON",)),
            ("[" * 100_000, ("nested",)),
            ("[]", ("object",)),
            ('{"vaip": []}', ("/vaip", "object")),
            ('{"vaip": {"minimum_nodes": "one"}}', ("/vaip/minimum_nodes", "integer")),
            ('{"vaip": {"minimum_nodes": 0}}', ("/vaip/minimum_nodes", "1")),
            ('{"vaip": {"op_typs": ["Conv"]}}', ("/vaip", "op_typs", "op_types")),
            ('{"vaip": {"op_types": ["Konv"]}}', ("/vaip/op_types/0", "Konv", "Conv")),
            ('{"vaip": {"exclude": {"op_types": ["conv"]}}}', ("/vaip/exclude/op_types/0", "conv", "Conv")),
            ('{"vaip": {"dtypes": ["unit8"]}}', ("/vaip/dtypes/0", "unit8", "uint8")),
            ('{"vaip": {"exclude": {"patterns": ["(conv"]}}}', ("/vaip/exclude/patterns/0", "(conv")),
            ('{"vaip": {"device": "stricks"}}', ("device", "stricks", "strix")),
            ('{"vaip": {"stack": "vitis"}}', ("stack", "vitis", "vitisai")),
            ('{"vaip": {"fallback": "maybe"}}', ("/vaip/fallback", "maybe", "allow", "error")),
            ('{"vaip": {"numerics": "exact"}}', ("/vaip/numerics", "exact", "onnx")),
            ('{"vaip": {"device": "strix"}, "vaip": {}}', ("twice", "vaip")),
            ('{"passes": {}}', ("/passes", "array")),
            ('{"passes": [{"name": "init"}]}', ("/passes/0", "plugin")),
            (
                '{"passes": [{"name": "init", "plugin": "vaip-pass_init"}], "target": "t",'
                ' "targets": [{"name": "t", "pass": ["init", "fuse_CPU"]}]}',
                ("fuse_CPU", "init"),
            ),
            (
                '{"passes": [{"name": "init", "plugin": "vaip-pass_init"}], "target": "u",'
                ' "targets": [{"name": "t", "pass": ["init"]}]}',
                ("u", "valid targets", "t"),
            ),
        ],
    )
    def test_content(self, tmp_path: Path, text: str, words: tuple[str, ...]) -> None:
        path = tmp_path / "vaip_config.json"
        path.write_text(text, encoding="latin-1")
        load_error("vaip_config.json", *words, config_file=str(path))

    def test_truncated_anywhere(self, tmp_path: Path) -> None:
        """The packaged configuration cut off at many places: an error that names the file, each time."""
        whole = (Path(vaip.__file__).parent / "data" / "vaip_config.json").read_text().strip()
        path = tmp_path / "cut.json"
        for end in range(0, len(whole) - 1, max(len(whole) // 40, 1)):
            path.write_text(whole[:end])
            load_error("cut.json", config_file=str(path))
        path.write_text(whole)
        load(config_file=str(path))

    def test_same_file_mended(self, tmp_path: Path) -> None:
        path = tmp_path / "vaip_config.json"
        path.write_text("{")
        load_error("vaip_config.json", config_file=str(path))
        path.write_text(json.dumps({"vaip": {"device": "phoenix"}}))
        session = load(config_file=str(path))
        assert vaip.reports()[-1].device == "phoenix"
        run(session, GOOD.feeds())


class TestOptions:
    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"devise": "strix"}, ("unknown option", "devise", "device", "num_threads")),
            ({"device": "stricks"}, ("stricks", "strix", "phoenix")),
            ({"device": ""}, ("device",)),
            ({"num_threads": "many"}, ("num_threads", "many", "integer")),
            ({"num_threads": "-1"}, ("num_threads", "-1")),
            ({"num_threads": "99999999999999999999"}, ("num_threads", "99999999999999999999")),
            ({"numerics": "exact"}, ("numerics", "exact", "onnx")),
            ({"enable_f32_to_bf16_conversion": "perhaps"}, ("enable_f32_to_bf16_conversion", "perhaps")),
            ({"encryption_key": "secret"}, ("encryption_key",)),
            ({"target": "nope"}, ("nope", "target")),
            ({"xclbin": "9x9.xclbin"}, ("9x9.xclbin",)),
            ({"log_level": "loud"}, ("log_level", "loud", "warning")),
            ({"cache_dir": "/tmp/a", "cacheDir": "/tmp/b"}, ("cache_dir", "cacheDir")),
        ],
    )
    def test_wrong(self, options: dict[str, str], words: tuple[str, ...]) -> None:
        load_error(*words, **options)

    def test_through_session_entries_and_devices_too(self) -> None:
        devices = [d for d in ort.get_ep_devices() if d.ep_name == EP_NAME]
        options = ort.SessionOptions()
        options.add_provider_for_devices(devices[:1], {"devise": "strix"})
        with pytest.raises(Exception) as caught:  # noqa: PT011
            ort.InferenceSession(GOOD_MODEL, options)
        check_message(str(caught.value), ("unknown option", "devise", "device"))


class TestFilesThatCannotBeWritten:
    """Below a regular file nothing can be created, whoever the user is."""

    @pytest.fixture
    def blocked(self, tmp_path: Path) -> str:
        (tmp_path / "file").write_text("in the way")
        return str(tmp_path / "file" / "below")

    @pytest.mark.parametrize("option", ["report_file", "trace_file"])
    def test_file(self, blocked: str, option: str) -> None:
        load_error(blocked, "cannot write", **{option: blocked})

    def test_cache_directory(self, blocked: str, capfd: pytest.CaptureFixture[str]) -> None:
        """A session is what it is without one."""
        ort.set_default_logger_severity(2)
        try:
            session = vaip_session(GOOD_MODEL, {"cache_dir": blocked})
        finally:
            ort.set_default_logger_severity(4)
        assert session.get_providers()[0] == EP_NAME
        warnings = [line for line in capfd.readouterr().err.splitlines() if "cannot write" in line]
        assert len(warnings) == 2  # the compiled cluster, and AMD's report
        assert all(blocked in warning for warning in warnings)


READ_ONLY = """
import os, sys
import onnxruntime as ort, vaip
if os.getuid() == 0:  # root may write everywhere: go on as nobody
    os.setgid(65534)
    os.setuid(65534)
model, directory = sys.argv[1:]
try:
    options = {"report_file": directory + "/report.json"}
    ort.InferenceSession(bytes.fromhex(model), providers=[("VitisAIEP", options), "CPUExecutionProvider"])
except Exception as error:
    print(error)
session = ort.InferenceSession(bytes.fromhex(model), providers=[("VitisAIEP", {"cache_dir": directory + "/cache"})])
print("alive", session.get_providers()[0])
"""


def test_read_only_directory() -> None:
    """A directory that may be read but not written to."""
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o555)
        done = subprocess.run(
            [sys.executable, "-c", READ_ONLY, GOOD_MODEL.hex(), directory], capture_output=True, text=True, check=False
        )
        os.chmod(directory, 0o755)
    assert done.returncode == 0, done.stderr
    report, alive = done.stdout.strip().splitlines()
    check_message(done.stderr, ("cannot write", f"{directory}/cache"))
    check_message(report, ("cannot write", f"{directory}/report.json"))
    assert alive == "alive VitisAIEP"


class TestModels:
    def test_truncated(self, tmp_path: Path) -> None:
        path = tmp_path / "cut.onnx"
        for end in (0, 1, 100, len(GOOD_MODEL) // 2, len(GOOD_MODEL) - 1):
            path.write_bytes(GOOD_MODEL[:end])
            load_error("cut.onnx", model=str(path))
            with pytest.raises(Exception, match=r"cut\.onnx"):
                vaip.simulate(str(path))

    def test_missing(self, tmp_path: Path) -> None:
        load_error("nowhere.onnx", model=str(tmp_path / "nowhere.onnx"))
        with pytest.raises(Exception, match=r"nowhere\.onnx"):
            vaip.simulate(str(tmp_path / "nowhere.onnx"))

    def test_unsupported_dtype(self) -> None:
        """Valid, but nothing for the NPU: it runs elsewhere, and the report says why."""
        elem_type = TensorProto.DOUBLE
        nodes = [helper.make_node("Mul", ["x", "x"], ["y"], name="square")]
        values = [helper.make_tensor_value_info(n, elem_type, [2, 3]) for n in "xy"]
        graph = helper.make_graph(nodes, "other", values[:1], values[1:])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        session = load(model.SerializeToString())
        report = vaip.reports()[-1]
        assert report.nodes.ipu == 0
        assert [u.name for u in report.unclaimed] == ["square"]
        assert report.unclaimed[0].reason
        x = np.full((2, 3), 3.0, helper.tensor_dtype_to_np_dtype(elem_type))
        np.testing.assert_array_equal(session.run(None, {"x": x})[0], x * x)

    def test_fallback_error_names_the_nodes(self, tmp_path: Path) -> None:
        path = tmp_path / "strict.json"
        path.write_text(json.dumps({"vaip": {"fallback": "error", "exclude": {"op_types": ["MaxPool"]}}}))
        load_error("strict.json", "MaxPool", "exclude", config_file=str(path))

    def test_float8(self) -> None:
        builder = ModelBuilder(Style(opset=19))
        scale, zero = builder.constant(0.5), "float8_zero"
        builder.initializers[zero] = helper.make_tensor(zero, TensorProto.FLOAT8E4M3FN, [], [0.0])
        builder.inputs.append(helper.make_tensor_value_info("x", TensorProto.FLOAT, [4]))
        builder.nodes += [
            helper.make_node("QuantizeLinear", ["x", scale, zero], ["q"], name="to_float8"),
            helper.make_node("DequantizeLinear", ["q", scale, zero], ["y"], name="from_float8"),
        ]
        builder.outputs.append(helper.make_tensor_value_info("y", TensorProto.FLOAT, [4]))
        model = helper.make_model(
            helper.make_graph(
                builder.nodes,
                "float8",
                builder.inputs,
                builder.outputs,
                initializer=list(builder.initializers.values()),
            ),
            opset_imports=[helper.make_opsetid("", 19)],
            ir_version=9,
        )
        x = np.array([0.5, -1.0, 2.0, 100.0], np.float32)
        session = load(model.SerializeToString())
        assert {u.name for u in vaip.reports()[-1].unclaimed} == {"to_float8", "from_float8"}
        np.testing.assert_array_equal(session.run(None, {"x": x})[0], run(cpu_session(model), {"x": x})[0])


# What a broken quantizer may write. onnxruntime does not look at it before the node runs.
BROKEN_PARAMETERS: dict[str, Callable[[ModelBuilder, str], list[str]]] = {
    "scale of zero": lambda b, w: [w, b.constant(0.0), b.constant(0, "int8")],
    "negative scale": lambda b, w: [w, b.constant(-0.5), b.constant(0, "int8")],
    "scale that is not a number": lambda b, w: [w, b.constant(np.nan), b.constant(0, "int8")],
    "infinite scale": lambda b, w: [w, b.constant(np.inf), b.constant(0, "int8")],
    "too few scales": lambda b, w: [w, b.constant([0.5] * 3), b.constant([0] * 3, "int8")],
    "scales and zero points of other lengths": lambda b, w: [w, b.constant([0.5] * 8), b.constant([0] * 4, "int8")],
    "scale of rank 2": lambda b, w: [w, b.constant(np.ones((8, 1))), b.constant(np.zeros((8, 1)), "int8")],
    "no scale at all": lambda b, w: [w, b.constant([]), b.constant([], "int8")],
}


@pytest.mark.parametrize("broken", BROKEN_PARAMETERS)
def test_broken_quantization_parameters(broken: str) -> None:
    """Not claimed, with the scale named as the reason, or an error; never a crash, never numbers of its own."""
    builder = ModelBuilder()
    x = builder.input((1, 4, 6, 6))
    weights = builder.constant(builder.rng.integers(-128, 128, (8, 4, 3, 3)), "int8")
    w = builder.op("DequantizeLinear", BROKEN_PARAMETERS[broken](builder, weights), axis=0)
    y = builder.op("Conv", [builder.dq(x), w])
    scale, zero = builder.constant(0.5), builder.constant(128, "uint8")
    q = builder.op("QuantizeLinear", [y, scale, zero])
    builder.outputs.append(helper.make_tensor_value_info(q, TensorProto.UINT8, [1, 8, 4, 4]))
    graph = helper.make_graph(
        builder.nodes, "broken", builder.inputs, builder.outputs, initializer=list(builder.initializers.values())
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    try:
        session = load(model.SerializeToString())
    except Exception as error:
        check_message(str(error), ("scale",))
        return
    assert session is not None  # alive, so that the last report is its own
    reasons = {u.op: u.reason for u in vaip.reports()[-1].unclaimed}
    assert "Conv" in reasons, "VitisAIEP took a convolution whose numbers it cannot know"
    assert "scale" in " ".join(reasons.values()) or "quantiz" in " ".join(reasons.values()), reasons


class TestRunInputs:
    @pytest.fixture(params=[False, True], ids=["static", "dynamic_batch"])
    def network(self, request: pytest.FixtureRequest) -> tuple[ModelBuilder, onnx.ModelProto, ort.InferenceSession]:
        builder = small_network(dynamic_batch=request.param)
        model = builder.build()
        return builder, model, load(model.SerializeToString())

    @pytest.mark.parametrize(
        ("shape", "dtype", "words"),
        [
            ((1, 4, 6, 7), "uint8", ("input_1",)),
            ((1, 3, 6, 6), "uint8", ("input_1",)),
            ((4, 6, 6), "uint8", ("input_1",)),
            ((1, 4, 6, 6), "float32", ("float", "uint8")),  # onnxruntime's own message names no input
            ((1, 4, 6, 6), "int8", ("int8", "uint8")),
        ],
    )
    def test_wrong_shape_or_dtype(
        self,
        network: tuple[ModelBuilder, onnx.ModelProto, ort.InferenceSession],
        shape: tuple[int, ...],
        dtype: str,
        words: tuple[str, ...],
    ) -> None:
        builder, model, session = network
        with pytest.raises(Exception) as caught:  # noqa: PT011
            session.run(None, {"input_1": np.zeros(shape, dtype)})
        check_message(str(caught.value), words)
        self._same_session_works(builder, model, session)

    def test_missing_input(self, network: tuple[ModelBuilder, onnx.ModelProto, ort.InferenceSession]) -> None:
        builder, model, session = network
        with pytest.raises(ValueError, match="input_1"):
            session.run(None, {})
        self._same_session_works(builder, model, session)

    def test_zero_dimension(self, network: tuple[ModelBuilder, onnx.ModelProto, ort.InferenceSession]) -> None:
        """No images in, no results out where the batch is dynamic; an error where the model says otherwise."""
        builder, model, session = network
        empty = {"input_1": np.zeros((0, 4, 6, 6), np.uint8)}
        if builder.style.dynamic_batch:
            got = session.run(None, empty)[0]
            assert (got.shape, got.dtype) == ((0, 8, 3, 3), np.uint8)
        else:
            with pytest.raises(Exception, match="input_1"):
                session.run(None, empty)
        self._same_session_works(builder, model, session)

    @staticmethod
    def _same_session_works(builder: ModelBuilder, model: onnx.ModelProto, session: ort.InferenceSession) -> None:
        feeds = builder.feeds()
        np.testing.assert_array_equal(run(session, feeds)[0], evaluate(model, feeds)[model.graph.output[0].name])


class TestDynamicShapes:
    """Shapes that contradict each other only show when the model runs."""

    @pytest.fixture
    def adder(self) -> tuple[onnx.ModelProto, ort.InferenceSession]:
        builder = ModelBuilder(Style(power_of_two=True))
        quant = Quant(0.5, 128)
        a, b = builder.input((2, 3), quant), builder.input((2, 3), quant)
        builder.output(builder.q(builder.op("Add", [builder.dq(a), builder.dq(b)]), quant))
        for value in (*builder.inputs, *builder.outputs):
            value.type.tensor_type.shape.dim[0].dim_param = f"rows_of_{value.name}"
        model = builder.build()
        return model, load(model.SerializeToString())

    def test_mismatch_names_the_layer(self, adder: tuple[onnx.ModelProto, ort.InferenceSession]) -> None:
        model, session = adder
        names = [i.name for i in model.graph.input]
        with pytest.raises(Exception, match="Add_") as caught:
            session.run(None, {names[0]: np.zeros((2, 3), np.uint8), names[1]: np.zeros((5, 3), np.uint8)})
        check_message(str(caught.value), ("2", "5"))
        for rows in ((4, 4), (4, 1), (0, 1), (0, 0)):
            feeds = {n: np.full((r, 3), 130, np.uint8) for n, r in zip(names, rows, strict=True)}
            got = session.run(None, feeds)[0]
            np.testing.assert_array_equal(got, evaluate(model, feeds)[model.graph.output[0].name])

    @pytest.mark.parametrize("op", ["ReduceMean", "MaxPool", "AveragePool"])
    def test_nothing_to_reduce(self, op: str) -> None:
        """A spatial dimension of zero: an error that names node or input, as the mean of nothing has no value."""
        builder = ModelBuilder(Style(power_of_two=True))
        x = builder.input((1, 2, 4, 4))
        if op == "ReduceMean":
            y = builder.reduce(op, x, [2, 3], keepdims=True)
        else:
            y = builder.op(op, [builder.dq(x)], kernel_shape=[2, 2])
        builder.output(builder.q(y, x.quant))
        builder.inputs[0].type.tensor_type.shape.dim[2].dim_param = "height"
        if op != "ReduceMean":
            builder.outputs[0].type.tensor_type.shape.dim[2].dim_param = "rows"
        model = builder.build()
        session = load(model.SerializeToString())
        with pytest.raises(Exception) as caught:  # noqa: PT011
            session.run(None, {x.name: np.zeros((1, 2, 0, 4), np.uint8)})
        assert op in str(caught.value) or x.name in str(caught.value)
        feeds = builder.feeds()
        np.testing.assert_array_equal(run(session, feeds)[0], evaluate(model, feeds)[model.graph.output[0].name])
