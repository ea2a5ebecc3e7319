"""Scores, agreement, latency and size of models: vaip.quantize.evaluation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import vaip
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from vaip.demo.digits import FP32_MODEL, INT8_MODEL, held_out_images
from vaip.onnx_files import size_of
from vaip.quantize import QuantizeError
from vaip.quantize.evaluation import Evaluator, as_score, compare, load_score
from vaip.quantize.target import BF16_OPTION, Target

FLOATS = arrays(np.float32, (4, 5), elements=st.floats(-100, 100, width=32))


def accuracy(session: Any) -> float:
    images, labels = held_out_images()
    return 100 * float(np.mean(session.run(None, {"image": images})[0].argmax(axis=1) == labels))


@given(FLOATS, FLOATS)
def test_agreement_is_what_its_definition_says(reference: np.ndarray, actual: np.ndarray) -> None:
    signal = sum(float(x) ** 2 for x in reference.flat)
    noise = sum((float(a) - float(b)) ** 2 for a, b in zip(reference.flat, actual.flat, strict=True))
    said = compare([[reference[:2]], [reference[2:]]], [[actual[:2]], [actual[2:]]])
    if signal and noise:
        assert said.sqnr_db == pytest.approx(10 * np.log10(signal / noise), rel=1e-6, abs=1e-6)
    else:
        assert said.sqnr_db is None
    same = sum(int(list(a).index(max(a)) == list(b).index(max(b))) for a, b in zip(reference, actual, strict=True))
    assert said.top1_percent == 100 * same / 4


def test_outputs_that_are_no_classes_have_no_top1() -> None:
    image = np.ones((2, 3, 4, 4), np.float32)
    assert compare([[image]], [[image * 2]]).top1_percent is None
    assert compare([[image]], [[image * 2]]).sqnr_db == pytest.approx(0)


def test_the_demo_models() -> None:
    """Accuracies as python/vaip/demo/data/README.md tells them."""
    images, _ = held_out_images()
    batches = [{"image": images[:64]}, {"image": images[64:100]}]
    evaluator = Evaluator(FP32_MODEL, batches, as_score(accuracy, "accuracy"), Target("strix"))
    assert evaluator.float_score == pytest.approx(98.83, abs=0.01)
    found = evaluator(INT8_MODEL)
    assert found.score == pytest.approx(99.0, abs=0.01)
    assert found.claimed_percent == 100
    assert found.size_bytes == INT8_MODEL.stat().st_size
    assert found.agreement.sqnr_db is not None
    assert 15 < found.agreement.sqnr_db < 60
    one = vaip.simulate(INT8_MODEL, {"image": images[:1]}, device="strix")  # the latency is of one image
    assert found.latency_us == pytest.approx(1e3 * one.latency_ms)
    assert found.provider_options == {}
    refused = Target(options=((BF16_OPTION, "false"),))
    assert Evaluator(FP32_MODEL, batches, target=refused)(FP32_MODEL).claimed_percent == 0


def test_a_function_may_take_the_batches() -> None:
    seen = []

    def score(session: Any, batches: Any) -> float:
        seen.append(list(batches))
        return 1.5

    images, _ = held_out_images()
    batches = [{"image": images[:2]}]
    assert Evaluator(FP32_MODEL, batches, as_score(score, "score", batches)).float_score == 1.5
    assert len(seen) == 1
    assert seen[0][0] is batches[0]


@pytest.mark.parametrize(
    ("result", "message"),
    [("good", "must return a number, got 'good'"), (None, "must return a number"), (float("nan"), "must be finite")],
)
def test_a_score_is_a_number(result: Any, message: str) -> None:
    with pytest.raises(QuantizeError, match=message):
        as_score(lambda session: result, "f")(None)


def test_wrong_functions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "judge_of_tests.py").write_text("limit = 3\ndef of_three(a, b, c):\n    return 1\n")
    for reference, message in {
        "judge_of_tests": "is not module:object",
        "no_such_judge:f": "no_such_judge",
        "judge_of_tests:missing": "has no 'missing'",
        "judge_of_tests:limit": "is int, not a function",
        "judge_of_tests:of_three": "takes 3 arguments",
    }.items():
        with pytest.raises(ValueError, match=message):
            load_score(reference)


def test_no_data() -> None:
    with pytest.raises(QuantizeError, match="no data"):
        Evaluator(FP32_MODEL, [])


def test_size_includes_external_data(tmp_path: Path) -> None:
    import onnx

    path = tmp_path / "model.onnx"
    onnx.save(onnx.load(FP32_MODEL), path, save_as_external_data=True, size_threshold=0, location="weights")
    assert size_of(path) == path.stat().st_size + (tmp_path / "weights").stat().st_size
