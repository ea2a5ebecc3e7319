"""Which nodes run where: what onnxruntime, the report, the log and a refused session say of it."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from ep_models import (
    CPU,
    RUNTIME_ERRORS,
    expected_of,
    network,
    network_with_unclaimed_node,
    newest_report,
    session_of,
    with_function,
)
from models import ModelBuilder, Style
from onnx import TensorProto, helper
from sessions import EP_NAME, claimed_nodes, vaip_options, vaip_session

pytestmark = pytest.mark.usefixtures("only_own_sessions")

NO_CPU = {"session.disable_cpu_ep_fallback": "1"}


def hardmaxes(count: int) -> onnx.ModelProto:
    """A convolution with `count` nodes behind it that no IPU runs; Tan and Hardmax in turns, for two reasons."""
    builder = network_with_unclaimed_node()
    convolved = builder.nodes[-1].input[0]
    del builder.nodes[-1], builder.outputs[-1]
    for i in range(count):
        op, attributes = ("Hardmax", {"axis": 1}) if i % 2 == 0 else ("Tan", {})
        builder.nodes.append(helper.make_node(op, [convolved], [f"y{i}"], name=f"node_{i}", **attributes))
        builder.outputs.append(helper.make_tensor_value_info(f"y{i}", TensorProto.FLOAT, [None] * 4))
    return builder.build()


def unclaimable() -> onnx.ModelProto:
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [4]) for name in "xy")
    graph = helper.make_graph([helper.make_node("Hardmax", ["x"], ["y"], name="lonely")], "g", [x], [y])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def refused(model: onnx.ModelProto, options: dict[str, str], config: dict[str, str]) -> str:
    """The message of the session that does not come to be."""
    with pytest.raises(RUNTIME_ERRORS) as raised:
        session_of(model, [(EP_NAME, options)] if config else [(EP_NAME, options), CPU], config)
    return str(raised.value)


# ---- a session in which every node has to be claimed ----

STRICT: dict[str, tuple[dict[str, Any], dict[str, str], str]] = {
    "option": ({"fallback": "error"}, {}, '"fallback" is "error"'),
    "file": ({"config_file": {"vaip": {"fallback": "error"}}}, {}, '"fallback" is "error"'),
    "session": ({}, NO_CPU, "session.disable_cpu_ep_fallback is 1"),
    "both": ({"fallback": "error"}, NO_CPU, '"fallback" is "error"'),
}


@pytest.fixture(params=STRICT)
def strict(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[dict[str, str], dict[str, str], str]:
    options, config, reason = STRICT[request.param]
    if "config_file" in options:
        path = tmp_path / "strict.json"
        path.write_text(json.dumps(options["config_file"]))
        options = {"config_file": str(path)}
    return options, config, reason


Strict = tuple[dict[str, str], dict[str, str], str]


def test_the_error_names_every_unclaimed_node(strict: Strict) -> None:
    options, config, reason = strict
    message = refused(network_with_unclaimed_node().build(), options, config)
    assert "VitisAIEP does not claim 1 of 9 nodes, and " in message
    assert reason in message
    assert message.count("Hardmax `the_hardmax`: ") == message.count("the_hardmax") == 1


def test_the_error_of_a_model_of_which_nothing_is_claimed(strict: Strict) -> None:
    options, config, reason = strict
    message = refused(unclaimable(), options, config)
    assert "does not claim 1 of 1 nodes" in message
    assert reason in message
    assert "Hardmax `lonely`: " in message


def test_many_nodes_share_a_line_and_the_report_has_each(strict: Strict, tmp_path: Path) -> None:
    options, config, reason = strict
    message = refused(hardmaxes(60), options, config)
    assert "does not claim 60 of " in message
    assert reason in message
    assert re.search(r"\n  Hardmax (`node_\d+`, ){3}`node_\d+` and 26 more: ", message)
    assert re.search(r"\n  Tan (`node_\d+`, ){3}`node_\d+` and 26 more: ", message)
    assert '"report_file"' in message
    file = tmp_path / "report.json"
    assert '"report_file"' not in refused(hardmaxes(60), options | {"report_file": str(file)}, config)
    unclaimed = json.loads(file.read_text())["unclaimed"]
    assert sorted(node["name"] for node in unclaimed) == sorted(f"node_{i}" for i in range(60))
    assert all(node["reason"] for node in unclaimed)


def test_a_model_that_is_claimed_whole_is_no_error(strict: Strict) -> None:
    options, config, _ = strict
    builder = network()
    session = session_of(builder.build(), [(EP_NAME, options)], config)
    np.testing.assert_array_equal(session.run(None, builder.feeds())[0], expected_of(builder))
    assert newest_report()["unclaimed"] == []


def test_functions_are_inlined_before_they_are_judged(strict: Strict) -> None:
    options, config, _ = strict
    builder = network()
    session = session_of(with_function(builder), [(EP_NAME, options)], config)
    np.testing.assert_array_equal(session.run(None, builder.feeds())[0], expected_of(builder))


def all_in_a_function() -> onnx.ModelProto:
    model = network().build()
    inner = model.graph
    x, y = inner.input[0], inner.output[0]
    constants = [
        helper.make_node("Constant", [], [tensor.name], value=tensor, name=f"constant_{i}")
        for i, tensor in enumerate(inner.initializer)
    ]
    opsets = [helper.make_opsetid("", network().style.opset)]
    function = helper.make_function("local", "Body", [x.name], [y.name], [*constants, *inner.node], opsets)
    graph = helper.make_graph([helper.make_node("Body", [x.name], [y.name], domain="local")], "outer", [x], [y])
    return helper.make_model(
        graph, functions=[function], opset_imports=[*opsets, helper.make_opsetid("local", 1)], ir_version=8
    )


@pytest.mark.parametrize("late", ["0", "1"], ids=["inlined early", "inlined late"])
def test_a_model_that_is_one_function(strict: Strict, late: str) -> None:
    options, config, _ = strict
    builder = network()
    config = {**config, "session.disable_aot_function_inlining": late}
    session = session_of(all_in_a_function(), [(EP_NAME, options)], config)
    np.testing.assert_array_equal(session.run(None, builder.feeds())[0], expected_of(builder))


def test_nodes_of_an_earlier_walk_are_counted_once() -> None:
    """Inlined late, the Relu comes when its neighbours are one fused node each."""
    builder = network()
    session = session_of(with_function(builder), [EP_NAME, CPU], {"session.disable_aot_function_inlining": "1"})
    np.testing.assert_array_equal(session.run(None, builder.feeds())[0], expected_of(builder))
    report = newest_report()
    assert [node["op"] for node in report["unclaimed"]] == ["Relu"]
    assert report["nodes"]["ipu"] == len(claimed_nodes(session))


def constant_condition() -> onnx.ModelProto:
    """An If whose condition is a constant: onnxruntime puts the branch in its place."""
    inner = network().build().graph
    x, y = inner.input[0], inner.output[0]
    kind = y.type.tensor_type.elem_type
    zeros = helper.make_node(
        "ConstantOfShape", ["output_shape"], ["zeros"], name="zeros", value=helper.make_tensor("v", kind, [1], [0])
    )
    cast = helper.make_node("Cast", ["zeros"], ["cast"], name="in_the_other_branch", to=kind)
    then_graph = helper.make_graph(inner.node, "then", [], [y])
    else_graph = helper.make_graph([zeros, cast], "else", [], [helper.make_tensor_value_info("cast", kind, [None] * 4)])
    graph = helper.make_graph(
        [helper.make_node("If", ["condition"], ["y"], name="if", then_branch=then_graph, else_branch=else_graph)],
        "outer",
        [x],
        [helper.make_tensor_value_info("y", kind, [None] * 4)],
        [
            *inner.initializer,
            helper.make_tensor("output_shape", TensorProto.INT64, [4], [2, 8, 1, 1]),
            helper.make_tensor("condition", TensorProto.BOOL, [], [True]),
        ],
    )
    opsets = [helper.make_opsetid("", network().style.opset)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def test_branches_that_onnxruntime_removed_do_not_count(strict: Strict) -> None:
    options, config, _ = strict
    builder = network()
    session = session_of(constant_condition(), [(EP_NAME, options)], config)
    np.testing.assert_array_equal(session.run(None, builder.feeds())[0], expected_of(builder))
    assert newest_report()["nodes"]["total"] == len(claimed_nodes(session))


def test_warn_leaves_the_judgement_to_onnxruntime() -> None:
    message = refused(network_with_unclaimed_node().build(), {"fallback": "warn"}, NO_CPU)
    assert "fallback to CPU EP has been explicitly disabled" in message


# ---- what onnxruntime says of the assignment ----


def assigned(session: ort.InferenceSession) -> dict[str, Counter[str]]:
    """Operator types by execution provider."""
    out: dict[str, Counter[str]] = {}
    for subgraph in session.get_provider_graph_assignment_info():
        out.setdefault(subgraph.ep_name, Counter()).update(node.op_type for node in subgraph.get_nodes())
    return out


def test_assignment_with_fallback_is_what_the_report_says() -> None:
    session = session_of(network_with_unclaimed_node().build(), [EP_NAME, CPU])
    by_provider = assigned(session)
    assert by_provider[CPU] == Counter({"Hardmax": 1})
    operators = newest_report()["operators"]
    assert by_provider[EP_NAME] == Counter({op: counts["ipu"] for op, counts in operators.items() if counts["ipu"]})
    assert by_provider[CPU] == Counter({op: counts["cpu"] for op, counts in operators.items() if counts["cpu"]})


def test_assignment_without_fallback_is_all_ours() -> None:
    builder = network()
    session = vaip_session(builder.build())  # session.disable_cpu_ep_fallback
    assert list(assigned(session)) == [EP_NAME]
    assert sum(assigned(session)[EP_NAME].values()) == newest_report()["nodes"]["total"]
    np.testing.assert_array_equal(session.run(None, builder.feeds())[0], expected_of(builder))


# ---- what the log says ----


@pytest.fixture
def _warnings_logged() -> Iterator[None]:
    """onnxruntime hands providers that are asked for by name its default logger, not the session's."""
    ort.set_default_logger_severity(2)
    yield
    ort.set_default_logger_severity(4)


