"""What-if: fields of a device, and below "stack" of a stack's profile, replaced by dotted path."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from vaip._core import Error

STACK_PREFIX = "stack."
Overrides = dict[str, Any]  # flat: {"dram.read_gbps": 30, "stack.dispatch.layer_us": 10}


def flatten(values: Mapping[str, Any], origin: str = "overrides") -> Overrides:
    """Dotted paths from an object that is flat, nested, or both. What the fields may be, the C++ core checks."""
    flat: Overrides = {}

    def visit(members: Mapping[str, Any], prefix: str) -> None:
        for key, value in members.items():
            path = f"{prefix}{key}"
            if isinstance(value, Mapping):
                visit(value, f"{path}.")
            elif path in flat:
                raise Error(f'{origin}: "{path}" is overridden twice')
            else:
                flat[path] = value

    visit(values, "")
    return flat


def read_file(path: str | os.PathLike[str]) -> Overrides:
    """The overrides in a JSON file, nested or with dotted paths."""
    name = os.fspath(path)
    try:
        text = Path(path).read_text(encoding="utf-8")
        document = json.loads(
            text, object_pairs_hook=_without_duplicates, parse_float=_finite_or_text, parse_constant=str
        )
    except OSError as error:
        raise Error(f"{name}: {error.strerror}") from error
    except ValueError as error:  # not JSON, not UTF-8, a key twice
        raise Error(f"{name}: not valid JSON: {error}") from error
    if not isinstance(document, dict):
        raise Error(f'{name}: expected an object such as {{"dram.read_gbps": 30}}, got {json.dumps(document)[:60]}')
    return flatten(document, name)


def value_of(text: str) -> Any:
    """What the text of an assignment means: a number or a flag; anything else stays text, for the error about it."""
    try:
        return json.loads(text, parse_float=_finite_or_text, parse_constant=str)
    except ValueError:
        return text


def json_texts(overrides: Mapping[str, Any]) -> dict[str, str]:
    """Values as the C++ core takes them."""
    return {path: json.dumps(value) for path, value in overrides.items()}


def to_json(overrides: Mapping[str, Any]) -> str:
    """As the session option "overrides"; what JSON has no number for becomes text, which no field takes."""
    return json.dumps({path: _finite(value) for path, value in overrides.items()})


def read_texts(resolved: str) -> Overrides:
    """The reverse, of what the core says it resolved."""
    texts: dict[str, str] = json.loads(resolved)
    return {path: json.loads(text) for path, text in texts.items()}


def split(overrides: Mapping[str, Any]) -> tuple[Overrides, Overrides]:
    """Those of the device, and those of the stack without their prefix."""
    device = {path: value for path, value in overrides.items() if not path.startswith(STACK_PREFIX)}
    stack = {path[len(STACK_PREFIX) :]: value for path, value in overrides.items() if path.startswith(STACK_PREFIX)}
    return device, stack


def shown(overrides: Mapping[str, Any]) -> str:
    """One line: clock_ghz=1.0, dram.read_gbps=30."""
    return ", ".join(f"{path}={json.dumps(value)}" for path, value in overrides.items())


def _finite(value: Any) -> Any:
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _finite_or_text(number: str) -> float | str:
    """1e400 is JSON, but no number that we have."""
    return float(number) if math.isfinite(float(number)) else number


def _without_duplicates(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for key, value in pairs:
        if key in members:
            raise ValueError(f'the key "{key}" occurs twice')
        members[key] = value
    return members
