"""The operators of AMD's quantizers (com.amd.quark, com.vai.quantize) in onnxruntime's sessions.

onnxruntime loads a model only when it knows all of its operators. The EP library brings those of Quark, and a session
that is made for VitisAIEP's device gets them from there. One that names the provider, `providers=["VitisAIEP"]`, does
not: onnxruntime asks nobody. The constructor that session_constructor.py wraps therefore registers the EP library's
operators in the session's options where the model has nodes of these domains. Options that have them already, for
example from Quark's own library, are left as they are.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from typing import Any

from vaip.registration import get_library_path

DOMAINS = (b"com.amd.quark", b"com.vai.quantize")

# Protobuf: a field's key is its number and how its value is written.
_VARINT, _EIGHT_BYTES, _LENGTH_AND_BYTES, _FOUR_BYTES = 0, 1, 2, 5
_GRAPH = 7 << 3 | _LENGTH_AND_BYTES  # of a ModelProto
_INITIALIZER = 5 << 3 | _LENGTH_AND_BYTES  # of a GraphProto


def uses_quark_operators(model: str | os.PathLike[str] | bytes) -> bool:
    """Whether a model, a file or its bytes, mentions one of the domains."""
    if isinstance(model, bytes):
        return _mentions_a_domain(model)
    try:
        with open(model, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return _mentions_a_domain(content)
    except (OSError, ValueError):  # no such file, or an empty one: onnxruntime says so
        return False


def _mentions_a_domain(content: bytes | mmap.mmap) -> bool:
    return any(content.find(domain, begin, end) >= 0 for begin, end in _ranges(content) for domain in DOMAINS)


def _ranges(content: bytes | mmap.mmap) -> Iterator[tuple[int, int]]:
    """All of a model but its graph's initializers: these are most of it, and name no operator."""
    size = len(content)
    begin = at = graph_end = 0
    while at < size:
        try:
            key, value = _varint(content, at)
            end = _end(content, key, value)
        except (IndexError, ValueError):  # no model: onnxruntime says so
            break
        if key == _GRAPH and at >= graph_end:
            graph_end = end
            _, at = _varint(content, value)
            continue
        if key == _INITIALIZER and at < graph_end:
            if begin < at:
                yield begin, at
            begin = end
        at = end
    yield begin, size


def _end(content: bytes | mmap.mmap, key: int, at: int) -> int:
    """Of a field's value."""
    kind = key & 7
    if kind == _VARINT:
        return _varint(content, at)[1]
    if kind == _LENGTH_AND_BYTES:
        length, at = _varint(content, at)
        return at + length
    if kind in (_EIGHT_BYTES, _FOUR_BYTES):
        return at + (8 if kind == _EIGHT_BYTES else 4)
    raise ValueError(f"protobuf has no values of kind {kind}")


def _varint(content: bytes | mmap.mmap, at: int) -> tuple[int, int]:
    """A number, and where what follows it begins."""
    number = shift = 0
    while True:
        byte = content[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
        shift += 7


def add_quark_operators(options: Any) -> None:
    """Registers the operators in SessionOptions that lack them."""
    options.register_custom_ops_library(get_library_path())
