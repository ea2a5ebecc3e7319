"""A network that is hard to quantize (examples/quantization/hard_digits.py), from plain XINT8 to what gets it back."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from layer_by_layer import check_layers
from vaip.demo.digits import held_out_images
from vaip.quantize.evaluation import Target
from vaip.sessions import cpu_session

pytest.importorskip("torch", reason="needs the extra: pip install 'vaip[quark]'")
pytest.importorskip("quark.onnx", reason="needs the extra: pip install 'vaip[quark]'")

EXAMPLE = Path(__file__).parents[2] / "examples" / "quantization" / "hard_digits.py"
GATE = ["--calib", "hard_digits.py:calibration", "--eval", "hard_digits.py:accuracy"]

Run = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With the example and its float model."""
    path = tmp_path_factory.mktemp("hard")
    shutil.copy(EXAMPLE, path)
    python(path, "hard_digits.py")
    shape = ["--shape", "image=batch,1,8,8", "--outputs", "logits"]
    python(path, *VAIP, "import", "hard_digits.pt", "--factory", "hard_digits.py:make_net", *shape, "-o", "hard.onnx")
    return path


VAIP = ["-m", "vaip"]


def python(directory: Path, *arguments: str, exit_code: int = 0) -> str:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, *arguments]
    done = subprocess.run(
        command, cwd=directory, env=environment, capture_output=True, text=True, timeout=900, check=False
    )
    assert done.returncode == exit_code, f"{arguments}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def command(directory: Path, *arguments: str, exit_code: int = 0) -> dict[str, Any]:
    values = json.loads(python(directory, *VAIP, *arguments, "--json", exit_code=exit_code))
    assert isinstance(values, dict)
    return values


def check_on_npu(model: Path, options: dict[str, str] | None = None) -> None:
    """Claimed, and exact: power-of-two scales leave no element that differs."""
    images, _ = held_out_images()
    npu = Target(options=tuple((options or {}).items())).session(model)
    (result,) = npu.onnxruntime.run(None, {"image": images})
    nodes = npu.report().nodes
    assert nodes.ipu >= 0.99 * nodes.total, npu.report().unclaimed
    expected = cpu_session(model, precise=True, optimize=False).run(None, {"image": images})[0]
    np.testing.assert_array_equal(result, expected)
    assert check_layers(model.stem, onnx.load(model), {"image": images[:8]}) == set()


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_gate_climbs_until_one_point_is_lost_at_most(directory: Path) -> None:
    values = command(directory, "quantize", "hard.onnx", *GATE, "--max-drop", "1", "-o", "gate.onnx")
    plain, *_ = values["attempts"]
    kept = values["attempts"][values["kept"]]
    assert values["float_score"] > 96
    assert plain["method"] == "XINT8"
    assert plain["drop"] > 5
    assert values["passed"]
    assert kept["drop"] <= 1
    assert kept["recipe"]["cross_layer_equalization"]
    assert not any(attempt["passed"] for attempt in values["attempts"][: values["kept"]])
    for attempt in values["attempts"]:
        assert attempt["evaluation"]["claimed_percent"] >= 99, attempt
        assert attempt["evaluation"]["latency_us"] > 0
    if "bfloat16" not in kept["recipe"]["precisions"].values():
        check_on_npu(directory / "gate.onnx", values["provider_options"])


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("algorithm", ["adaround", "adaquant"])
def test_equalization_and_fast_finetuning_recover_the_accuracy(directory: Path, algorithm: str) -> None:
    arguments = ["--cle", "--finetune", algorithm, "--max-drop", "1", "-o", f"{algorithm}.onnx"]
    values = command(directory, "quantize", "hard.onnx", *GATE, *arguments, exit_code=0)
    (first, *_) = values["attempts"]
    assert first["method"] == f"XINT8 + CLE + {'AdaRound' if algorithm == 'adaround' else 'AdaQuant'}"
    assert first["drop"] <= 1, first
    check_on_npu(directory / f"{algorithm}.onnx")


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_quantization_aware_training_recovers_the_accuracy(directory: Path) -> None:
    pytest.importorskip("brevitas", reason="needs the extra: pip install 'vaip[qat]'")
    pytest.importorskip("onnxoptimizer", reason="needs the extra: pip install 'vaip[qat]'")
    module = ["--module", "hard_digits.py:make_net", "--checkpoint", "hard_digits.pt"]
    module += ["--train", "hard_digits.py:finetune"]
    values = command(directory, "qat", "hard.onnx", *module, *GATE, "--max-drop", "1", "-o", "qat.onnx")
    assert values["float_score"] > 96
    assert values["drop"] <= 1
    check_on_npu(directory / "qat.onnx")


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_sensitive_layers_are_those_behind_the_equalization(directory: Path) -> None:
    """Ranges before the pool stay apart: the last convolution, the pool and the classifier lose most."""
    arguments = ["--calib", "hard_digits.py:calibration", "--limit", "16", "--cle", "--layers", "0"]
    values = command(directory, "sensitivity", "hard.onnx", *arguments)
    ranked = [layer["op"] for layer in values["layers"] if layer["sqnr_db"] is not None]
    assert {"Gemm"} <= set(ranked[:3])
    assert set(ranked[3:]) == {"Conv"}
