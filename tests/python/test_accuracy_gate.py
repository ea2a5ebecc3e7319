"""The accuracy gate: its rungs, what it keeps, how it ends. With onnxruntime's quantizer, which is always there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import CommandLine
from vaip.demo.digits import FP32_MODEL, held_out_images, training_images
from vaip.quantize import CalibrationData, QuantizeError, Recipe
from vaip.quantize.evaluation import as_score
from vaip.quantize.gate import GateResult, climb
from vaip.quantize.target import Target
from vaip.sessions import cpu_session

RECIPE = Recipe("A8W8", tool="onnxruntime")
IMAGES, LABELS = held_out_images()
REFERENCE = cpu_session(FP32_MODEL).run(None, {"image": IMAGES})[0]
# Scores by the largest difference of any output to the float model's: even bfloat16 has one.
JUDGE = """
import numpy as np
from vaip.demo.digits import FP32_MODEL, held_out_images, training_images
from vaip.sessions import cpu_session

IMAGES, LABELS = held_out_images()

def accuracy(session):
    return 100 * float(np.mean(session.run(None, {"image": IMAGES})[0].argmax(axis=1) == LABELS))

def fraction(session):
    return accuracy(session) / 100

def nearness(session):
    reference = cpu_session(FP32_MODEL).run(None, {"image": IMAGES})[0]
    return -float(np.abs(session.run(None, {"image": IMAGES})[0] - reference).max())

def calibration():
    images, _ = training_images()
    return [{"image": images[first : first + 16]} for first in range(0, 64, 16)]
