"""Per-layer sensitivity: a layer that was made bad is found, and a higher precision of it helps."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from conftest import CommandLine
from onnx import numpy_helper
from vaip.demo.digits import FP32_MODEL, held_out_images, training_images
from vaip.quantize import CalibrationData, Recipe, quantize_static
from vaip.quantize.evaluation import as_score
from vaip.quantize.sensitivity import Analysis, Sensitivity, layer_sensitivity
from vaip.quantize.sensitivity_plot import draw
from vaip.sessions import cpu_session

RECIPE = Recipe("A8W8", tool="onnxruntime")
LARGE = 30.0  # one channel's weights and values, of the first convolution's sixteen


def with_a_bad_layer(path: Path) -> Path:
    """The demo's float model with one channel of the first convolution scaled up; the second divides by as much."""
    model = onnx.load(FP32_MODEL)
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}

    def scale(name: str, index: tuple[int | slice, ...], factor: float) -> None:
        array = numpy_helper.to_array(tensors[name]).copy()
        array[index] *= factor
        tensors[name].CopyFrom(numpy_helper.from_array(array, name))

    scale("conv1.weight", (3,), LARGE)
    scale("conv1.bias", (3,), LARGE)
    scale("conv2.weight", (slice(None), 3), 1 / LARGE)
    onnx.save(model, path)
    return path


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return with_a_bad_layer(tmp_path_factory.mktemp("sensitivity") / "bad.onnx")


def calibration() -> CalibrationData:
    images, _ = training_images()
    return CalibrationData([{"image": images[first : first + 16]} for first in range(0, 64, 16)])


def accuracy(session: object) -> float:
    images, labels = held_out_images()
    return 100 * float(np.mean(session.run(None, {"image": images})[0].argmax(axis=1) == labels))  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def result(model: Path) -> Sensitivity:
    steps = []
    found = layer_sensitivity(
        model,
        calibration(),
        RECIPE,
        score=as_score(accuracy, "accuracy"),
        what_if_layers=4,
        progress=lambda step, done, total: steps.append(step),
    )
    assert any(step.startswith("what if") for step in steps)
    return found


def test_the_bad_layer_is_the_most_sensitive(model: Path, result: Sensitivity) -> None:
    np.testing.assert_allclose(  # it computes what the demo's model computes
        *(cpu_session(m).run(None, {"image": held_out_images()[0]})[0] for m in (model, FP32_MODEL)), atol=1e-2
    )
    assert result.layers[0].layer in ("conv1", "relu1")  # its weights and what it writes have one large channel
    numbers = [layer.sqnr_db for layer in result.layers if layer.sqnr_db is not None]
    assert numbers == sorted(numbers)
    assert {"conv1", "conv2", "depthwise", "pointwise", "conv3", "classifier", "image"} <= {
        r.layer for r in result.layers
    }
    assert [len(row.what_if) for row in result.layers if row.op != "input"][:5] == [2, 2, 2, 2, 0]


def test_a_what_if_is_the_model_with_that_layer_raised(result: Sensitivity) -> None:
    for row in result.layers:
        for what_if in row.what_if:
            assert what_if.score_gained == pytest.approx(what_if.evaluation.score - result.quantized.score)
            assert what_if.us_lost == pytest.approx(what_if.evaluation.latency_us - result.quantized.latency_us)
            assert what_if.evaluation.claimed_percent == 100
    gains = {(row.layer, w.precision): w.sqnr_gained_db for row in result.layers for w in row.what_if}
    assert max(gains.values()) > 1
    best_layer, _ = max(gains, key=lambda key: gains[key])
    assert best_layer in ("conv1", "relu1")


def test_damages_add_up_to_the_whole(model: Path, result: Sensitivity, tmp_path: Path) -> None:
    """The errors are nearly independent: the noise of all layers is about the sum of each layer's."""
    quantized = tmp_path / "quantized.onnx"
    data = calibration()
    quantize_static(model, quantized, data, RECIPE)
    analysis = Analysis(model, quantized, data, RECIPE)
    whole = analysis.damage(analysis.graph.constants, analysis.graph.activations)
    parts = sum(10 ** (-row.sqnr_db / 10) for row in result.layers if row.sqnr_db is not None)
    assert whole == pytest.approx(-10 * np.log10(parts), abs=3)
    nothing = analysis.damage((), ())
    assert nothing is None


def test_plots(result: Sensitivity, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    pytest.importorskip("plotly")
    for name in ("layers.png", "layers.svg", "layers.html"):
        draw(tmp_path / name, "bad", result)
        assert (tmp_path / name).stat().st_size > 1000
    assert "conv1" in (tmp_path / "layers.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("as_json", [True, False])
def test_the_command(vaip_command: CommandLine, model: Path, as_json: bool) -> None:
    images, _ = training_images()
    np.savez(vaip_command.directory / "images.npz", image=images[:32])
    arguments = ["sensitivity", model, "--preset", "A8W8", "--calib", "images.npz", "--layers", "1"]
    if as_json:
        values = vaip_command.json(*arguments)
        assert values["quantized"]["score"] is None
        assert values["layers"][0]["what_if"][0]["precision"] == "int16"
    else:
        pytest.importorskip("matplotlib")
        shown = vaip_command(*arguments, "--plot", "layers.png", "--precisions", "bfloat16").stdout
        assert "depthwise" in shown
        assert "bfloat16 SQNR" in shown
        assert "int16" not in shown
        assert (vaip_command.directory / "layers.png").is_file()


def test_wrong_use(vaip_command: CommandLine, model: Path) -> None:
    images, _ = training_images()
    np.savez(vaip_command.directory / "images.npz", image=images[:4])
    arguments = ["sensitivity", model, "--calib", "images.npz"]
    assert "'int4' is none of" in vaip_command.error(*arguments, "--precisions", "int4", exit_code=2)
    assert "a plot is one of" in vaip_command.error(*arguments, "--plot", "layers.txt")
    assert "there is no directory" in vaip_command.error(*arguments, "--plot", "nowhere/layers.png")
    np.savez(vaip_command.directory / "wrong.npz", image=np.zeros((4, 3, 8, 8), np.float32))
    assert "1x8x8" in vaip_command.error("sensitivity", model, "--calib", "wrong.npz")


def test_json_holds_everything(result: Sensitivity) -> None:
    values = json.loads(json.dumps(result.to_dict()))
    assert values["float_score"] == pytest.approx(98.83, abs=0.01)
    assert len(values["layers"]) == len(result.layers)
