"""Models that do not fit into one file, from import to the accuracy gate; what counts as large is made small here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from vaip import onnx_files
from vaip.demo.digits import FP32_MODEL, held_out_images, training_images
from vaip.importing import cleaning, import_model
from vaip.quantize import CalibrationData, Recipe, climb, quantize_static
from vaip.quantize.evaluation import as_score
from vaip.quantize.sensitivity import layer_sensitivity
from vaip.quantize.target import Target
from vaip.sessions import cpu_session

RECIPE = Recipe("A8W8", tool="onnxruntime")


@pytest.fixture(autouse=True)
def small_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_files, "LARGEST_FILE", 1 << 12)


@pytest.fixture
def large(tmp_path: Path) -> Path:
    path = tmp_path / "large.onnx"
    onnx_files.save_whole(onnx.load(FP32_MODEL), path)
    return path


def calibration() -> CalibrationData:
    images, _ = training_images()
    return CalibrationData([{"image": images[first : first + 16]} for first in range(0, 64, 16)])


def names(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


def logits(model: Path | onnx.ModelProto) -> np.ndarray:
    return cpu_session(model).run(None, {"image": held_out_images()[0]})[0]


def test_weights_lie_beside_the_model(large: Path) -> None:
    assert names(large.parent) == {"large.onnx", "large.onnx.data"}
    assert large.stat().st_size < 20_000 < (large.parent / "large.onnx.data").stat().st_size
    assert onnx_files.size_of(large) == sum(path.stat().st_size for path in large.parent.iterdir())
    original, read = onnx.load(FP32_MODEL), onnx.load(large)
    for before, after in zip(original.graph.initializer, read.graph.initializer, strict=True):
        np.testing.assert_array_equal(onnx.numpy_helper.to_array(before), onnx.numpy_helper.to_array(after))
    np.testing.assert_array_equal(logits(large), logits(FP32_MODEL))
    np.testing.assert_array_equal(logits(original), logits(FP32_MODEL))  # a session of the model in memory


def test_without_weights_and_with_them_again(tmp_path: Path) -> None:
    model = onnx.load(FP32_MODEL)
    content = model.SerializeToString(deterministic=True)
    onnx_files.save(model, tmp_path / "model.onnx")
    assert model.SerializeToString(deterministic=True) == content
    light = onnx_files.without_weights(model)
    assert light.ByteSize() < len(content) / 2
    assert model.SerializeToString(deterministic=True) == content
    onnx_files.give_weights(light, model)
    assert light.SerializeToString(deterministic=True) == content


@pytest.mark.parametrize("simplified_by_onnxruntime", [False, True])
def test_import(large: Path, simplified_by_onnxruntime: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    if simplified_by_onnxruntime:
        monkeypatch.setattr(cleaning, "simplified", lambda model: (cleaning._optimized(model), "onnxruntime"))
    directory = tmp_path / "imported"
    directory.mkdir()
    result = import_model(large, directory / "model.onnx", opset=19)
    assert result.opset == 19
    assert result.largest_difference is not None
    assert names(directory) == {"model.onnx", "model.onnx.data"}
    np.testing.assert_allclose(logits(directory / "model.onnx"), logits(FP32_MODEL), rtol=1e-4, atol=1e-4)


def test_quantize_and_climb(large: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = tmp_path / "quantized"
    directory.mkdir()
    monkeypatch.chdir(directory)
    for _ in range(2):  # over files of before, too
        plain = quantize_static(large, "plain.onnx", calibration(), RECIPE)
    assert plain.size_bytes == sum(path.stat().st_size for path in directory.iterdir())
    assert plain.source_size_bytes == onnx_files.size_of(large)
    accuracy = as_score(right_answers, "right answers")
    gate = climb(large, directory / "gate.onnx", calibration(), RECIPE, accuracy, 1.0)
    assert gate.passed
    assert right_answers(Target().session(directory / "gate.onnx").onnxruntime) == pytest.approx(
        gate.kept.evaluation.score if gate.kept.evaluation else None
    )
    assert names(directory) <= {"plain.onnx", "plain.onnx.data", "gate.onnx", "gate.onnx.data"}


def test_sensitivity(large: Path) -> None:
    small = layer_sensitivity(FP32_MODEL, calibration(), RECIPE, what_if_layers=1)
    result = layer_sensitivity(large, calibration(), RECIPE, what_if_layers=1)
    assert [row.layer for row in result.layers] == [row.layer for row in small.layers]
    assert result.layers[0].sqnr_db == pytest.approx(small.layers[0].sqnr_db)


def right_answers(session: object) -> float:
    images, labels = held_out_images()
    return 100 * float(np.mean(session.run(None, {"image": images})[0].argmax(axis=1) == labels))  # type: ignore[attr-defined]