"""


def accuracy(session: Any) -> float:
    return 100 * float(np.mean(session.run(None, {"image": IMAGES})[0].argmax(axis=1) == LABELS))


def nearness(session: Any) -> float:
    return -float(np.abs(session.run(None, {"image": IMAGES})[0] - REFERENCE).max())


@pytest.fixture(scope="module")
def data() -> CalibrationData:
    images, _ = training_images()
    return CalibrationData([{"image": images[first : first + 16]} for first in range(0, 64, 16)])


@pytest.fixture(scope="module")
def whole_climb(data: CalibrationData, tmp_path_factory: pytest.TempPathFactory) -> GateResult:
    """Every rung: nothing but the float model itself loses nothing."""
    output = tmp_path_factory.mktemp("climb") / "quantized.onnx"
    return climb(FP32_MODEL, output, data, RECIPE, as_score(nearness, "nearness"), 0.0)


def test_what_is_good_at_once_is_kept(data: CalibrationData, tmp_path: Path) -> None:
    output = tmp_path / "quantized.onnx"
    result = climb(FP32_MODEL, output, data, RECIPE, as_score(accuracy, "accuracy"), 1.0)
    assert result.passed
    assert [attempt.method for attempt in result.attempts] == ["A8W8"]
    assert result.kept.drop == pytest.approx(result.float_score - accuracy(Target().session(output).onnxruntime))
    assert result.provider_options == {}
    assert list(tmp_path.iterdir()) == [output]


def test_all_rungs_are_climbed_and_the_best_is_kept(whole_climb: GateResult) -> None:
    result, output = whole_climb, whole_climb.path
    assert not result.passed
    methods = [attempt.method for attempt in result.attempts]
    for rung in ("A8W8", "percentile", "entropy", "CLE", "AdaRound", "AdaQuant", "1 layer int16", "1 layer bfloat16"):
        assert any(rung in method for method in methods), (rung, methods)
    failed = [attempt for attempt in result.attempts if attempt.error is not None]
    assert {attempt.method.split(" + ")[-1] for attempt in failed} >= {"CLE", "AdaRound", "AdaQuant"}
    assert all("onnxruntime" in str(attempt.error) for attempt in failed)
    drops = [attempt.drop for attempt in result.attempts if attempt.drop is not None]
    assert result.kept.drop == min(drops)
    assert result.kept.drop < drops[0] / 2
    # Every layer in bfloat16 is nearest, and then no layer is quantized any more.
    assert "bfloat16" in result.kept.method
    npu = Target(options=tuple(result.provider_options.items())).session(output)
    assert -nearness(npu.onnxruntime) == pytest.approx(result.kept.drop)
    assert npu.report().unclaimed == []
    assert list(output.parent.iterdir()) == [output]


def test_the_first_rung_that_passes_ends_it(whole_climb: GateResult, data: CalibrationData, tmp_path: Path) -> None:
    everything = whole_climb
    drops = [attempt.drop for attempt in everything.attempts]
    mixed = next(i for i, a in enumerate(everything.attempts) if a.recipe.precisions)
    before = min(drop for drop in drops[:mixed] if drop is not None)
    limit = max(drop for drop in drops[mixed:] if drop is not None and drop < before)
    result = climb(FP32_MODEL, tmp_path / "some.onnx", data, RECIPE, as_score(nearness, "nearness"), limit)
    assert result.passed
    assert len(result.attempts) <= len(everything.attempts)
    assert result.kept.drop is not None
    assert result.kept.drop <= limit
    first = next(i for i, drop in enumerate(drops) if drop is not None and drop <= limit)
    assert result.attempts.index(result.kept) - first in (0, 1)  # int16 and bfloat16 of as many layers are one rung


def test_nothing_is_left_when_the_recipe_itself_fails(data: CalibrationData, tmp_path: Path) -> None:
    wrong = RECIPE.replace(cross_layer_equalization=True)
    with pytest.raises(QuantizeError, match="cross-layer equalization"):
        climb(FP32_MODEL, tmp_path / "quantized.onnx", data, wrong, as_score(accuracy, "accuracy"), 1.0)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_left_when_the_function_fails(data: CalibrationData, tmp_path: Path) -> None:
    def broken(session: Any) -> float:
        if "VitisAIEP" in session.get_providers():
            raise RuntimeError("out of labels")
        return 90.0

    with pytest.raises(RuntimeError, match="out of labels"):
        climb(FP32_MODEL, tmp_path / "quantized.onnx", data, RECIPE, as_score(broken, "broken"), 1.0)
    assert list(tmp_path.iterdir()) == []


def test_percent_and_fraction_are_not_confused(data: CalibrationData, tmp_path: Path) -> None:
    score = as_score(lambda session: accuracy(session) / 100, "fraction")
    with pytest.raises(QuantizeError, match=r"reads as a fraction.*0\.005"):
        climb(FP32_MODEL, tmp_path / "quantized.onnx", data, RECIPE, score, 0.5)
    assert climb(FP32_MODEL, tmp_path / "quantized.onnx", data, RECIPE, score, 0.01).passed


def test_the_command(vaip_command: CommandLine) -> None:
    (vaip_command.directory / "judge.py").write_text(JUDGE)
    arguments = ["quantize", FP32_MODEL, "--preset", "A8W8", "--tool", "onnxruntime", "--calib", "judge.py:calibration"]
    arguments += ["-o", "q.onnx", "--device", "phoenix"]
    values = vaip_command.json(*arguments, "--eval", "judge.py:accuracy", "--max-drop", "1")
    assert values["passed"]
    assert values["attempts"][values["kept"]]["evaluation"]["claimed_percent"] == 100
    table = vaip_command(*arguments, "--eval", "judge.py:accuracy", "--max-drop", "1").stdout
    assert "FP32 on the CPU" in table
    assert "98.83" in table

    # 16 bit already: no layer is left to be raised, and few rungs.
    wide = ["A16W8" if argument == "A8W8" else argument for argument in arguments]
    done = vaip_command(*wide, "--eval", "judge.py:nearness", "--max-drop", "0", "--json", exit_code=1)
    values = json.loads(done.stdout)
    assert not values["passed"]
    assert values["qat_command"].startswith("vaip qat")
    assert "no method keeps the score" in done.stderr
    assert (vaip_command.directory / "q.onnx").is_file()

    assert "reads as a fraction" in vaip_command.error(*arguments, "--eval", "judge.py:fraction", "--max-drop", "0.5")
    assert "belong together" in vaip_command.error(*arguments, "--eval", "judge.py:accuracy", exit_code=2)
    assert "has no 'f'" in vaip_command.error(*arguments, "--eval", "judge.py:f", "--max-drop", "1")
