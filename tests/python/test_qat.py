"""Quantization-aware training with Brevitas: what it refuses, and that the exported model is VitisAIEP's."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from conftest import CommandLine
from layer_by_layer import check_layers
from vaip.demo.digits import FP32_MODEL, held_out_images, training_images
from vaip.quantize import CalibrationData, QuantizeError
from vaip.quantize.qat import train_quantized
from vaip.quantize.target import Target
from vaip.sessions import cpu_session

torch = pytest.importorskip("torch", reason="needs the extra: pip install 'vaip[qat]'")

from torch import nn  # noqa: E402

NETS = """
import torch
from torch import nn  # noqa: E402

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3)
        self.act = nn.ReLU()
        self.head = nn.Linear(4, 10)

    def forward(self, image):
        return self.head(self.act(self.conv(image)).mean((2, 3)))

def train(net):
    pass
limit = 3
"""


class Residual(nn.Module):
    """Kinds of layers that matter: a residual sum, a depthwise layer, pools, ReLU6, a classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU())
        self.depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.act = nn.ReLU6()
        self.pointwise = nn.Conv2d(8, 8, 1)
        self.shrink = nn.MaxPool2d(2)
        self.last = nn.Conv2d(8, 16, 3)
        self.last_act = nn.ReLU()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(16, 10)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = self.stem(image)
        x = x + self.act(self.pointwise(self.act(self.depthwise(x))))
        return self.head(torch.flatten(self.pool(self.last_act(self.last(self.shrink(x)))), 1))


def calibration() -> CalibrationData:
    images, _ = training_images()
    return CalibrationData([{"image": images[first : first + 16]} for first in range(0, 64, 16)])


def float_model(module: nn.Module, path: Path) -> Path:
    names = {"input_names": ["image"], "output_names": ["logits"]}
    axes = {"image": {0: "batch"}, "logits": {0: "batch"}}
    torch.onnx.export(
        module.eval(), (torch.zeros(2, 1, 8, 8),), path, dynamic_axes=axes, opset_version=17, dynamo=False, **names
    )
    return path


@pytest.fixture
def needs_brevitas() -> None:
    for package in ("brevitas", "onnxoptimizer"):
        pytest.importorskip(package, reason="needs the extra: pip install 'vaip[qat]'")


