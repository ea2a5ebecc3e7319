"""The fitted numbers among the descriptions of devices and stacks, and the rows that each was fitted on."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import PurePosixPath
from typing import Any

from vaip import _core


@dataclass(frozen=True)
class Parameter:
    where: str  # "stack iron, xdna1"; files with the same number share a parameter: "device phoenix, strix"
    name: str  # dotted path there
    value: float | bool
    unit: str
    fitted_on: str

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def fitted_parameters(files: Mapping[str, str] | None = None) -> list[Parameter]:
    """Those with a member "fitted_on", or whose source says that they are fitted; of the packaged files by default."""
    shared: dict[Parameter, list[str]] = {}
    for path, text in sorted((files if files is not None else _core.description_files()).items()):
        kind = PurePosixPath(path).parent.name.removesuffix("s")
        document = json.loads(text)
        parts = document["generations"] if kind == "stack" else {document["name"]: document}
        for part, members in parts.items():
            owner = f"stack {document['name']}" if kind == "stack" else "device"
            for parameter in _fitted(owner, "", members):
                shared.setdefault(parameter, []).append(part)
    return [replace(parameter, where=_where(parameter.where, parts)) for parameter, parts in shared.items()]


def _where(owner: str, parts: list[str]) -> str:
    separator = " " if owner == "device" else ", "
    return f"{owner}{separator}{', '.join(parts)}"


def _fitted(owner: str, path: str, member: Any) -> Iterator[Parameter]:
    if not isinstance(member, dict):
        return
    if "value" not in member:
        for key, child in member.items():
            yield from _fitted(owner, f"{path}.{key}" if path else key, child)
        return
    source = str(member.get("source", ""))
    fitted_on = member.get("fitted_on")
    if fitted_on is None and "fitted on" not in source:
        return
    rows = source.split("fitted on", 1)[1].strip() if fitted_on is None else _joined(fitted_on)
    yield Parameter(owner, path, member["value"], str(member.get("unit", "")), rows)


def _joined(fitted_on: Any) -> str:
    return ", ".join(map(str, fitted_on)) if isinstance(fitted_on, list) else str(fitted_on)
