"""What a sweep predicts at each point, and what it keeps of the prediction."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from vaip import _core
from vaip._core import Error
from vaip.overrides import json_texts, split, to_json
from vaip.sweep.grid import Point

BOUNDS = ("compute", "l1", "l2", "ddr", "dispatch")


@dataclass(frozen=True)
class Outcome:
    """A prediction in one row. Shares are of the whole latency: layers by what bounds them, the rest is the host's."""

    latency_us: float
    cycles: float
    shares: dict[str, float]  # by bound, and "host": calls, launches
    tops_effective: float
    dominating_layer: str
    dominating_share: float

    @classmethod
    def of(cls, latency_us: float, cycles: float, tops: float, layers: Sequence[Mapping[str, Any]]) -> Outcome:
        if not layers or latency_us <= 0:
            raise Error("no layer runs on the NPU: 'vaip partition' says why")
        by_bound = dict.fromkeys(BOUNDS, 0.0)
        for layer in layers:
            by_bound[layer["bound"]] = by_bound.get(layer["bound"], 0.0) + layer["us"]
        shares = {bound: us / latency_us for bound, us in by_bound.items()}
        shares["host"] = max(0.0, 1 - sum(shares.values()))
        longest = max(layers, key=lambda layer: float(layer["us"]))
        return cls(latency_us, cycles, shares, tops, longest["name"], longest["us"] / latency_us)


class Workload(Protocol):
    def predict(self, point: Point) -> Outcome:
        """Raises vaip.Error where the point is impossible."""


@dataclass(frozen=True)
class OnnxModel:
    """A model file. Each process reads it once; no session of onnxruntime is made."""

    path: str
    options: tuple[tuple[str, str], ...] = ()  # session options but device and overrides
    input_shapes: tuple[tuple[int, ...], ...] = ()  # empty: the model's own, which are static

    def predict(self, point: Point) -> Outcome:
        options = {**dict(self.options), "device": point.device}
        if point.overrides:
            options["overrides"] = to_json(point.overrides)
        predicted = json.loads(_read(self.path).with_options(options).predict_json(self.input_shapes))
        latency_us = predicted["latency_ms"] * 1e3
        return Outcome.of(latency_us, predicted["ipu_cycles"], predicted["tops_effective"], predicted["layers"])


@dataclass(frozen=True)
class Gemm:
    """One matrix product, M x K by K x N."""

    sizes: tuple[int, int, int]
    formats: tuple[str, str, str] = ("int8", "int8", "int8")  # of A, B and the result
    stack: str = "vitisai"
    rows: int | None = None
    columns: int | None = None

    def predict(self, point: Point) -> Outcome:
        of_device, of_stack = split(point.overrides)
        device = _core.device_json(point.device, json_texts(of_device))
        text = _core.estimate_gemm(
            self.sizes,
            self.formats,
            device,
            self.stack,
            batch=1,
            partial_sums=None,
            rows=self.rows,
            columns=self.columns,
            tile=None,
            l2_depth=None,
            c_buffers=None,
            b_layout="row",
            c_layout="row",
            kernel="",
            host_call=True,
            stack_overrides=json_texts(of_stack),
        )
        timing = json.loads(text)
        return Outcome.of(timing["latency_us"], timing["cycles"], timing["tops_effective"], timing["layers"])


def input_shapes(path: str | os.PathLike[str], dims: Mapping[str, int]) -> tuple[tuple[int, ...], ...]:
    """The shapes to predict for: () where the model's are static, else its own with `dims`, and 1 for the others."""
    import onnx

    name = os.fspath(path)
    declared = _read(name).inputs
    if not dims and all(-1 not in shape for _, _, shape in declared):
        return ()
    graph = onnx.load(name, load_external_data=False).graph
    symbols = {
        value.name: [dim.dim_param for dim in value.type.tensor_type.shape.dim] for value in graph.input
    }  # "" where a dimension has a size, or no name
    known = {symbol for name, _, _ in declared for symbol in symbols[name] if symbol}
    for dim in dims:
        if dim not in known:
            raise Error(f"the model has no dynamic dimension '{dim}'; it has: {', '.join(sorted(known)) or 'none'}")
    return tuple(
        tuple(size if size >= 0 else dims.get(symbol, 1) for size, symbol in zip(shape, symbols[name], strict=True))
        for name, _, shape in declared
    )


@functools.lru_cache(maxsize=1)
def _read(path: str) -> _core.Model:
    return _core.Model.from_file(path)
