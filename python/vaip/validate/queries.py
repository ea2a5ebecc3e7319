"""What a row of a table asks of the simulator."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from vaip import _core
from vaip._core import Error
from vaip.description import Device
from vaip.report import Timing
from vaip.validate.fields import Formats
from vaip.validate.networks import ModelLibrary, predict_network

if TYPE_CHECKING:
    from vaip.networks import Precision


@dataclass(frozen=True)
class Prediction:
    """Time of a whole measurement in microseconds, or cycles of one kernel call."""

    us: float | None = None
    cycles: float | None = None
    bound: str = ""


def stack_name(path: Path) -> str:
    """The name of the stack that a file describes."""
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["name"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Error(f"{path}: not a stack file with a name: {error}") from error


@dataclass(frozen=True)
class Setting:
    """Where rows are predicted: descriptions that replace the packaged ones of the same name, and the models."""

    devices: Mapping[str, Device] = field(default_factory=dict)
    stacks: Mapping[str, Path] = field(default_factory=dict)
    models: Path | None = None
    config: Path | None = None

    def device(self, name: str, clock_ghz: float | None = None) -> str:
        """The description as JSON, at another clock where given."""
        if name in self.devices:
            text = self.devices[name].to_json()
            if clock_ghz is None or clock_ghz == self.devices[name].clock_ghz:
                return text
            document = json.loads(text)
            document["clock_ghz"] = {"value": clock_ghz, "unit": "GHz", "source": "the table"}
            return json.dumps(document)
        return _packaged_device(name, clock_ghz)

    @cached_property
    def networks(self) -> ModelLibrary:
        return ModelLibrary(self.models)

    def clock_ghz(self, device: str) -> float:
        return _clock_ghz(self.device(device))

    def stack(self, name: str) -> str:
        """What the core loads for a stack or a variant of it: "air:direct" is the packaged one, or that of a file."""
        return self.stack_from_file(name) or name

    def stack_from_file(self, name: str) -> str | None:
        """The same where a file takes the stack's place: a stack's variants are those of its file."""
        if name in self.stacks:
            return str(self.stacks[name].resolve())
        stack, _, variant = name.partition(":")
        return f"{self.stacks[stack].resolve()}:{variant}" if stack in self.stacks else None

    def has_kernel(self, stack: str, kernel: str) -> bool:
        """Whether the stack's library has a variant of that name, for any formats."""
        plain = stack.split(":")[0]
        return bool(kernel) and kernel in _kernel_variants(plain, self.stacks.get(stack) or self.stacks.get(plain))


@cache
def _packaged_device(name: str, clock_ghz: float | None) -> str:
    return _core.device_json(name, {} if clock_ghz is None else {"clock_ghz": repr(clock_ghz)})


@cache
def _clock_ghz(description: str) -> float:
    return float(json.loads(description)["clock_ghz"]["value"])


@cache
def _kernel_variants(stack: str, file: Path | None) -> frozenset[str]:
    text = file.read_text("utf-8") if file else _core.description_files()[f"csrc/device/stacks/{stack}.json"]
    document = json.loads(text)
    keys = [
        key
        for profile in document["generations"].values()
        for library in ("matmul", "convolution")
        for key in profile["kernels"][library]
    ]
    return frozenset(key.split("@", 1)[1] for key in keys if "@" in key)


@dataclass(frozen=True, kw_only=True)
class Query:
    """One measurement on a named device under a named stack."""

    device: str
    stack: str

    def predict(self, setting: Setting) -> Prediction:
        raise NotImplementedError


def _prediction(text: str, part: str = "all") -> Prediction:
    timing = Timing.from_dict(json.loads(text))
    slowest = max(timing.layers, key=lambda layer: layer.cycles, default=None)
    bound = slowest.bound if slowest else ""
    if slowest and timing.host_cycles > slowest.cycles:
        bound = "dispatch"
    if part == "all":
        return Prediction(us=timing.latency_us, bound=bound)
    # A layer's resources work side by side, so each one's time is what a design without the others would take.
    cost = [layer.cost_cycles for layer in timing.layers]
    cycles_per_us = timing.clock_ghz * 1e3
    if part == "compute":
        return Prediction(us=sum(each["compute"] for each in cost) / cycles_per_us, bound="compute")
    moving = [max((each["l1"], "l1"), (each["l2"], "l2"), (each["ddr"], "ddr")) for each in cost]
    exposed = sum(each["exposed"] + each["dispatch"] for each in cost) + timing.host_cycles
    us = (sum(cycles for cycles, _ in moving) + exposed) / cycles_per_us
    return Prediction(us=min(us, timing.latency_us), bound=max(moving)[1])  # what is exposed may be hidden here


