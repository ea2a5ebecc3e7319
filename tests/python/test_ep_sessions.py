"""onnxruntime sessions on VitisAIEP: how they are asked for, what they claim and how they fail."""

from __future__ import annotations

import gc
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import vaip
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


# ---- ways to ask for VitisAIEP ----


def by_name(model: bytes) -> ort.InferenceSession:
    return ort.InferenceSession(model, vaip_options(), providers=[EP_NAME])


def by_name_with_options(model: bytes) -> ort.InferenceSession:
    return ort.InferenceSession(model, vaip_options(), providers=[(EP_NAME, {"device": "phoenix"})])


def by_provider_options(model: bytes) -> ort.InferenceSession:
    return ort.InferenceSession(model, vaip_options(), providers=[EP_NAME], provider_options=[{"device": "phoenix"}])


def by_device(model: bytes) -> ort.InferenceSession:
    options = vaip_options()
    options.add_provider_for_devices([d for d in ort.get_ep_devices() if d.ep_name == EP_NAME], {"device": "phoenix"})
    return ort.InferenceSession(model, options)


def by_add_provider(model: bytes) -> ort.InferenceSession:
    options = vaip_options()
    options.add_provider(EP_NAME, {"device": "phoenix"})
    return ort.InferenceSession(model, options)


def by_config_entry(model: bytes) -> ort.InferenceSession:
    options = vaip_options()
    options.add_session_config_entry("ep.vitisaiep.device", "phoenix")
    return ort.InferenceSession(model, options, providers=[EP_NAME])


WAYS: list[tuple[Callable[[bytes], ort.InferenceSession], str]] = [
    (by_name, "strix"),
    (by_name_with_options, "phoenix"),
    (by_provider_options, "phoenix"),
    (by_device, "phoenix"),
    (by_add_provider, "phoenix"),
    (by_config_entry, "phoenix"),
]


@pytest.mark.parametrize(("create", "device"), WAYS, ids=[create.__name__ for create, _ in WAYS])
def test_every_way_to_ask_claims_and_computes_the_same(
    create: Callable[[bytes], ort.InferenceSession], device: str
) -> None:
    builder = network()
    session = create(builder.build().SerializeToString())
    session.disable_fallback()
    assert sorted(set(claimed_nodes(session))) == [
        "Conv",
        "DequantizeLinear",
        "GlobalAveragePool",
        "QuantizeLinear",
        "Relu",
    ]
    np.testing.assert_array_equal(session.run(None, builder.feeds())[0], expected_of(builder))
    assert newest_report()["device"] == device


def test_io_binding() -> None:
    builder = network()
    session = vaip_session(builder.build())
    binding = session.io_binding()
    for name, value in builder.feeds().items():
        binding.bind_cpu_input(name, value)
    binding.bind_output(session.get_outputs()[0].name)
    session.run_with_iobinding(binding)
    np.testing.assert_array_equal(binding.copy_outputs_to_cpu()[0], expected_of(builder))


def test_nodes_of_a_provider_that_comes_first_are_left_to_it() -> None:
    builder = network()
    session = session_of(builder.build(), [CPU, EP_NAME])
    assert claimed_nodes(session) == []
    reference = session_of(builder.build(), [CPU])
    np.testing.assert_array_equal(session.run(None, builder.feeds())[0], reference.run(None, builder.feeds())[0])


# ---- the partition ----


def test_unclaimed_nodes_run_elsewhere_and_have_a_reason() -> None:
    builder = network_with_unclaimed_node()
    session = session_of(builder.build(), [EP_NAME, CPU])
    assert "Hardmax" not in claimed_nodes(session)
    assert "Conv" in claimed_nodes(session)
    hardmax_input = builder.sample(builder.nodes[-1].input[0])
    picked = hardmax_input.argmax(axis=1, keepdims=True) == np.arange(hardmax_input.shape[1]).reshape(1, -1, 1, 1)
    np.testing.assert_array_equal(session.run(None, builder.feeds())[0], picked.astype(np.float32))
    report = newest_report()
    assert [(node["name"], node["op"]) for node in report["unclaimed"]] == [("the_hardmax", "Hardmax")]
    assert report["unclaimed"][0]["reason"]
    assert "the_hardmax" not in report["unclaimed"][0]["reason"], "the entry names the node already"
    assert report["nodes"]["ipu"] == len(claimed_nodes(session))
    assert report["nodes"]["cpu"] == 1


