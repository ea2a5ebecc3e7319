"""What cells of published tables mean: platforms, number formats, tiles, arrays."""

from __future__ import annotations

import re
from dataclasses import dataclass

from vaip.validate.cells import Line

# Which device description a platform's name stands for, first match wins. Strix Halo has Strix's NPU; an "NPU1" or
# "NPU2" whose chip is not named is taken as the generation's first.
_PLATFORMS = [
    (r"8700G", "ryzen_8700g"),
    (r"hawk.?point|8[68]4[05]", "hawk_point"),
    (r"krackan|\bKRK\b|AI [57] 3[45]0", "krackan"),
    (r"strix|\bSTX\b|HX ?37[05]|AI 9 36[05]|PRO 360|AI Max|\bXDNA2\b|NPU2|NPU4", "strix"),
    (r"phoenix|\bPHX\b|7[68]40|794[05]|\bXDNA1?\b|NPU1", "phoenix"),
]

_FORMATS = {
    "i4": "int4",
    "int4": "int4",
    "i8": "int8",
    "int8": "int8",
    "u8": "int8",
    "i16": "int16",
    "int16": "int16",
    "i32": "int32",
    "int32": "int32",
    "bf16": "bf16",
    "f32": "f32",
    "fp32": "f32",
    "bfp16": "bfp16",
    "bfp16ebs8": "bfp16",
}
_ACCUMULATOR = {
    "int4": "int32",
    "int8": "int32",
    "int16": "int32",
    "int32": "int32",
    "bf16": "bf16",
    "bfp16": "bfp16",
    "f32": "f32",
}

_SIZES = re.compile(r"\s*(\d+)\s*[x\u00d7/]\s*(\d+)\s*")


@dataclass(frozen=True)
class Formats:
    a: str
    b: str
    out: str

    @property
    def keywords(self) -> dict[str, str]:
        return {"a": self.a, "b": self.b, "out": self.out}


def device_of(line: Line, column: str) -> str:
    text = line.text(column)
    found = next((device for pattern, device in _PLATFORMS if re.search(pattern, text, re.IGNORECASE)), None)
    if found is None:
        known = "8700G, Hawk Point, Phoenix, Krackan, Strix, and names of their chips"
        line.fail(column, f"unknown platform '{text}'; known: {known}")
    return found


def format_of(line: Line, column: str, text: str) -> str:
    name = text.strip().lower()
    if name not in _FORMATS:
        line.fail(column, f"unknown number format '{text}'; known: {', '.join(_FORMATS)}")
    return _FORMATS[name]


def formats_of(line: Line, column: str) -> Formats:
    """ "i8-i32" (operands, result), "i4 x bf16" or "i8xi8" (A's and B's operands; here the weights come first)."""
    text = re.sub(r"\(.*\)|\bvia\b.*", "", line.text(column)).strip()
    operands = re.split(r"\s*x\s*(?=i|b|f)", text)
    if len(operands) == 2:
        weights, activations = (format_of(line, column, each) for each in operands)
        return Formats(activations, weights, _ACCUMULATOR[activations])
    parts = text.split("-")
    if len(parts) > 2:
        line.fail(column, f"'{text}' is not of the form input-output, such as i8-i32")
    given = format_of(line, column, parts[0])
    if given not in _ACCUMULATOR:
        line.fail(column, f"'{text}': {parts[0]} is no format of operands")
    return Formats(given, given, format_of(line, column, parts[1]) if len(parts) == 2 else _ACCUMULATOR[given])


def numbers_of(line: Line, column: str, count: int, text: str | None = None) -> tuple[int, ...]:
    """ "64/64/32" as whole numbers above zero."""
    given = line.text(column) if text is None else text
    parts = re.split(r"[/x\u00d7]", given)
    if len(parts) != count or not all(part.strip().isdecimal() and int(part) > 0 for part in parts):
        line.fail(column, f"'{given}' is not {count} numbers above zero with / between them")
    return tuple(int(part) for part in parts)


def pair_of(line: Line, column: str, text: str) -> tuple[int, int]:
    """ "8x4", "8/4" or with a multiplication sign."""
    found = _SIZES.fullmatch(text)
    if not found or "0" in (found[1], found[2]):
        line.fail(column, f"'{text}' is not two numbers above zero, such as 8x4")
    return int(found[1]), int(found[2])


def array_of(line: Line, column: str) -> tuple[int | None, int | None]:
    """Rows and columns of "8x4" (columns first), "4 cols"; None twice for an empty cell: the whole array."""
    text = line.optional(column)
    if not text:
        return None, None
    columns_only = re.fullmatch(r"(\d+)\s*cols?(?:umns?)?", text)
    if columns_only:
        return None, int(columns_only[1])
    columns, rows = pair_of(line, column, text)
    return rows, columns