@dataclass(frozen=True, kw_only=True)
class Gemm(Query):
    """C = A B on the array. `repeats` such products follow each other, each a call of its own."""

    M: int
    K: int
    N: int
    formats: Formats
    rows: int | None = None
    columns: int | None = None
    tile: tuple[int, int, int] | None = None
    l2_depth: int | None = None
    c_buffers: int | None = None
    b_layout: str = "row"
    c_layout: str = "row"
    host_call: bool = True
    repeats: int = 1
    part: str = "all"  # "compute": the cores alone; "movement": the same design without their work
    clock_ghz: float | None = None

    @property
    def macs(self) -> int:
        return self.M * self.K * self.N * self.repeats

    def predict(self, setting: Setting) -> Prediction:
        text = _core.estimate_gemm(
            (self.M, self.K, self.N),
            (self.formats.a, self.formats.b, self.formats.out),
            setting.device(self.device, self.clock_ghz),
            setting.stack(self.stack),
            batch=1,
            partial_sums=None,
            rows=self.rows,
            columns=self.columns,
            tile=self.tile,
            l2_depth=self.l2_depth,
            c_buffers=self.c_buffers,
            b_layout=self.b_layout,
            c_layout=self.c_layout,
            kernel="",
            host_call=self.host_call,
        )
        one = _prediction(text, self.part)
        return Prediction(us=(one.us or 0.0) * self.repeats, bound=one.bound)


@dataclass(frozen=True, kw_only=True)
class Kernel(Query):
    """One call of a kernel on one core, its operands in the core's memory. `kernel` must be one of the stack's."""

    m: int
    k: int
    n: int
    formats: Formats
    kind: str = "matmul"
    kernel: str = ""
    c_shares_a_bank: bool = False

    @property
    def macs(self) -> int:
        return self.m * self.k * self.n

    def predict(self, setting: Setting) -> Prediction:
        cycles = _core.estimate_kernel(
            self.kind,
            (self.m, self.k, self.n),
            (self.formats.a, self.formats.b, self.formats.out),
            setting.device(self.device),
            setting.stack(self.stack),
            "",
            self.kernel,
            True,
            self.c_shares_a_bank,
        )
        return Prediction(cycles=cycles, bound="compute")


@dataclass(frozen=True, kw_only=True)
class Elements(Query):
    """An element-wise operator or a normalisation over rows of `row` elements."""

    op: str
    elements: int
    row: int = 0
    formats: Formats = field(default_factory=lambda: Formats("bf16", "bf16", "bf16"))
    rows: int | None = None
    columns: int | None = None
    tile: int | None = None
    host_call: bool = True

    def predict(self, setting: Setting) -> Prediction:
        text = _core.estimate_elements(
            self.op,
            self.elements,
            self.row,
            (self.formats.a, self.formats.b, self.formats.out),
            setting.device(self.device),
            setting.stack(self.stack),
            self.rows,
            self.columns,
            self.tile,
            self.host_call,
        )
        return _prediction(text)


@dataclass(frozen=True)
class ConvStage:
    size: tuple[int, int]  # height and width of the output
    channels: tuple[int, int]  # in, out
    window: int = 1
    stride: int = 1
    depthwise: bool = False
    rows: int | None = None
    columns: int | None = None
    kernel: str = ""  # a variant; a stack without it predicts with its usual kernel


@dataclass(frozen=True, kw_only=True)
class Conv(Query):
    """A convolution; several stages are a depth-first pipeline on cores of their own."""

    stages: tuple[ConvStage, ...]
    formats: Formats
    kernel: str = ""  # of stages without one; must be one of the stack's
    host_call: bool = True

    def predict(self, setting: Setting) -> Prediction:
        text = _core.estimate_conv(
            [self._described(stage, setting) for stage in self.stages],
            (self.formats.a, self.formats.b, self.formats.out),
            setting.device(self.device),
            setting.stack(self.stack),
            self.host_call,
        )
        return _prediction(text)

    def _described(self, stage: ConvStage, setting: Setting) -> _core.ConvStage:
        kernel = stage.kernel if setting.has_kernel(self.stack, stage.kernel) else self.kernel
        array = (stage.rows, stage.columns)
        return (stage.size, stage.channels, stage.window, stage.stride, stage.depthwise, *array, kernel)


@dataclass(frozen=True, kw_only=True)
class Attention(Query):
    queries: int
    keys: int
    head_dim: int
    query_heads: int
    kv_heads: int

    def predict(self, setting: Setting) -> Prediction:
        text = _core.estimate_attention(
            (self.queries, self.keys, self.head_dim),
            (self.query_heads, self.kv_heads),
            "bf16",
            setting.device(self.device),
            setting.stack(self.stack),
            None,
            None,
            True,
        )
        return _prediction(text)


@dataclass(frozen=True, kw_only=True)
class Network(Query):
    """A network end to end; without `host`, the array's share alone."""

    model: str
    precision: Precision
    columns: int | None = None
    host: bool = True

    def predict(self, setting: Setting) -> Prediction:
        us, bound = predict_network(
            setting.networks.model(self.model, self.precision),
            device=setting.device(self.device),
            config=setting.config,
            stack=setting.stack_from_file(self.stack),
            columns=self.columns,
            host=self.host,
        )
        return Prediction(us=us, bound=bound)