def branches() -> tuple[onnx.ModelProto, dict[str, np.ndarray]]:
    """An If whose branches read the outer graph's values: the input, the weights and their scales."""
    builder = network()
    inner = builder.build().graph
    x = inner.input[0]
    then_graph = helper.make_graph(inner.node, "then", [], [inner.output[0]])
    other = helper.make_graph(
        [
            helper.make_node(
                "ConstantOfShape",
                ["output_shape"],
                ["zeros"],
                name="zeros",
                value=helper.make_tensor("value", inner.output[0].type.tensor_type.elem_type, [1], [0]),
            )
        ],
        "else",
        [],
        [helper.make_tensor_value_info("zeros", inner.output[0].type.tensor_type.elem_type, [None] * 4)],
    )
    shape = [d.dim_value for d in inner.output[0].type.tensor_type.shape.dim]
    graph = helper.make_graph(
        [helper.make_node("If", ["condition"], ["y"], name="if", then_branch=then_graph, else_branch=other)],
        "outer",
        [x, helper.make_tensor_value_info("condition", TensorProto.BOOL, [])],
        [helper.make_tensor_value_info("y", inner.output[0].type.tensor_type.elem_type, [None] * 4)],
        [*inner.initializer, helper.make_tensor("output_shape", TensorProto.INT64, [len(shape)], shape)],
    )
    model = helper.make_model(graph, opset_imports=builder._opsets(), ir_version=8)
    onnx.checker.check_model(model)
    return model, builder.feeds()


def test_branches_are_claimed_with_the_outer_values_that_they_read() -> None:
    model, feeds = branches()
    session = session_of(model, [EP_NAME, CPU])
    assert "Conv" in claimed_nodes(session)
    taken = session.run(None, {**feeds, "condition": np.array(True)})[0]
    np.testing.assert_array_equal(taken, expected_of(network()))
    assert not session.run(None, {**feeds, "condition": np.array(False)})[0].any()
    report = newest_report()
    assert report["nodes"]["ipu"] == len(claimed_nodes(session))
    assert "if" in [node["name"] for node in report["unclaimed"]]


