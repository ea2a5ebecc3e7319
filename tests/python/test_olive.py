"""docs/quantization.md's Olive workflow: quantizes the digits with Quark and evaluates them on VitisAIEP."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import onnx
import pytest
from layer_by_layer import check_layers
from vaip.demo.digits import FP32_MODEL, held_out_images

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_workflow_keeps_the_accuracy_on_vitisai(tmp_path: Path) -> None:
    pytest.importorskip("olive", reason="needs pip install olive-ai")
    pytest.importorskip("quark.onnx", reason="needs the extra: pip install 'vaip[quark]'")
    for name in ("olive_workflow.json", "olive_digits.py"):
        shutil.copy(ROOT / "examples" / "quantization" / name, tmp_path)
    shutil.copy(FP32_MODEL, tmp_path / "digits.onnx")
    page = (ROOT / "docs" / "quantization.md").read_text(encoding="utf-8")
    (line,) = re.findall(r"^olive (.*)$", page, re.MULTILINE)

    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "olive", *shlex.split(line)]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=500, check=False
    )

    assert done.returncode == 0, done.stderr
    before = json.loads((tmp_path / "olive" / "input_model_metrics.json").read_text(encoding="utf-8"))
    after = json.loads((tmp_path / "olive" / "metrics.json").read_text(encoding="utf-8"))
    assert before["vitisai-accuracy"]["value"] > 96
    assert after["vitisai-accuracy"]["value"] >= before["vitisai-accuracy"]["value"] - 1
    assert after["vitisai-claimed"]["value"] >= 99
    assert after["vitisai-latency_ms"]["value"] > 0
    images, _ = held_out_images()
    quantized = onnx.load(tmp_path / "olive" / "model.onnx")
    assert {t.data_type for t in quantized.graph.initializer if "bias" in t.name} <= {
        onnx.TensorProto.INT8,
        onnx.TensorProto.FLOAT,
    }
    assert check_layers("olive", quantized, {"image": images[:3]}) == set()
