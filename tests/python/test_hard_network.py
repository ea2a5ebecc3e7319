"""A network that is hard to quantize, from plain XINT8 to what gets it back; the commands of docs/quantization.md."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from layer_by_layer import check_layers
from vaip.demo.digits import held_out_images
from vaip.quantize.target import Target
from vaip.sessions import cpu_session

pytest.importorskip("torch", reason="needs the extra: pip install 'vaip[quark]'")
pytest.importorskip("quark.onnx", reason="needs the extra: pip install 'vaip[quark]'")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "quantization.md").read_text(encoding="utf-8")
CALIBRATION = ["--calib", "hard_digits.py:calibration"]
METHODS = {
    "plain": [],
    "nonoverflow": ["--method", "nonoverflow"],
    "cle": ["--cle"],
    "adaround": ["--cle", "--finetune", "adaround", "--iterations", "400"],
    "adaquant": ["--cle", "--finetune", "adaquant", "--iterations", "400"],
}


def commands(section: str) -> list[list[str]]:
    """Those of a section of the page."""
    block = PAGE.split(f"\n## {section}\n")[1].split("```bash\n")[1].split("```")[0]
    return [shlex.split(line) for line in block.replace("\\\n", " ").splitlines()]


def python(directory: Path, *arguments: str) -> str:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    line = [sys.executable, *arguments]
    done = subprocess.run(
        line, cwd=directory, env=environment, capture_output=True, text=True, timeout=900, check=False
    )
    assert done.returncode == 0, f"{arguments}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def vaip_json(directory: Path, *arguments: str) -> dict[str, Any]:
    values = json.loads(python(directory, "-m", "vaip", *arguments, "--json"))
    assert isinstance(values, dict)
    return values


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With the trained example and its float model."""
    path = tmp_path_factory.mktemp("hard")
    shutil.copy(ROOT / "examples" / "quantization" / "hard_digits.py", path)
    (_, script), (_, *import_it), _ = commands("The accuracy gate")
    python(path, script)
    vaip_json(path, *import_it)
    return path


def accuracy(session: ort.InferenceSession) -> float:
    images, labels = held_out_images()
    return 100 * float(np.mean(session.run(None, {"image": images})[0].argmax(axis=1) == labels))


def check_on_npu(model: Path) -> None:
    """Claimed, and exact: power-of-two scales leave no element that differs."""
    images, _ = held_out_images()
    npu = Target().session(model)
    (result,) = npu.onnxruntime.run(None, {"image": images})
    nodes = npu.report().nodes
    assert nodes.ipu >= 0.99 * nodes.total, npu.report().unclaimed
    expected = cpu_session(model, precise=True, optimize=False).run(None, {"image": images})[0]
    np.testing.assert_array_equal(result, expected)
    assert check_layers(model.stem, onnx.load(model), {"image": images[:8]}) == set()


def test_the_gate_climbs_until_one_point_is_lost_at_most(directory: Path) -> None:
    *_, (_, *quantize) = commands("The accuracy gate")
    values = vaip_json(directory, *quantize)
    plain, *_ = values["attempts"]
    kept = values["attempts"][values["kept"]]
    assert values["float_score"] > 96
    assert plain["method"] == "XINT8"
    assert plain["drop"] > 5
    assert values["passed"]
    assert kept["drop"] <= 1
    assert "XINT8 + CLE + AdaRound" in kept["method"]
    assert not any(attempt["passed"] for attempt in values["attempts"][: values["kept"]])
    for attempt in values["attempts"]:
        assert attempt["evaluation"]["claimed_percent"] >= 99, attempt
        assert attempt["evaluation"]["latency_us"] > 0
    check_on_npu(directory / "hard_xint8.onnx")


@pytest.mark.parametrize("method", METHODS)
def test_each_method_is_claimed_and_exact(directory: Path, method: str) -> None:
    output = f"{method}.onnx"
    vaip_json(directory, "quantize", "hard.onnx", *METHODS[method], *CALIBRATION, "-o", output)
    check_on_npu(directory / output)
    lost = accuracy(cpu_session(directory / "hard.onnx")) - accuracy(Target().session(directory / output).onnxruntime)
    if method == "plain":
        assert lost > 5
    elif method == "adaround":
        assert lost <= 1


def test_quantization_aware_training_recovers_the_accuracy(directory: Path) -> None:
    pytest.importorskip("brevitas", reason="needs the extra: pip install 'vaip[qat]'")
    pytest.importorskip("onnxoptimizer", reason="needs the extra: pip install 'vaip[qat]'")
    *_, (_, *train), (_, *run) = commands("Quantization-aware training")
    values = vaip_json(directory, *train)
    assert values["float_score"] > 96
    assert values["drop"] <= 1
    assert values["untrained"]["claimed_percent"] >= 99
    assert vaip_json(directory, *run)["latency_ms"] > 0
    check_on_npu(directory / "hard_qat.onnx")


def test_the_sensitive_layers_are_those_behind_the_equalization(directory: Path) -> None:
    """Ranges before the pool stay apart: the last convolution, the pool and the classifier lose most."""
    values = vaip_json(directory, "sensitivity", "hard.onnx", *CALIBRATION, "--limit", "16", "--cle", "--layers", "0")
    ranked = [layer["op"] for layer in values["layers"] if layer["sqnr_db"] is not None]
    assert "Gemm" in ranked[:3]
    assert set(ranked[3:]) == {"Conv"}
