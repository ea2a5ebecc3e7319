"""docs/quantization.md: the commands of each source, run as they stand there, in a directory with the examples."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import vaip
from layer_by_layer import check_layers
from sessions import cpu_session
from vaip.demo.digits import held_out_images

ROOT = Path(__file__).parents[2]
SECTION = re.compile(r"^## (.+)\n((?:(?!^## ).*\n?)*)", re.MULTILINE)
BLOCK = re.compile(r"^```bash\n(.*?)^```", re.MULTILINE | re.DOTALL)
# Section: the framework that it needs, and the examples' channels.
SOURCES = {
    "From PyTorch": ("torch", "first"),
    "From TensorFlow 2": ("tensorflow", "last"),
    "From TensorFlow 1": ("tensorflow", "last"),
    "From ONNX": ("torch", "first"),
}
CASES = [
    pytest.param(title, i, marks=[] if title == "From PyTorch" else pytest.mark.slow)
    for title, text in SECTION.findall((ROOT / "docs" / "quantization.md").read_text(encoding="utf-8"))
    if title in SOURCES
    for i in range(len(BLOCK.findall(text)))
]


def blocks(title: str) -> list[str]:
    sections = dict(SECTION.findall((ROOT / "docs" / "quantization.md").read_text(encoding="utf-8")))
    return BLOCK.findall(sections[title])


def run_block(block: str, directory: Path, environment: dict[str, str]) -> list[str]:
    """Runs the commands one by one; what they print."""
    printed = []
    for line in block.replace("\\\n", " ").splitlines():
        program, *arguments = shlex.split(line)
        command = {"python": [sys.executable], "vaip": [sys.executable, "-m", "vaip"]}[program] + arguments
        done = subprocess.run(
            command, cwd=directory, env=environment, capture_output=True, text=True, timeout=500, check=False
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
        printed.append(done.stdout)
    return printed


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The directory where an example has trained its network already: once for all the tests that begin with it."""
    done: dict[str, Path] = {}

    def directory(script: str) -> Path:
        if script not in done:
            done[script] = tmp_path_factory.mktemp(Path(script).stem)
            for example in (ROOT / "examples" / "quantization").glob("*.py"):
                shutil.copy(example, done[script])
            run_block(f"python {script}", done[script], environment())
        return done[script]

    return directory


def environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}


@pytest.mark.parametrize(("title", "block"), CASES)
def test_commands_keep_the_accuracy(
    title: str, block: int, trained: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    framework, channels = SOURCES[title]
    pytest.importorskip(framework, reason=f"needs the extra: pip install 'vaip[{framework}]'")
    pytest.importorskip("quark.onnx", reason="needs the extra: pip install 'vaip[quark]'")
    training, *commands = blocks(title)[block].splitlines(keepends=True)
    source = trained(training.split()[1])
    directory = tmp_path / "work"
    shutil.copytree(source, directory)

    *_, shown = run_block("".join(commands), directory, environment())

    quantized = next(iter(directory.glob("digits_*8.onnx")))
    assert "IPU" in shown or "NPU" in shown
    float_accuracy = accuracy(cpu_session(onnx.load(directory / "digits.onnx")), channels)
    session = ort.InferenceSession(quantized, providers=["VitisAIEP", "CPUExecutionProvider"])
    quantized_accuracy = accuracy(session, channels)
    nodes = vaip.reports()[-1].nodes
    assert float_accuracy > 96
    assert quantized_accuracy >= float_accuracy - 1, (float_accuracy, quantized_accuracy)
    assert nodes.ipu >= 0.99 * nodes.total, vaip.reports()[-1].unclaimed
    (value,) = session.get_inputs()
    some = sample(channels)[: value.shape[0] if isinstance(value.shape[0], int) else 3]
    assert check_layers(title, onnx.load(quantized), {value.name: some}) == set()


def sample(channels: str) -> np.ndarray:
    images, _ = held_out_images()
    return np.ascontiguousarray(images.transpose(0, 2, 3, 1)) if channels == "last" else images


def accuracy(session: Any, channels: str) -> float:
    """Percent of the held-out images; a model of one image takes them one by one."""
    images, (_, labels) = sample(channels), held_out_images()
    (value,) = session.get_inputs()
    size = value.shape[0] if isinstance(value.shape[0], int) else len(images)
    logits = [session.run(None, {value.name: images[i : i + size]})[0] for i in range(0, len(images), size)]
    return 100 * float(np.mean(np.concatenate(logits).argmax(axis=1) == labels))
