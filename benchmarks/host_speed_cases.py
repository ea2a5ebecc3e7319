"""The models of host_speed.py, and how much faster than onnxruntime's CPU provider VitisAIEP is meant to be on each."""

from __future__ import annotations

import sys
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parent / "models"))

from collection import NETWORKS
from quantizers import QUANTIZERS

FLOAT = "fp32"  # float models, which VitisAIEP runs in bfloat16
INTEGER = ("ort_qdq_u8s8", "quark_xint8", "quark_a8w8", "quark_a16w8")
LIGHT = tuple(name for name in NETWORKS if name.startswith("light_"))


class Case(NamedTuple):
    network: str
    quantizer: str

    @property
    def name(self) -> str:
        return f"{self.network}.{self.quantizer}"

    @property
    def title(self) -> str:
        return "BF16" if self.quantizer == FLOAT else QUANTIZERS[self.quantizer].title

    @property
    def bar(self) -> float | None:
        """The least ratio of the CPU provider's time to VitisAIEP's that is aimed at; None: there is none."""
        return BARS.get(self)


BARS: dict[Case, float] = {
    Case("light_resnet50", "ort_qdq_u8s8"): 1.35,
    Case("light_squeezenet", "ort_qdq_u8s8"): 1.2,
    Case("light_inception_v2", "ort_qdq_u8s8"): 1.2,
    Case("light_densenet121", "ort_qdq_u8s8"): 1.2,
    Case("mobilenet_v2", "ort_qdq_u8s8"): 1.2,
    **{Case(network, "quark_xint8"): 5.0 if network == "light_resnet50" else 3.0 for network in LIGHT},
    **{Case(network, "quark_a8w8"): 3.0 for network in LIGHT},
    **{Case(network, "quark_a16w8"): 1.5 for network in LIGHT},
    Case("light_resnet50", FLOAT): 1.5,
    Case("minilm", FLOAT): 1.5,
    Case("bert_base", "ort_dynamic"): 1.2,
    Case("bert_base", "ort_qdq_u8s8"): 1.2,
}

# Those with a bar first, in the order above: a run that is stopped early has measured what matters.
CASES = tuple(dict.fromkeys((*BARS, *(Case(network, name) for network in NETWORKS for name in INTEGER))))


def selected(patterns: list[str], *, barred: bool) -> list[Case]:
    """Cases whose names match one of the patterns (of file names); all without patterns."""
    cases = [case for case in CASES if case.bar is not None or not barred]
    return [case for case in cases if not patterns or any(fnmatch(case.name, pattern) for pattern in patterns)]