def few_steps(module: nn.Module, rounds: int = 1, rate: float = 1e-3) -> None:
    assert module.training
    images, labels = training_images()
    optimizer = torch.optim.Adam(module.parameters(), lr=rate)
    for first in [*range(0, 128, 32)] * rounds:
        loss = nn.functional.cross_entropy(
            module(torch.from_numpy(images[first : first + 32])),
            torch.from_numpy(labels[first : first + 32].astype(np.int64)),
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


@pytest.mark.usefixtures("needs_brevitas")
@pytest.mark.parametrize("preset", ["XINT8", "A8W8"])
def test_the_trained_model_is_claimed_and_exact(preset: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = Residual()
    source, output = float_model(module, tmp_path / "float.onnx"), tmp_path / "trained.onnx"
    train_quantized(module, few_steps, source, output, calibration(), preset=preset)
    model = onnx.load(output)
    assert [value.name for value in model.graph.input] == ["image"]
    assert [value.name for value in model.graph.output] == ["logits"]
    images, _ = held_out_images()
    npu = Target().session(output)
    (result,) = npu.onnxruntime.run(None, {"image": images[:50]})
    nodes = npu.report().nodes
    assert nodes.ipu >= 0.99 * nodes.total, npu.report().unclaimed
    assert result.shape == (50, 10)
    if preset == "XINT8":
        scales = [t for t in model.graph.initializer if t.data_type == 1 and not t.dims]
        steps = [float(onnx.numpy_helper.to_array(t)) for t in scales]
        assert steps
        assert all(np.log2(step) == np.round(np.log2(step)) for step in steps)
        expected = cpu_session(output, precise=True, optimize=False).run(None, {"image": images[:50]})[0]
        np.testing.assert_array_equal(result, expected)
    assert check_layers(preset, model, {"image": images[:4]}) == set()


@pytest.mark.usefixtures("needs_brevitas")
def test_training_starts_from_the_weights(tmp_path: Path) -> None:
    """Without a step, the quantized module is the float one but for rounding."""
    torch.manual_seed(0)
    module = Residual()
    source, output = float_model(module, tmp_path / "float.onnx"), tmp_path / "trained.onnx"
    weights = {name: value.clone() for name, value in module.state_dict().items()}
    train_quantized(module, lambda quantized: None, source, output, calibration())
    assert all(torch.equal(value, weights[name]) for name, value in module.state_dict().items())  # a copy is trained
    images, _ = held_out_images()
    expected = cpu_session(source).run(None, {"image": images})[0]
    result = Target().session(output).onnxruntime.run(None, {"image": images})[0]
    assert np.sum((result - expected) ** 2) < 0.02 * np.sum(expected**2)


@pytest.mark.usefixtures("needs_brevitas")
@pytest.mark.slow
def test_what_is_trained_is_what_is_exported(tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = Residual()
    source, output = float_model(module, tmp_path / "float.onnx"), tmp_path / "trained.onnx"

    train_quantized(module, lambda quantized: few_steps(quantized, 40, 1e-2), source, output, calibration())
    images, labels = (array[:128] for array in training_images())
    logits = Target().session(output).onnxruntime.run(None, {"image": images})[0]
    before = cpu_session(source).run(None, {"image": images})[0]
    assert np.mean(before.argmax(axis=1) == labels) < 0.3  # its weights are random
    assert np.mean(logits.argmax(axis=1) == labels) > 0.6


def test_without_brevitas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "brevitas", None)
    with pytest.raises(QuantizeError, match=r"pip install 'vaip\[qat\]'"):
        train_quantized(Residual(), few_steps, FP32_MODEL, tmp_path / "trained.onnx", calibration())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("needs_brevitas")
def test_wrong_modules_and_presets(tmp_path: Path) -> None:
    output = tmp_path / "trained.onnx"
    with pytest.raises(QuantizeError, match=r"needs a torch\.nn\.Module, not int"):
        train_quantized(3, few_steps, FP32_MODEL, output, calibration())
    with pytest.raises(QuantizeError, match="presets XINT8 and A8W8, not 'BF16'"):
        train_quantized(Residual(), few_steps, FP32_MODEL, output, calibration(), preset="BF16")
    with pytest.raises(QuantizeError, match="does not exist"):
        train_quantized(Residual(), few_steps, FP32_MODEL, tmp_path / "nowhere" / "trained.onnx", calibration())

    class Branches(nn.Module):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return image if image.sum() > 0 else -image

    with pytest.raises(QuantizeError, match="Brevitas cannot quantize Branches"):
        train_quantized(Branches(), few_steps, FP32_MODEL, output, calibration())
    assert list(tmp_path.iterdir()) == []


def test_wrong_commands(vaip_command: CommandLine) -> None:
    (vaip_command.directory / "nets.py").write_text(NETS)
    images, _ = training_images()
    np.savez(vaip_command.directory / "images.npz", image=images[:8])
    arguments = ["qat", FP32_MODEL, "--module", "nets.py:Net", "--calib", "images.npz", "-o", "out.onnx"]
    assert "is int, not a function" in vaip_command.error(*arguments, "--train", "nets.py:limit", exit_code=2)
    assert "--max-drop needs --eval" in vaip_command.error(
        *arguments, "--train", "nets.py:train", "--max-drop", "1", exit_code=2
    )
    assert "not a torch.nn.Module" in vaip_command.error(
        *arguments[:3], "nets.py:limit", *arguments[4:], "--train", "nets.py:train"
    )
