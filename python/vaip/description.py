"""Descriptions of NPUs: take one, change what you like, simulate on it."""

from __future__ import annotations

import copy
import dataclasses
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from vaip import _core
from vaip.files import write_text
from vaip.overrides import STACK_PREFIX, flatten, json_texts

EDITED = "edited in Python"


@dataclass
class Array:
    """Compute tiles that DMA can feed."""

    rows: int
    columns: int


@dataclass
class Core:
    data_memory_bytes: int
    load_bytes_per_cycle: float
    store_bytes_per_cycle: float


@dataclass
class MemoryTile:
    """One per column."""

    bytes: int
    channels_in: int
    channels_out: int


@dataclass
class Shim:
    """The DMA between DRAM and a column; `in` is towards the array."""

    channels_in: int
    channels_out: int
    bytes_per_cycle: float
    granule_bytes: int
    run_overhead_ns: float
    read_task_cycles: float
    write_task_cycles: float
    read_start_cycles: float
    write_start_cycles: float


@dataclass
class Stream:
    bytes_per_cycle: float


@dataclass
class Lock:
    acquire_cycles: float
    release_cycles: float


@dataclass
class Dram:
    """Sustained bandwidth, as the array sees it."""

    read_gbps: float
    write_gbps: float
    combined_gbps: float
    granule_bytes: int
    page_bytes: int
    page_miss_ns: float
    translated_pages: int


@dataclass
class MatmulRate:
    """Matrix multiplication of a pair of operand types on one core."""

    macs_per_cycle: float
    native_m: int
    native_k: int
    native_n: int


_PARTS: dict[str, type] = {
    "array": Array,
    "core": Core,
    "memory_tile": MemoryTile,
    "shim": Shim,
    "stream": Stream,
    "lock": Lock,
    "dram": Dram,
}
_MATMUL_UNITS = {"macs_per_cycle": "MAC/cycle", "native_m": "count", "native_k": "count", "native_n": "count"}


@dataclass
class Device:
    """An NPU. Units are in the names; where each number comes from is in `sources`, by dotted path."""

    name: str
    description: str
    generation: str  # selects the profile of a software stack
    aliases: list[str]
    clock_ghz: float
    array: Array
    core: Core
    memory_tile: MemoryTile
    shim: Shim
    stream: Stream
    lock: Lock
    dram: Dram
    matmul: dict[str, MatmulRate]  # by operand types: "int8_int8"
    _document: dict[str, Any] = field(repr=False, compare=False)  # the file that it was read from: units and sources

    @classmethod
    def from_json(cls, text: str, origin: str = "device description") -> Self:
        """Raises vaip.Error that names `origin` and the field where the text is not a device description."""
        _core.check_device(text, origin)
        document = json.loads(text)
        document.pop("$schema", None)
        known = {f.name for f in dataclasses.fields(cls)}
        members: dict[str, Any] = {}
        for key, member in document.items():
            if key in _PARTS:
                members[key] = _part(_PARTS[key], member)
            elif key == "matmul":
                members[key] = {pair: _part(MatmulRate, rate) for pair, rate in member.items()}
            elif key in known:
                members[key] = member["value"] if isinstance(member, dict) else copy.copy(member)
        return cls(**members, _document=document)

    def to_json(self, path: str | os.PathLike[str] | None = None) -> str:
        """The device file as text; also written to `path` where given. Raises vaip.Error for impossible values."""
        text = json.dumps(self.to_dict(), indent=2)
        _core.check_device(text, f"device '{self.name}'")
        if path is not None:
            write_text(path, text + "\n")
        return text

    def to_dict(self) -> dict[str, Any]:
        """The device file: each number with its unit and its source; changed ones say so."""
        document = copy.deepcopy(self._document)
        for key, current in self._members().items():
            if key == "matmul":
                document[key] = {
                    pair: _updated(document[key].get(pair, {}), dataclasses.asdict(rate), _MATMUL_UNITS)
                    for pair, rate in current.items()
                }
            elif key in _PARTS:
                document[key] = _updated(document[key], dataclasses.asdict(current))
            elif isinstance(document[key], dict):
                document |= _updated({key: document[key]}, {key: current})
            else:
                document[key] = current
        return document

    def with_overrides(self, overrides: Mapping[str, Any]) -> Self:
        """A copy with fields replaced by dotted path ({"dram.read_gbps": 30}) or nested ({"dram": {"read_gbps": 30}}).

        Raises vaip.Error that names the device, the field, the value and what the field takes.
        """
        flat = flatten(overrides)
        for path in flat:
            if path.startswith(STACK_PREFIX):
                raise _core.Error(
                    f"device {self.name}: {path} is a field of the software stack: "
                    "give it as the session option 'overrides' or to estimate_gemm(overrides=...)"
                )
        origin = f"device {self.name}"
        return self.from_json(_core.override_device(json.dumps(self.to_dict()), origin, json_texts(flat)), origin)

    @property
    def sources(self) -> dict[str, str]:
        """Where each number comes from, by the dotted path of its field."""
        found: dict[str, str] = {}

        def visit(path: str, member: Any) -> None:
            if isinstance(member, dict) and "source" in member:
                found[path] = member["source"]
            elif isinstance(member, dict):
                for key, child in member.items():
                    visit(f"{path}.{key}" if path else key, child)

        visit("", self.to_dict())
        return found

    def _members(self) -> dict[str, Any]:
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name != "_document"}


def devices() -> list[str]:
    """Names of the devices that come with VAIP."""
    return _core.device_names()


def device(name: str | os.PathLike[str]) -> Device:
    """The description of a device by its name, an alias of it, or the path of a device file."""
    return Device.from_json(_core.device_json(os.fspath(name)), os.fspath(name))


def _part(kind: type, quantities: dict[str, Any]) -> Any:
    """Fields that the dataclass does not name stay in the device's document: to_dict() and overrides keep them."""
    named = [f.name for f in dataclasses.fields(kind) if f.name in quantities]
    return kind(**{name: quantities[name]["value"] for name in named})


def _updated(quantities: dict[str, Any], values: dict[str, Any], units: dict[str, str] | None = None) -> dict[str, Any]:
    """Quantities with `values` in them. A value that differs is no longer what its source said."""
    result = dict(quantities)
    for key, value in values.items():
        quantity = quantities.get(key) or {"unit": (units or {})[key]}
        if "value" not in quantity or quantity["value"] != value:
            quantity = quantity | {"value": value, "source": EDITED}
        result[key] = quantity
    return result
