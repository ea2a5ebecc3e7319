"""ONNX's own backend node tests: whatever passes on the CPU EP alone passes with VitisAIEP in front of it, too.

The suite holds few quantized models, and most of its nodes stay on the CPU; what it shows is that no model, type or
attribute of the specification upsets the EP, and that what the EP does take is right.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import numpy_helper
from sessions import EP_NAME, vaip_options

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the suite overflows on purpose while it makes its data
    from onnx.backend.test.loader import load_model_tests
    from onnx.backend.test.runner import Runner


@dataclass
class Outcome:
    passed: bool
    problem: str = ""
    claimed: Counter[str] = field(default_factory=Counter)


def as_value(data: Any) -> Any:
    """What a session takes, from what the suite stores: protobuf tensors of some types, numpy scalars."""
    if isinstance(data, onnx.TensorProto):
        return numpy_helper.to_array(data)
    return np.asarray(data) if isinstance(data, np.generic) else data


def run_case(case: Any, model: bytes, providers: Sequence[str]) -> Outcome:
    try:
        session = ort.InferenceSession(model, vaip_options(fallback=True), providers=list(providers))
        session.disable_fallback()
        claimed = Counter(
            node.op_type
            for subgraph in session.get_provider_graph_assignment_info()
            if subgraph.ep_name == EP_NAME
            for node in subgraph.get_nodes()
        )
        names = [i.name for i in session.get_inputs()]
        for inputs, expected in case.data_sets:
            feeds = {name: as_value(value) for name, value in zip(names, inputs, strict=False) if value is not None}
            got = session.run(None, feeds)
            # onnx's own comparison: sequences, optionals, strings, tolerances
            Runner.assert_similar_outputs([as_value(e) for e in expected], got, rtol=case.rtol, atol=case.atol)
    except Exception as error:
        return Outcome(False, f"{type(error).__name__}: {error}")
    return Outcome(True, claimed=claimed)


@pytest.mark.filterwarnings("ignore")
def test_node_tests_pass_as_on_the_cpu(capsys: pytest.CaptureFixture[str]) -> None:
    import vaip  # noqa: F401  registers the EP

    cases = load_model_tests(kind="node")
    on_cpu, on_vaip, failures = 0, 0, []
    claimed: Counter[str] = Counter()
    with np.errstate(all="ignore"):
        for case in cases:
            model = case.model.SerializeToString() if isinstance(case.model, onnx.ModelProto) else None
            if model is None or not run_case(case, model, ["CPUExecutionProvider"]).passed:
                continue
            on_cpu += 1
            outcome = run_case(case, model, [EP_NAME, "CPUExecutionProvider"])
            on_vaip += outcome.passed
            claimed.update(outcome.claimed)
            if not outcome.passed:
                failures.append(f"{case.name}: {outcome.problem[:300]}")
    with capsys.disabled():
        print(
            f"\n{len(cases)} node tests; {on_cpu} pass on the CPU EP, {on_vaip} of them with VitisAIEP, "
            f"which claimed {claimed.total()} nodes: {dict(claimed.most_common())}"
        )
    assert not failures, "\n".join(failures)
    assert on_cpu > 1200, "the suite shrank"
    assert claimed.total() > 0
