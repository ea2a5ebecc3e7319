"""Report and Timing: the JSON of the C++ core (csrc/report) as dataclasses."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from vaip import _core
from vaip.files import write_text

if TYPE_CHECKING:
    from rich.console import RenderableType

JsonObject = dict[str, Any]


class _Record:
    """A dataclass that mirrors a JSON object. Members that it does not name are kept in `details`: nothing is lost."""

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        names = {f.name for f in dataclasses.fields(cls)} - {"details"}  # type: ignore[arg-type]
        known = {name: value for name, value in values.items() if name in names}
        details = {name: value for name, value in values.items() if name not in names}
        try:
            return cls(**cls._nested(known), details=details)  # type: ignore[call-arg]
        except TypeError as error:
            raise ValueError(f"this is not the JSON of a {cls.__name__}: {error}") from error

    @classmethod
    def _nested(cls, values: JsonObject) -> JsonObject:
        return values

    def to_dict(self) -> JsonObject:
        """The JSON object that the record was made of."""
        members = {f.name: _plain(getattr(self, f.name)) for f in dataclasses.fields(self)}  # type: ignore[arg-type]
        details: JsonObject = members.pop("details")
        return members | details


def _plain(value: Any) -> Any:
    if isinstance(value, _Record):
        return value.to_dict()
    return [_plain(member) for member in value] if isinstance(value, list) else value


@dataclass
class Layer(_Record):
    """One layer of the compiled program: what it computes, how it is mapped on the array, what bounds it."""

    name: str
    op: str
    cycles: float
    us: float
    bound: str  # "compute", "l1", "l2", "ddr" or "dispatch"
    dtype: str = ""  # of its result, in ONNX's words: "int8", "bfloat16"
    nodes: list[str] = field(default_factory=list)  # the ONNX nodes that became this layer
    start_us: float = 0.0  # since the start of its cluster
    cluster: str = ""
    macs: int = 0
    utilisation: float = 0.0  # of the whole array's peak for the layer's operand types
    tile: dict[str, int] = field(default_factory=dict)  # m, k, n
    array: list[int] = field(default_factory=list)  # rows, columns in use
    ddr_bytes: int = 0
    cost_cycles: dict[str, float] = field(default_factory=dict)  # busy time of each resource; these overlap
    details: JsonObject = field(default_factory=dict)


@dataclass
class HostStep(_Record):
    """A step of a cluster's program on the host."""

    name: str  # of the layer, or of the tensor that is reordered
    op: str
    implementation: str  # whose code it is: "oneDNN jit_int8:avx2, int8", "table", "loops"
    us: float  # median of the latest runs
    least_us: float
    macs: int = 0
    gmacs_per_s: float = 0.0
    details: JsonObject = field(default_factory=dict)


@dataclass
class HostProfile(_Record):
    """What the steps of a program took on the host; with the option host_profile."""

    runs: int
    steps: list[HostStep] = field(default_factory=list)
    details: JsonObject = field(default_factory=dict)

    @classmethod
    def _nested(cls, values: JsonObject) -> JsonObject:
        return values | {"steps": [HostStep.from_dict(step) for step in values.get("steps", [])]}

    def __rich__(self) -> RenderableType:
        from vaip.report.render import host_profile

        return host_profile(self)


@dataclass
class Cluster(_Record):
    """A part of the graph that runs on the device as one program. Clusters run one after the other."""

    name: str
    cycles: float
    latency_ms: float
    host_cycles: float = 0.0  # of these: calling, launching, quantizing and copying at the edges
    layers: int = 0
    programs: int = 0  # input shapes that it was compiled for so far
    input_shapes: list[list[int]] = field(default_factory=list)  # of the latest
    compile_ms: float = 0.0
    cache: str = "off"  # or with the option cache_dir: "miss" where it was compiled, "hit" where it was read
    arena_bytes: int = 0
    packed_weight_bytes: int = 0
    host_profile: HostProfile | None = None  # with the option host_profile, once it has run
    details: JsonObject = field(default_factory=dict)

    @classmethod
    def _nested(cls, values: JsonObject) -> JsonObject:
        profile = values.get("host_profile")
        return values | ({"host_profile": HostProfile.from_dict(profile)} if profile else {})

    def to_dict(self) -> JsonObject:
        values = super().to_dict()
        if self.host_profile is None:
            del values["host_profile"]
        return values


