"""Where a quantized model runs, and with which session options VitisAIEP takes the most of it."""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass
from pathlib import Path

from vaip.description import Device
from vaip.inputs import Arrays
from vaip.sessions import NpuSession
from vaip.simulation import simulate

BF16_OPTION = "enable_f32_to_bf16_conversion"


@dataclass(frozen=True)
class Target:
    device: str | Device | None = None
    config: str | os.PathLike[str] | None = None
    options: tuple[tuple[str, str], ...] = ()
    threads: int = 0

    def session(self, model: Path) -> NpuSession:
        return NpuSession(
            model, device=self.device, config=self.config, options=dict(self.options), threads=self.threads
        )

    def latency_us(self, model: Path, inputs: Arrays) -> float:
        predicted = simulate(model, inputs, device=self.device, config=self.config, options=dict(self.options))
        return 1e3 * predicted.latency_ms

    def fitted_to(self, model: Path) -> tuple[Target, NpuSession]:
        """With the options that the model needs so that VitisAIEP takes the most of it, and a session with them.

        Layers that a quantizer left float run in bfloat16; without being asked VitisAIEP does that only where nothing
        is quantized at all.
        """
        plain = self.session(model)
        claimed = plain.report().nodes
        if claimed.ipu == claimed.total or BF16_OPTION in dict(self.options):
            return self, plain
        target = dataclasses.replace(self, options=(*self.options, (BF16_OPTION, "true")))
        converting = target.session(model)
        return (target, converting) if converting.report().nodes.ipu > claimed.ipu else (self, plain)


def session_options(model: Path) -> dict[str, str]:
    """Session options with which VitisAIEP takes the most of the model; most models need none."""
    target, _ = Target().fitted_to(model)
    return dict(target.options)
