"""How a model is to be quantized, whichever tool does it. Pure data: nothing heavy is imported."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from vaip.quantize.errors import QuantizeError
from vaip.quantize.presets import Preset, find_preset

CALIBRATION_METHODS = (
    "minmax",  # float scales: the whole range that occurred
    "percentile",  # float scales: without the outermost values
    "entropy",  # float scales: least divergence from the distribution
    "distribution",
    "layerwise_percentile",  # float scales: a percentile of its own for each layer
    "nonoverflow",  # power-of-two scales: the whole range
    "minmse",  # power-of-two scales: least squared error
)
FAST_FINETUNE = ("adaround", "adaquant")
PRECISIONS = ("int16", "bfloat16")
TOOLS = ("auto", "quark", "onnxruntime")

_EMPTY: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True)
class Subgraph:
    """The nodes between two sets of nodes, these included."""

    start: tuple[str, ...]
    end: tuple[str, ...]


@dataclass(frozen=True)
class Recipe:
    """A preset and what departs from it. What is None is as the preset has it."""

    preset: str = "XINT8"
    calibration: str | None = None  # one of CALIBRATION_METHODS
    percentile: float | None = None  # with the percentile methods: how much of the values is kept, in percent
    cross_layer_equalization: bool = False  # off in every preset here, though Quark's own have it: it is a step apart
    fast_finetune: str | None = None  # one of FAST_FINETUNE
    finetune_iterations: int | None = None
    finetune_learning_rate: float | None = None
    smooth_quant: float | None = None  # alpha: how much of the activations' range goes into the weights
    exclude: tuple[str | Subgraph, ...] = ()  # nodes that stay float: names, or "^regular.*expressions"
    precisions: Mapping[str, str] = field(default_factory=lambda: _EMPTY)  # node: one of PRECISIONS
    per_channel: bool | None = None
    seed: int = 0
    tool: str = "auto"
    quark_config: Any = None  # a QConfig, Config or QuantizationConfig of Quark, used as it is instead of the preset
    extra_options: Mapping[str, Any] = field(
        default_factory=lambda: _EMPTY
    )  # of the tool, by the tool's own names; paths absolute

    def __post_init__(self) -> None:
        object.__setattr__(self, "preset", find_preset(self.preset).name)
        _among("calibration method", self.calibration, CALIBRATION_METHODS)
        _among("fast finetuning", self.fast_finetune, FAST_FINETUNE)
        _among("tool", self.tool, TOOLS)
        for node, precision in self.precisions.items():
            _among(f"precision of node '{node}'", precision, PRECISIONS)
        if self.smooth_quant is not None and not 0 <= self.smooth_quant <= 1:
            raise QuantizeError(f"smooth_quant is alpha, from 0 to 1, not {self.smooth_quant}")
        if self.percentile is not None and not 50 < self.percentile <= 100:
            raise QuantizeError(f"percentile must be above 50 and at most 100, not {self.percentile}")
        if self.finetune_iterations is not None and self.finetune_iterations < 1:
            raise QuantizeError(f"finetune_iterations must be at least 1, not {self.finetune_iterations}")
        rate = self.finetune_learning_rate
        if rate is not None and not (math.isfinite(rate) and rate > 0):
            raise QuantizeError(f"finetune_learning_rate must be above 0, not {rate}")

    @property
    def base(self) -> Preset:
        return find_preset(self.preset)

    @property
    def finetunes(self) -> bool:
        return (self.fast_finetune or self.base.fast_finetune) is not None

    def replace(self, **changes: Any) -> Recipe:
        return dataclasses.replace(self, **changes)

    def describe(self) -> str:
        """The recipe in a line: the preset, then what departs from it."""
        finetune = self.fast_finetune and {"adaround": "AdaRound", "adaquant": "AdaQuant"}[self.fast_finetune]
        counts = {kind: list(self.precisions.values()).count(kind) for kind in PRECISIONS}
        parts = [
            "Quark configuration" if self.quark_config is not None else self.preset,
            self.calibration,
            "CLE" if self.cross_layer_equalization else None,
            finetune,
            f"SmoothQuant {self.smooth_quant:g}" if self.smooth_quant is not None else None,
            "per channel" if self.per_channel else None,
            f"{len(self.exclude)} excluded" if self.exclude else None,
            *(f"{count} layer{'s' if count > 1 else ''} {kind}" for kind, count in counts.items() if count),
        ]
        return " + ".join(part for part in parts if part)

    def to_dict(self) -> dict[str, Any]:
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        values["exclude"] = [
            item if isinstance(item, str) else {"start": list(item.start), "end": list(item.end)}
            for item in self.exclude
        ]
        values["precisions"] = dict(self.precisions)
        values["extra_options"] = {key: _plain(value) for key, value in self.extra_options.items()}
        values["quark_config"] = None if self.quark_config is None else type(self.quark_config).__name__
        return values


def _plain(value: Any) -> Any:
    """As JSON can have it; objects of a tool by their text."""
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)


def _among(what: str, value: str | None, known: tuple[str, ...]) -> None:
    if value is not None and value not in known:
        raise QuantizeError(f"{what}: '{value}' is none of {', '.join(known)}")
