"""Runs the digit classifier over all held-out images in three ways and predicts its time on every device."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vaip import _core
from vaip.report import Report
from vaip.sessions import NpuSession, cpu_saturates, cpu_session
from vaip.simulation import simulate

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    import onnxruntime
    from numpy.typing import NDArray

DATA = Path(__file__).resolve().parent / "data"
FP32_MODEL = DATA / "digits_fp32.onnx"
INT8_MODEL = DATA / "digits_int8.onnx"
HELD_OUT = DATA / "digits_heldout.npz"
TRAINING = DATA / "digits_training.npz"
BATCH = 64
INPUT = "image"


@dataclass
class Accuracy:
    model: str
    provider: str
    correct: int
    images: int

    @property
    def percent(self) -> float:
        return 100.0 * self.correct / self.images


@dataclass
class Prediction:
    """One image on one device."""

    device: str
    latency_us: float

    @property
    def images_per_second(self) -> float:
        return 1e6 / self.latency_us


@dataclass
class DemoResult:
    accuracies: list[Accuracy]
    elements: int  # of the INT8 model's outputs
    equal_elements: int  # on VitisAIEP and on the CPU
    equal_labels: int
    images: int
    cpu_is_precise: bool  # the CPU session of the INT8 model ran with session.x64quantprecision=1
    predictions: list[Prediction]
    report: Report  # of the INT8 model at batch 1 on the chosen device

    def to_dict(self) -> dict[str, Any]:
        return {
            "accuracy": [asdict(row) | {"percent": row.percent} for row in self.accuracies],
            "agreement": {
                "images": self.images,
                "labels_equal": self.equal_labels,
                "elements": self.elements,
                "elements_equal": self.equal_elements,
                "cpu_x64quantprecision": self.cpu_is_precise,
            },
            "devices": [asdict(row) | {"images_per_second": row.images_per_second} for row in self.predictions],
            "report": self.report.to_dict(),
        }


def held_out_images() -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Images as the models take them, N x 1 x 8 x 8 in 0..1, and their labels."""
    return _images(HELD_OUT)


def training_images() -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """The images that the models were trained on, in the same form: to train others, and to calibrate."""
    return _images(TRAINING)


def _images(path: Path) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    with np.load(path) as data:
        return (data["pixels"][:, np.newaxis] / 16).astype(np.float32), data["labels"]


def run_demo(
    *,
    device: str | None = None,
    config: str | os.PathLike[str] | None = None,
    options: Mapping[str, Any] | None = None,
) -> DemoResult:
    """All held-out images: FP32 on the CPU, INT8 on the CPU, INT8 on VitisAIEP; and the time of one on each device."""
    images, labels = held_out_images()
    precise = cpu_saturates()
    npu = NpuSession(INT8_MODEL, device=device, config=config, options=options)
    logits = {
        ("FP32", "CPUExecutionProvider"): _run(cpu_session(FP32_MODEL), images),
        ("INT8", "CPUExecutionProvider"): _run(cpu_session(INT8_MODEL, precise=precise), images),
        ("INT8", "VitisAIEP"): _run(npu.onnxruntime, images),
    }
    predicted = {key: np.argmax(values, axis=1) for key, values in logits.items()}
    cpu, ours = ("INT8", "CPUExecutionProvider"), ("INT8", "VitisAIEP")

    one_image = {INPUT: images[:1]}
    report = simulate(INT8_MODEL, one_image, device=device, config=config, options=options)
    reports = [simulate(INT8_MODEL, one_image, device=name, config=config) for name in _core.device_names()]
    if report.device not in [other.device for other in reports]:
        reports.append(report)
    return DemoResult(
        accuracies=[
            Accuracy(model, provider, int(np.count_nonzero(classes == labels)), len(labels))
            for (model, provider), classes in predicted.items()
        ],
        elements=logits[ours].size,
        equal_elements=int(np.count_nonzero(logits[ours] == logits[cpu])),
        equal_labels=int(np.count_nonzero(predicted[ours] == predicted[cpu])),
        images=len(labels),
        cpu_is_precise=precise,
        predictions=[Prediction(other.device, other.latency_ms * 1e3) for other in reports],
        report=report,
    )


def _run(session: onnxruntime.InferenceSession, images: NDArray[np.float32]) -> NDArray[np.float32]:
    batches = [images[first : first + BATCH] for first in range(0, len(images), BATCH)]
    return np.concatenate([session.run(None, {INPUT: batch})[0] for batch in batches])
