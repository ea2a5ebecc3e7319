"""Runs of sessions on VitisAIEP: shapes that are known late, inputs that are wrong, many threads."""

from __future__ import annotations

import gc
import threading

import numpy as np
import pytest
import vaip
from ep_models import (
    RUNTIME_ERRORS,
    expected_of,
    network,
    newest_report,
    with_batch,
)
from models import ModelBuilder, Style
from onnx import TensorProto, helper
from sessions import cpu_session, vaip_session

pytestmark = pytest.mark.usefixtures("only_own_sessions")


# ---- shapes that are known when the model runs ----


def test_dynamic_batch() -> None:
    builder = network(dynamic_batch=True)
    session = vaip_session(builder.build())
    assert newest_report()["latency_ms"] == 0
    for batch in (1, 3, 7, 1, 3):
        feeds = with_batch(builder, batch)
        np.testing.assert_array_equal(session.run(None, feeds)[0], expected_of(builder, feeds))
        cluster = newest_report()["clusters"][0]
        assert cluster["input_shapes"][0][0] == batch
        assert cluster["cycles"] > 0
    assert newest_report()["clusters"][0]["programs"] == 3


def test_dimensions_that_the_file_says_are_zero() -> None:
    """Quark's fine-tuning writes 0 for the batch of every tensor between the nodes."""
    builder = network(dynamic_batch=True, float_edges=True)
    model = builder.build()
    x = model.graph.input[0]
    first = next(i for i, node in enumerate(model.graph.node) if x.name in node.input)
    model.graph.node[first].input[0] = "waves"
    shape = [dim.dim_value for dim in x.type.tensor_type.shape.dim[1:]]
    model.graph.node.insert(first, helper.make_node("Sin", [x.name], ["waves"]))
    model.graph.value_info.append(helper.make_tensor_value_info("waves", TensorProto.FLOAT, [0, *shape]))
    session = vaip_session(model, fallback=True)
    assert len(newest_report()["clusters"]) == 1
    reference = cpu_session(model)
    for batch in (2, 1):
        feeds = with_batch(builder, batch)
        np.testing.assert_array_equal(session.run(None, feeds)[0], reference.run(None, feeds)[0])


def test_more_shapes_than_programs_are_kept() -> None:
    builder = network(dynamic_batch=True)
    session = vaip_session(builder.build())
    largest = with_batch(builder, 70)
    expected = expected_of(builder, largest)
    for batch in [*range(1, 71), 1, 2, 70]:
        feeds = {name: value[:batch] for name, value in largest.items()}
        np.testing.assert_array_equal(session.run(None, feeds)[0], expected[:batch])


def test_empty_batch() -> None:
    builder = network(dynamic_batch=True)
    session = vaip_session(builder.build())
    output = session.run(None, with_batch(builder, 0))[0]
    assert output.shape == (0, 8, 1, 1)
    assert output.dtype == np.uint8
    feeds = with_batch(builder, 2)
    np.testing.assert_array_equal(session.run(None, feeds)[0], expected_of(builder, feeds))


def test_inputs_that_onnxruntime_refuses_do_no_harm() -> None:
    builder = network()
    session = vaip_session(builder.build())
    (name, value), *_ = builder.feeds().items()
    for wrong in (value.astype(np.float32), value[:1], value[:, :2], value.reshape(-1)):
        with pytest.raises(RUNTIME_ERRORS):
            session.run(None, {name: wrong})
    np.testing.assert_array_equal(session.run(None, {name: value})[0], expected_of(builder))


def test_shapes_that_do_not_fit_together_are_an_error_of_that_run_only() -> None:
    builder = ModelBuilder(Style(), seed=6)
    x, y = builder.input([2, 8]), builder.input([2, 8])
    builder.output(builder.q(builder.op("Add", [builder.dq(x), builder.dq(y)])))
    model = builder.build()
    for index, value in enumerate([*model.graph.input, *model.graph.output]):
        value.type.tensor_type.shape.dim[0].dim_param = f"rows_{index}"
    session = vaip_session(model)
    feeds = builder.feeds()
    expected = expected_of(builder)
    with pytest.raises(RUNTIME_ERRORS, match=r"Add[\s\S]*2x8[\s\S]*3x8"):
        session.run(None, {**feeds, y.name: np.zeros((3, 8), np.uint8)})
    np.testing.assert_array_equal(session.run(None, feeds)[0], expected)


# ---- threads ----


@pytest.mark.parametrize("dynamic", [False, True], ids=["static", "dynamic"])
def test_eight_threads_in_two_sessions(dynamic: bool) -> None:
    builder = network(dynamic_batch=dynamic)
    model = builder.build()
    sessions = [vaip_session(model, {"num_threads": "1"}), vaip_session(model, {"num_threads": "2"})]
    feeds = [with_batch(builder, 2 + (i % 3 if dynamic else 0), seed=i) for i in range(8)]
    expected = [expected_of(builder, feed) for feed in feeds]
    failures: list[str] = []

    def work(thread: int) -> None:
        for run in range(50):
            which = (thread + run) % len(feeds)
            got = sessions[(thread + run) % 2].run(None, feeds[which])[0]
            if not np.array_equal(got, expected[which]):
                failures.append(f"thread {thread}, run {run}")

    threads = [threading.Thread(target=work, args=(thread,)) for thread in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_sessions_come_and_go_while_others_run() -> None:
    builder = network()
    model, feeds, expected = builder.build(), builder.feeds(), expected_of(builder)
    before = len(vaip.reports())
    steady = vaip_session(model)
    failures: list[str] = []

    def work() -> None:
        for _ in range(10):
            own = vaip_session(model)
            for session in (own, steady):
                if not np.array_equal(session.run(None, feeds)[0], expected):
                    failures.append("different")
            vaip.reports()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    gc.collect()
    assert failures == []
    assert len(vaip.reports()) == before + 1
