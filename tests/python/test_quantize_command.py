"""vaip quantize and vaip import as commands: what they print, write and refuse."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnx
import pytest
from conftest import CommandLine
from vaip.demo.digits import FP32_MODEL, training_images


@pytest.fixture
def digits(tmp_path: Path) -> Path:
    images, _ = training_images()
    np.savez(tmp_path / "digits.npz", image=images[:40])
    (tmp_path / "digits.onnx").write_bytes(FP32_MODEL.read_bytes())
    return tmp_path


def test_quantizes_with_what_is_always_there(digits: Path, vaip_command: CommandLine) -> None:
    shown = vaip_command(
        "quantize", "digits.onnx", "--preset", "a8w8", "--calib", "digits.npz", "--tool", "onnxruntime"
    ).stdout
    assert "digits_a8w8.onnx: A8W8 by onnxruntime" in shown
    assert "calibrated on 40 batches" in shown
    assert "predicted on strix" in shown
    assert sorted(os.listdir(digits)) == ["digits.npz", "digits.onnx", "digits_a8w8.onnx"]
    values = vaip_command.json(
        "quantize", "digits.onnx", "-o", "q.onnx", "--preset", "U8S8_AAWS", "--calib", "digits.npz",
        "--device", "phoenix", "--batch-size", "8", "--limit", "20", "--method", "minmax", "--per-channel",
        "--exclude", "conv1", "--tool", "onnxruntime", "--extra-option", "WeightSymmetric=false",
    )  # fmt: skip
    assert values["device"] == "phoenix"
    assert values["calibration_batches"] == 2
    assert values["nodes"]["total"] == values["nodes"]["ipu"] + values["nodes"]["cpu"]
    assert values["latency_ms"] > 0
    assert values["size_bytes"] == (digits / "q.onnx").stat().st_size
    assert values["recipe"]["exclude"] == ["conv1"]
    assert values["recipe"]["extra_options"] == {"WeightSymmetric": False}


def test_quantizes_with_quark(digits: Path, vaip_command: CommandLine) -> None:
    pytest.importorskip("quark.onnx", reason="needs the extra: pip install 'vaip[quark]'")
    (digits / "my_quark.py").write_text(
        "from quark.onnx.quantization.config import get_default_config\n"
        "def config():\n    return get_default_config('A8W8')\n",
        encoding="utf-8",
    )
    values = vaip_command.json(
        "quantize", "digits.onnx", "--calib", "digits.npz", "--cle", "--finetune", "adaround", "--iterations", "2",
        "--exclude", "conv2..depthwise", "--dim", "batch=4", "--seed", "3",
    )  # fmt: skip
    assert values["tool"] == "quark"
    assert values["recipe"]["exclude"] == [{"start": ["conv2"], "end": ["depthwise"]}]
    assert onnx.load(digits / "digits_xint8.onnx").graph.input[0].type.tensor_type.shape.dim[0].dim_value == 4
    mixed = vaip_command("quantize", "digits.onnx", "--calib", "digits.npz", "--mixed", "conv2=bfloat16").stdout
    assert "enable_f32_to_bf16_conversion=true" in mixed
    whole = vaip_command("quantize", "digits.onnx", "--calib", "digits.npz", "--quark-config", "my_quark.py:config")
    assert "Quark configuration by quark" in whole.stdout


def test_lists_the_presets(vaip_command: CommandLine) -> None:
    assert "XINT8_ADAROUND" in vaip_command("quantize", "--presets").stdout
    presets = vaip_command.json("quantize", "--presets")["presets"]
    assert {"XINT8", "A8W8", "A16W8", "BF16"} <= {preset["name"] for preset in presets}


def test_errors_leave_nothing_behind(digits: Path, vaip_command: CommandLine) -> None:
    (digits / "empty").mkdir()
    model, data = ("quantize", "digits.onnx"), ("--calib", "digits.npz")
    for arguments, message, code in (
        (("quantize",), "MODEL", 2),
        (("quantize", "absent.onnx"), "does not exist", 2),
        ((*model, "--preset", "XINT9"), "did you mean XINT8", 1),
        (model, "needs calibration data", 1),
        ((*model, "--calib", "absent.npz"), "cannot be read", 1),
        ((*model, "--calib", "empty"), "no images", 1),
        ((*model, "--calib", "absent:reader"), "cannot be imported", 1),
        ((*model, *data, "--preprocess", "crop=8"), "a folder of images", 1),
        ((*model, *data, "-o", "absent/q.onnx"), "does not exist", 1),
        ((*model, *data, "--exclude", "conv9"), "no node 'conv9'", 1),
        ((*model, *data, "--mixed", "conv1=int4"), "int16, bfloat16", 1),
        ((*model, *data, "--dim", "width=8"), "no dynamic dimension 'width'", 1),
        ((*model, *data, "--tool", "onnxruntime"), "no XINT8", 1),
        ((*model, *data, "--quark-config", "absent.json"), "absent.json", 2),
        (("import", "absent.onnx", "-o", "o.onnx"), "no such file", 1),
        (("import", "digits.onnx"), "--output", 2),
        (("import", "digits.onnx", "-o", "o.onnx", "--dim", "batch=x"), "positive integer", 2),
        (("import", "digits.npz", "-o", "o.onnx"), "unknown kind of model", 1),
    ):
        assert message in vaip_command.error(*arguments, exit_code=code)
    assert sorted(os.listdir(digits)) == ["digits.npz", "digits.onnx", "empty"]


def test_imports_and_says_what_came_of_it(digits: Path, vaip_command: CommandLine) -> None:
    shown = vaip_command("import", "digits.onnx", "-o", "fixed.onnx", "--dim", "batch=1").stdout
    assert "image  1x1x8x8" in shown
    assert "Equals its source" in shown
    values = vaip_command.json("import", "digits.onnx", "-o", "o.onnx", "--no-check", "--no-simplify", "--opset", "19")
    assert (values["opset"], values["simplified_by"], values["largest_difference"]) == (19, None, None)
    assert values["inputs"] == {"image": ["batch", 1, 8, 8]}
