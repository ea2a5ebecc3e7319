"""Sessions on VitisAIEP alone and on the CPU EP, and how their results are held against the oracle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx
import onnxruntime as ort

EP_NAME = "VitisAIEP"

ort.set_default_logger_severity(4)


def vaip_options(*, fallback: bool = False, optimize: bool = True) -> ort.SessionOptions:
    """Without `fallback` the session fails to load unless VitisAIEP takes every node.

    Without `optimize` the EP sees the model as it is written; else onnxruntime's level-1 optimizations come first.
    """
    options = ort.SessionOptions()
    options.log_severity_level = 4
    if not optimize:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    if not fallback:
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    return options


def vaip_session(
    model: onnx.ModelProto | bytes | str,
    options: Mapping[str, str] | None = None,
    *,
    fallback: bool = False,
    optimize: bool = True,
) -> ort.InferenceSession:
    import vaip  # noqa: F401 - registers VitisAIEP; here, so that the oracle's own tests need no built package

    source = model.SerializeToString() if isinstance(model, onnx.ModelProto) else model
    providers = [(EP_NAME, dict(options or {}))] + (["CPUExecutionProvider"] if fallback else [])
    session = ort.InferenceSession(source, vaip_options(fallback=fallback, optimize=optimize), providers=providers)
    session.disable_fallback()
    return session


def cpu_session(
    model: onnx.ModelProto,
    level: ort.GraphOptimizationLevel = ort.GraphOptimizationLevel.ORT_DISABLE_ALL,
) -> ort.InferenceSession:
    """Unoptimized by default: every operator in float32 between its Q and DQ, the fairest second opinion."""
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = level
    if any(o.domain in ("com.amd.quark", "com.vai.quantize") for o in model.opset_import):
        import vaip

        options.register_custom_ops_library(vaip.get_library_path())
    options.add_session_config_entry("session.x64quantprecision", "1")
    return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def claimed_nodes(session: ort.InferenceSession) -> list[str]:
    """Op types of the nodes that onnxruntime assigned to VitisAIEP."""
    subgraphs = session.get_provider_graph_assignment_info()
    return [node.op_type for sub in subgraphs if sub.ep_name == EP_NAME for node in sub.get_nodes()]


def run(session: ort.InferenceSession, feeds: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    return session.run(None, dict(feeds))


@dataclass
class Tally:
    """Agreement over a test set, in steps of the output's quantization, or in float32 ulps where it has none."""

    elements: int = 0
    different: int = 0

    def add(
        self, expected: np.ndarray, got: np.ndarray, where: str, *, equal: bool, scale: float | None = None
    ) -> None:
        """scale: of a quantized value that the graph's edge dequantizes to float."""
        assert got.dtype == expected.dtype, f"{where}: dtype {got.dtype}, expected {expected.dtype}"
        assert got.shape == expected.shape, f"{where}: shape {got.shape}, expected {expected.shape}"
        steps = distance(expected, got, scale)
        self.elements += steps.size
        self.different += int(np.count_nonzero(steps))
        allowed = 0 if equal else 1
        if steps.size and steps.max() > allowed:
            at = np.unravel_index(int(steps.argmax()), steps.shape)
            raise AssertionError(
                f"{where}: {np.count_nonzero(steps > allowed)} of {steps.size} elements differ by more than {allowed}; "
                f"worst at {[int(i) for i in at]}: expected {expected[at]}, got {got[at]}"
            )

    def check(self) -> None:
        assert self.elements > 0
        assert self.different <= 1e-4 * self.elements, f"{self.different} of {self.elements} elements differ"


def distance(a: np.ndarray, b: np.ndarray, scale: float | None = None) -> np.ndarray:
    if a.dtype != np.float32:
        return np.abs(a.astype(np.int64) - b.astype(np.int64))
    assert np.isfinite(a).all()
    assert np.isfinite(b).all()
    difference = np.abs(a.astype(np.float64) - b.astype(np.float64))
    if scale is not None:
        # Rounded up a little below one half: two floats of one integer are equal, neighbours are a step apart.
        return np.ceil(difference / scale - 0.25).clip(0)
    return difference / np.spacing(np.maximum(np.abs(a), np.abs(b)))