@pytest.mark.usefixtures("_warnings_logged")
class TestLog:
    """Warnings are what onnxruntime shows unless told otherwise."""

    def test_one_warning_counts_the_nodes_and_gives_the_first_reasons(self, capfd: pytest.CaptureFixture[str]) -> None:
        session_of(hardmaxes(12), [EP_NAME, CPU])
        message = capfd.readouterr().err
        assert message.count("VitisAIEP leaves ") == 1
        assert "VitisAIEP leaves 12 of the " in message
        assert re.search(r"\n  Hardmax (`node_\d+`, ){3}`node_\d+` and 2 more: ", message)
        assert len(message.splitlines()) == 3

    def test_fallback_warn_names_every_node(self, capfd: pytest.CaptureFixture[str]) -> None:
        session_of(hardmaxes(12), [(EP_NAME, {"fallback": "warn"}), CPU])
        message = capfd.readouterr().err
        assert all(message.count(f"`node_{i}`: ") == 1 for i in range(12))

    def test_a_model_without_any_claimed_node(self, capfd: pytest.CaptureFixture[str]) -> None:
        session = session_of(unclaimable(), [EP_NAME, CPU])
        assert claimed_nodes(session) == []
        message = capfd.readouterr().err
        assert "VitisAIEP claims no node" in message
        assert message.count("Hardmax `lonely`: ") == message.count("lonely") == 1

    def test_nothing_is_said_of_a_model_that_is_claimed_whole(self, capfd: pytest.CaptureFixture[str]) -> None:
        ort.InferenceSession(network().build().SerializeToString(), vaip_options(), providers=[EP_NAME])
        assert capfd.readouterr().err == ""


