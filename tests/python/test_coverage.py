"""benchmarks/coverage.py: does it see what is claimed, and would it see a wrong number?"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from models import ModelBuilder, Style
from onnx import ModelProto, TensorProto, helper, numpy_helper
from oracle import evaluate
from sessions import cpu_session, run

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks" / "models"))

import coverage_cell
import coverage_page
from coverage_cell import general, measure
from coverage_runner import Runner
from layerwise import boundaries, cut, difference, exposed, feeds_of, layer
from qoperator import to_qdq
from quantizers import Quantizer, name_nodes

NETWORK = "light_squeezenet"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("coverage")


def test_command_writes_the_page_and_goes_on_where_it_was_stopped(models: Path) -> None:
    command = [
        sys.executable,
        Path(coverage_cell.__file__).with_name("coverage.py"),
        "--only",
        NETWORK,
        "--quantizer",
        "ort_qdq_u8s8",
        "--json",
    ]
    command += ["--models", models, "--out", models / "page.md"]

    def results() -> list[dict]:
        done = subprocess.run(command, capture_output=True, text=True, timeout=500, check=True)
        return json.loads(done.stdout)["cells"]

    (cell,) = results()
    assert cell["claimed"] == cell["nodes"] > 150
    assert cell["clusters"] == 1
    assert cell["reasons"] == []
    assert cell["latency_ms"] > 0
    assert cell["layers"]["count"] == 42, (
        "26 convolutions, 8 Concats, 3 MaxPools, the input, pool, Flatten, Softmax, Reshape"
    )
    assert cell["layers"]["largest_steps"] <= 1
    assert cell["layers"]["different"] < 1e-4 * cell["layers"]["elements"]
    assert cell["layers"]["constant"] == 0
    assert cell["oracle"]["ours_different"] == 0
    assert cell["exposed_equal"]
    page = (models / "page.md").read_text()
    assert f"| {NETWORK} | {cell['nodes']} of {cell['nodes']} | 1 |" in page
    assert results() == [cell], "kept, down to the seconds that it took"


def test_reasons_are_counted_where_nodes_are_left(models: Path) -> None:
    cell = measure(NETWORK, "ort_dynamic", models, 1)
    assert "error" not in cell
    assert sum(reason["count"] for reason in cell["reasons"]) == cell["nodes"] - cell["claimed"]
    assert all(reason["reason"] and reason["nodes"] for reason in cell["reasons"])


def test_reasons_are_the_same_for_different_nodes() -> None:
    first = general("input `r1` of shape [1, 3, 8] is int64; see 'x' (2 of 3)")
    assert first == general("input `r22` of shape [2] is int64; see 'another' (2 of 3)")
    assert first != general("input `r1` of shape [1, 3, 8] is int32; see 'x' (2 of 3)")


def test_failing_quantizer_is_a_row(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ValueError("no such operator\nand more")

    monkeypatch.setitem(coverage_cell.QUANTIZERS, "broken", Quantizer("Broken", fail))
    cell = measure(NETWORK, "broken", models, 1)
    assert cell["error"] == {"stage": "quantization", "message": "ValueError: no such operator"}
    assert f"| {NETWORK} | broken | quantization | ValueError: no such operator |" in coverage_page.page([cell])


def test_process_that_dies_is_a_row_with_what_is_known(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runner = Runner(models, 1, 100)
    script = 'import os; print(\'{"nodes": 5, "claimed": 3}\', flush=True); os.kill(os.getpid(), 11)'
    monkeypatch.setattr(Runner, "command", lambda *_: [sys.executable, "-c", script])
    cell = runner.run(("dying", "ort_dynamic"))
    assert (cell["network"], cell["nodes"], cell["claimed"]) == ("dying", 5, 3)
    assert cell["error"]["stage"] == "process"
    assert "SIGSEGV" in cell["error"]["message"]


def two_layers() -> ModelProto:
    builder = ModelBuilder(Style(power_of_two=True), seed=5)
    first = builder.finish(builder.conv(builder.input([1, 4, 6, 6]), 8, [3, 3]), "Relu")
    builder.output(builder.finish(builder.conv(first, 8, [3, 3])))
    return name_nodes(builder.build())


def test_wrong_element_is_held_against_its_own_layer_only() -> None:
    model = two_layers()
    shown = exposed(model)
    inputs = ModelBuilder(Style(power_of_two=True), seed=5)
    inputs.input([1, 4, 6, 6])
    feeds = inputs.feeds()
    tensors = dict(zip([o.name for o in shown.graph.output], run(cpu_session(shown), feeds), strict=True))
    first, last = (b.tensor for b in boundaries(model) if b.op == "Conv")
    tensors[first] = tensors[first].copy()
    tensors[first].flat[7] ^= 4

    pieces = cut(model, tensors)
    given = feeds_of(pieces, feeds, tensors)
    judged = dict(zip([o.name for o in pieces.graph.output], run(cpu_session(pieces), given), strict=True))
    found = difference(tensors[first], judged[first])
    assert (found.different, found.largest) == (1, 4)
    # The layer behind it was computed from the right tensor, and is judged on the wrong one.
    assert difference(tensors[last], judged[last]).different > 1
    part = layer(pieces, first)
    assert [n.op_type for n in part.graph.node].count("Conv") == 1
    exact = evaluate(part, {v.name: given[v.name] for v in part.graph.input})[first]
    assert difference(tensors[first], exact).different == 1


def test_short_floats_are_no_steps() -> None:
    types = {"integers": TensorProto.INT8, "floats": TensorProto.BFLOAT16}
    zeros = [helper.make_tensor(f"{name}_zero", kind, [], [0]) for name, kind in types.items()]
    graph = helper.make_graph(
        [
            helper.make_node("ExtendedQuantizeLinear", ["x", "scale", f"{n}_zero"], [n], domain="com.amd.quark")
            for n in types
        ],
        "two",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [4])],
        [helper.make_tensor_value_info(name, kind, [4]) for name, kind in types.items()],
        [*zeros, numpy_helper.from_array(np.float32(0.5), "scale")],
    )
    assert [b.tensor for b in boundaries(helper.make_model(graph))] == ["integers"]


@pytest.mark.parametrize("per_channel", [False, True])
def test_integer_convolution_is_written_out(per_channel: bool) -> None:
    rng = np.random.default_rng(2)
    channels = 3
    arrays = {
        "weight": rng.integers(-127, 128, (channels, 2, 3, 3), np.int8),
        "bias": rng.integers(-500, 500, channels, np.int32),
        "x_scale": np.float32(0.5),
        "x_zero": np.uint8(3),
        "w_scale": np.exp2(-rng.integers(5, 8, channels)).astype(np.float32) if per_channel else np.float32(2**-6),
        "w_zero": np.zeros(channels, np.int8) if per_channel else np.int8(0),
        "y_scale": np.float32(8),
        "y_zero": np.uint8(120),
    }
    inputs = ["x", "x_scale", "x_zero", "weight", "w_scale", "w_zero", "y_scale", "y_zero", "bias"]
    graph = helper.make_graph(
        [helper.make_node("QLinearConv", inputs, ["y"], name="conv")],
        "conv",
        [helper.make_tensor_value_info("x", TensorProto.UINT8, [1, 2, 7, 7])],
        [helper.make_tensor_value_info("y", TensorProto.UINT8, None)],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in arrays.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    feeds = {"x": rng.integers(0, 128, (1, 2, 7, 7), np.uint8)}
    (expected,) = run(cpu_session(model), feeds)
    written = to_qdq(model)
    assert {n.op_type for n in written.graph.node} == {"DequantizeLinear", "Conv", "QuantizeLinear"}
    assert np.unique(expected).size > 20
    np.testing.assert_array_equal(evaluate(written, feeds)["y"], expected)


@pytest.mark.slow
@pytest.mark.parametrize("quantizer", ["quark_xint8", "quark_a8w8", "quark_a16w8"])
@pytest.mark.parametrize("network", ["light_squeezenet", "mobilenet_v2", "light_resnet50"])
def test_quark(network: str, quantizer: str, models: Path) -> None:
    pytest.importorskip("quark.onnx", reason="needs the extra: pip install 'vaip[quark]'")
    cell = measure(network, quantizer, models, 1)
    assert "error" not in cell
    assert (cell["claimed"], cell["clusters"]) == (cell["nodes"], 1)
    assert cell["oracle"]["ours_different"] == 0
    assert cell["oracle"]["not_covered"] == {}
    if quantizer == "quark_xint8":
        assert cell["layers"]["different"] == 0


@pytest.mark.slow
@pytest.mark.parametrize("quantizer", ["quark_a8w8", "ort_qdq_u8s8"])
def test_transformer(quantizer: str, models: Path) -> None:
    pytest.importorskip("quark.onnx", reason="needs the extra: pip install 'vaip[quark]'")
    cell = measure("bert_mini", quantizer, models, 1)
    assert "error" not in cell
    assert cell["claimed"] > 0.95 * cell["nodes"]
    assert cell["layers"]["largest_steps"] <= 1
    assert cell["oracle"]["ours_different"] == 0