@dataclass
class NodeCounts(_Record):
    total: int
    ipu: int
    cpu: int
    details: JsonObject = field(default_factory=dict)


@dataclass
class Unclaimed(_Record):
    """A node that stays on another execution provider, and what would have to change."""

    name: str
    op: str
    reason: str
    details: JsonObject = field(default_factory=dict)


class _Document(_Record):
    """A record that stands for itself: it can be written, shown and traced."""

    device: str
    clock_ghz: float
    layers: list[Layer]

    def to_json(self, path: str | os.PathLike[str] | None = None) -> str:
        """The record as JSON text; also written to `path` where one is given."""
        text = json.dumps(self.to_dict(), indent=2)
        if path is not None:
            write_text(path, text + "\n")
        return text

    def trace(self, path: str | os.PathLike[str]) -> None:
        """Writes a timeline of one inference for chrome://tracing and ui.perfetto.dev."""
        write_text(path, _core.trace_json(json.dumps(self.to_dict())))

    def __str__(self) -> str:
        from vaip.report.render import to_text

        return to_text(self.__rich__())

    def __rich__(self) -> RenderableType:
        raise NotImplementedError


@dataclass
class Timing(_Document):
    """Predicted time of a program, without a model around it: what estimate_gemm() returns."""

    device: str
    stack: str
    clock_ghz: float
    cycles: float
    latency_us: float
    macs: int = 0
    tops_effective: float = 0.0
    mode: str = "steady"  # or "event": played lock by lock
    host_cycles: float = 0.0
    ddr_read_bytes: int = 0
    ddr_write_bytes: int = 0
    energy_mj: float | None = None
    layers: list[Layer] = field(default_factory=list)
    details: JsonObject = field(default_factory=dict)

    @classmethod
    def _nested(cls, values: JsonObject) -> JsonObject:
        return values | {"layers": [Layer.from_dict(layer) for layer in values.get("layers", [])]}

    def __rich__(self) -> RenderableType:
        from vaip.report.render import timing

        return timing(self)


@dataclass
class Report(_Document):
    """A model on a device: which nodes the NPU takes, why not the others, and the predicted time layer by layer."""

    model: str
    device: str
    clock_ghz: float
    latency_ms: float
    ipu_cycles: float
    nodes: NodeCounts
    subgraphs: int
    gops: float = 0.0
    tops_effective: float = 0.0
    ddr_read_bytes: int = 0
    ddr_write_bytes: int = 0
    energy_mj: float | None = None
    layers: list[Layer] = field(default_factory=list)
    unclaimed: list[Unclaimed] = field(default_factory=list)
    clusters: list[Cluster] = field(default_factory=list)
    operators: dict[str, dict[str, int]] = field(default_factory=dict)  # {"Conv": {"ipu": 53, "cpu": 0}, ...}
    session_id: int = 0
    stack: str = ""
    mode: str = "steady"  # or "event": played lock by lock
    bf16_conversion: bool = False  # float layers are claimed, and run in bfloat16
    numerics: str = "onnx"  # or "xdna": the device's
    rounding: str | None = None  # of the device's numerics
    config: str = ""  # the file that it came from
    warnings: list[str] = field(default_factory=list)  # of the configuration: accepted and hardly meant
    details: JsonObject = field(default_factory=dict)

    @classmethod
    def _nested(cls, values: JsonObject) -> JsonObject:
        nested: JsonObject = {
            "layers": [Layer.from_dict(layer) for layer in values.get("layers", [])],
            "clusters": [Cluster.from_dict(cluster) for cluster in values.get("clusters", [])],
            "unclaimed": [Unclaimed.from_dict(node) for node in values.get("unclaimed", [])],
        }
        if "nodes" in values:
            nested["nodes"] = NodeCounts.from_dict(values["nodes"])
        return values | nested

    def __rich__(self) -> RenderableType:
        from vaip.report.render import report

        return report(self)