# ---- AMD's thresholds ----


def classifier() -> ModelBuilder:
    """Two convolutions and a Flatten that yields the model's output, in float."""
    builder = ModelBuilder(Style(float_edges=True), seed=8)
    x = builder.input([2, 4, 6, 6])
    for _ in range(2):
        x = builder.finish(builder.conv(x, 8, [3, 3], pads=[1, 1, 1, 1]), "Relu")
    flat = helper.make_node("Flatten", [builder.dq(x)], ["flat"], name="flatten")
    builder.nodes.append(flat)
    builder.outputs.append(helper.make_tensor_value_info("flat", TensorProto.FLOAT, [2, 288]))
    return builder


def report_and_output(builder: ModelBuilder, options: dict[str, str]) -> tuple[dict[str, Any], np.ndarray]:
    session = session_of(builder.build(), [(EP_NAME, options), CPU])
    return newest_report(), session.run(None, builder.feeds())[0]


def test_a_reshape_at_the_end_stays_on_the_cpu_with_amds_thresholds_only() -> None:
    builder = classifier()
    report, expected = report_and_output(builder, {})
    assert report["unclaimed"] == []
    report, output = report_and_output(builder, {"compatibility": "amd"})
    np.testing.assert_array_equal(output, expected)
    assert report["operators"]["Conv"] == {"ipu": 2, "cpu": 0}
    assert "Flatten" in {node["op"] for node in report["unclaimed"]}
    for node in report["unclaimed"]:
        assert "convert_ending_blacklist_ops_to_unknown_op leaves a Flatten" in node["reason"]


def test_a_model_with_one_convolution_stays_on_the_cpu_with_amds_thresholds_only() -> None:
    builder = network()
    assert report_and_output(builder, {})[0]["unclaimed"] == []
    report, _ = report_and_output(builder, {"compatibility": "amd"})
    assert report["nodes"]["ipu"] == 0
    for node in report["unclaimed"]:
        assert "AMD's threshold minimum_num_of_conv = 2 " in node["reason"]
    options = {"compatibility": "amd", "target_opts": json.dumps({"minimum_num_of_conv": 1})}
    assert report_and_output(builder, options)[0]["unclaimed"] == []


def test_amds_thresholds_are_no_silent_fallback() -> None:
    message = refused(network().build(), {"compatibility": "amd", "fallback": "error"}, {})
    assert "AMD's threshold minimum_num_of_conv = 2 " in message