def test_branches_that_look_the_same_are_counted_apart() -> None:
    builder = network()
    inner = builder.build().graph
    y = inner.output[0]

    def branch() -> onnx.GraphProto:
        return helper.make_graph(inner.node, "branch", [], [y])

    graph = helper.make_graph(
        [helper.make_node("If", ["condition"], ["y"], name="if", then_branch=branch(), else_branch=branch())],
        "outer",
        [inner.input[0], helper.make_tensor_value_info("condition", TensorProto.BOOL, [])],
        [helper.make_tensor_value_info("y", y.type.tensor_type.elem_type, [None] * 4)],
        inner.initializer,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", builder.style.opset)], ir_version=8)
    session = session_of(model, [EP_NAME, CPU])
    report = newest_report()
    assert report["subgraphs"] == 2
    assert report["nodes"]["ipu"] == len(claimed_nodes(session))
    assert report["nodes"]["cpu"] == 1
    for condition in (True, False):
        outputs = session.run(None, {**builder.feeds(), "condition": np.array(condition)})
        np.testing.assert_array_equal(outputs[0], expected_of(builder))


def test_functions_are_looked_at_again_once_inlined() -> None:
    builder = network()
    session = vaip_session(with_function(builder), {"fallback": "error"})
    np.testing.assert_array_equal(session.run(None, builder.feeds())[0], expected_of(builder))
    report = newest_report()
    assert report["unclaimed"] == []
    assert report["nodes"]["total"] == len(claimed_nodes(session))


def test_initializers_that_a_caller_may_override_are_inputs() -> None:
    builder = ModelBuilder(Style(), seed=5)
    x, y = builder.input([2, 8]), builder.input([2, 8])
    builder.output(builder.q(builder.op("Add", [builder.dq(x), builder.dq(y)])))
    model = builder.build()
    default = np.full((2, 8), y.quant.zero_point, y.quant.dtype)
    model.graph.initializer.append(onnx.numpy_helper.from_array(default, y.name))
    session = vaip_session(model)
    feeds = builder.feeds()
    np.testing.assert_array_equal(session.run(None, feeds)[0], expected_of(builder))
    alone = session.run(None, {x.name: feeds[x.name]})[0]
    np.testing.assert_array_equal(alone, expected_of(builder, {x.name: feeds[x.name], y.name: default}))


def test_weights_in_an_external_file(tmp_path: Path) -> None:
    builder = network()
    path = tmp_path / "model.onnx"
    onnx.save(builder.build(), path, save_as_external_data=True, location="weights.bin", size_threshold=16)
    session = vaip_session(str(path))
    np.testing.assert_array_equal(session.run(None, builder.feeds())[0], expected_of(builder))
    assert newest_report()["model"] == str(path)


# ---- errors that the user must see: no session, and no silent run on the CPU provider ----

BAD_OPTIONS = {
    "unknown option": ({"divice": "strix"}, ["divice", "device"]),
    "unknown device": ({"device": "strik"}, ["strik", "strix"]),
    "not a number": ({"num_threads": "many"}, ["num_threads", "many"]),
    "missing file": ({"config_file": "/no/such/file.json"}, ["/no/such/file.json"]),
    "unwritable report": ({"report_file": "/dev/null/report.json"}, ["/dev/null/report.json"]),
}


@pytest.mark.parametrize("case", BAD_OPTIONS)
@pytest.mark.parametrize("way", ["providers", "devices", "no CPU fallback"])
def test_bad_options_stop_the_session(case: str, way: str, capfd: pytest.CaptureFixture[str]) -> None:
    options, words = BAD_OPTIONS[case]
    model = network().build().SerializeToString()
    settings = vaip_options(fallback=way != "no CPU fallback")
    providers = [(EP_NAME, options)]
    if way == "devices":
        settings.add_provider_for_devices([d for d in ort.get_ep_devices() if d.ep_name == EP_NAME], options)
        providers = None
    before = len(vaip.reports())
    with pytest.raises(RUNTIME_ERRORS) as raised:
        ort.InferenceSession(model, settings, providers=providers)
    message = str(raised.value)
    for word in words:
        assert word in message
    assert "Falling back" not in capfd.readouterr().out
    del raised  # its traceback holds the half-made session
    gc.collect()
    assert len(vaip.reports()) == before


@pytest.fixture
def _warnings_logged() -> Iterator[None]:
    """onnxruntime hands providers that are asked for by name its default logger, not the session's."""
    ort.set_default_logger_severity(2)
    yield
    ort.set_default_logger_severity(4)


@pytest.mark.usefixtures("_warnings_logged")
def test_an_unknown_plugin_is_warned_of(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "config.json"
    passes = [{"name": "fuse_DPU", "plugin": "vaip-pass_level1_dpu"}, {"name": "odd", "plugin": "vaip-pass_lvl1_dpu"}]
    file.write_text(json.dumps({"passes": passes}))
    session = session_of(network().build(), [(EP_NAME, {"config_file": str(file)}), CPU])
    assert claimed_nodes(session)
    (warning,) = newest_report()["warnings"]
    assert warning.startswith(f'{file}: /passes/1/plugin: unknown plug-in "vaip-pass_lvl1_dpu" of pass "odd"')
    assert capfd.readouterr().err.count(warning) == 1
    assert "Warning: " in str(vaip.reports()[-1])
