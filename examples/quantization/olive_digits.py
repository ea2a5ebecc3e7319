"""What olive_workflow.json needs of Python: the digits for calibration, and the evaluation on VitisAIEP.

Olive evaluates on the execution providers that it was written for; on another one, an evaluator makes its own session.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import vaip
from olive.data.registry import Registry as DataRegistry
from olive.evaluator.metric_result import MetricResult, flatten_metric_result
from olive.evaluator.olive_evaluator import OliveEvaluator
from olive.evaluator.registry import Registry as Evaluators
from torch.utils.data import Dataset
from vaip.demo.digits import held_out_images, training_images


class Digits(Dataset):  # type: ignore[misc]
    """The first 256 training images, with their labels as Olive expects them."""

    def __init__(self) -> None:
        self.images, self.labels = training_images()

    def __len__(self) -> int:
        return 256

    def __getitem__(self, index: int) -> tuple[dict[str, np.ndarray], int]:
        return {"image": self.images[index]}, int(self.labels[index])


@DataRegistry.register_dataset()
def digits_for_calibration(**_: Any) -> Digits:
    return Digits()


class DigitsOnVitisAI(OliveEvaluator):  # type: ignore[misc]
    """Accuracy on the held-out images, the share of nodes on the NPU, and the predicted time of one image there."""

    def evaluate(self, model: Any, metrics: Any, device: Any = None, execution_providers: Any = None) -> MetricResult:
        images, labels = held_out_images()
        session = onnxruntime.InferenceSession(model.model_path, providers=["VitisAIEP", "CPUExecutionProvider"])
        logits = session.run(None, {"image": images})[0]
        report = vaip.simulate(model.model_path, {"image": images[:1]})
        values = {
            "accuracy": (100 * float(np.mean(logits.argmax(axis=1) == labels)), 1, True),
            "claimed": (100 * report.nodes.ipu / report.nodes.total, -1, True),
            "latency_ms": (report.latency_ms, -1, False),
        }
        results = {
            name: {"value": value, "priority": priority, "higher_is_better": higher}
            for name, (value, priority, higher) in values.items()
        }
        return flatten_metric_result({"vitisai": MetricResult.model_validate(results)})


if Evaluators.get("DigitsOnVitisAI") is None:  # Olive runs this file more than once
    Evaluators.register("DigitsOnVitisAI")(DigitsOnVitisAI)
