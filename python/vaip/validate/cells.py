"""CSV tables, strictly: what is wrong is reported with its file, line and column."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, TypeVar

from vaip._core import Error

T = TypeVar("T")

_NUMBER = r"\d+(?:\.\d+)?(?:[eE][-+]?\d+)?"
# "~3.2", "5.26-5.27", "8.94 (later 6.6)", "5.74 (CPU 34.45)"
_MEASURED = re.compile(rf"~?\s*(?P<low>{_NUMBER})(?:\s*[-\u2013]\s*(?P<high>{_NUMBER}))?\s*(?P<remark>\(.*\))?")
_LATER = re.compile(rf"\(later\s+(?P<value>{_NUMBER})\)")


class TableError(Error):
    """A table that cannot be read; one line of the message per fault, with file, line and column."""


class CellError(Error):
    """A row that cannot be read: file, line, column and what is wrong."""


@dataclass(frozen=True)
class Line:
    """One row of a table; cells by the name of their column, without the blanks around them."""

    file: str
    position: int
    cells: dict[str, str]

    def fail(self, column: str, message: str) -> NoReturn:
        raise CellError(f"{self.file}:{self.position}: column '{column}': {message}")

    def text(self, column: str) -> str:
        """The cell, which must not be empty."""
        value = self.cells[column]
        if not value:
            self.fail(column, "is empty")
        return value

    def optional(self, column: str) -> str:
        return self.cells.get(column, "")

    def integer(self, column: str, lowest: int = 1) -> int:
        value = self.text(column)
        if not re.fullmatch(r"[-+]?\d+", value):
            self.fail(column, f"'{value}' is not a whole number")
        if int(value) < lowest:
            self.fail(column, f"{value} is less than {lowest}")
        return int(value)

    def number(self, column: str) -> float:
        """A number above zero: a time, a rate, a clock."""
        return self.positive(column, self.text(column))

    def positive(self, column: str, text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            self.fail(column, f"'{text}' is not a number")
        if not math.isfinite(value) or value <= 0:
            self.fail(column, f"{text} is not a number above zero")
        return value

    def flag(self, column: str) -> bool:
        value = self.text(column)
        if value not in ("0", "1"):
            self.fail(column, f"'{value}' is neither 0 nor 1")
        return value == "1"

    def choice(self, column: str, known: dict[str, T]) -> T:
        value = self.text(column)
        if value not in known:
            self.fail(column, f"unknown '{value}'; known: {', '.join(known)}")
        return known[value]

    def measured(self, column: str) -> float:
        """A number above zero, the middle of a range of two, or a later measurement that replaces the first."""
        value = self.text(column)
        found = _MEASURED.fullmatch(value)
        if not found:
            self.fail(column, f"'{value}' is neither a number above zero nor a range of two")
        later = _LATER.search(found["remark"] or "")
        if later:
            return self.positive(column, later["value"])
        low = self.positive(column, found["low"])
        return (low + self.positive(column, found["high"])) / 2 if found["high"] else low


def read_lines(path: Path, required: Iterable[str]) -> list[Line]:
    """The rows of a CSV file with a header; lines that start with # are remarks. Raises TableError."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise TableError(f"{path}: cannot be read: {error}") from error
    lines: list[Line] = []
    header: list[str] = []
    reader = csv.reader(text.splitlines())
    for cells in reader:
        if not any(cell.strip() for cell in cells) or cells[0].startswith("#"):
            continue
        stripped = [cell.strip() for cell in cells]
        if not header:
            header = stripped
            _check_header(path, reader.line_num, header, required)
            continue
        if len(stripped) != len(header):
            column = header[len(stripped)] if len(stripped) < len(header) else header[-1]
            raise TableError(
                f"{path}:{reader.line_num}: column '{column}': the row has {len(stripped)} cells, the header "
                f"{len(header)}"
            )
        lines.append(Line(str(path), reader.line_num, dict(zip(header, stripped, strict=True))))
    if not header:
        raise TableError(f"{path}:1: the table is empty: no header")
    return lines


def _check_header(path: Path, number: int, header: Sequence[str], required: Iterable[str]) -> None:
    faults = [f"{path}:{number}: column '{column}' is missing" for column in required if column not in header]
    faults += [
        f"{path}:{number}: column '{column}' occurs twice" for column in sorted(set(header)) if header.count(column) > 1
    ]
    if faults:
        raise TableError("\n".join(faults))


def column_like(lines: Sequence[Line], prefix: str) -> str:
    """The column whose name starts with `prefix`: names that carry remarks, such as tile(m/k/n)[herd 8x4]."""
    for column in lines[0].cells if lines else ():
        if column.startswith(prefix):
            return column
    if not lines:
        return prefix
    raise TableError(f"{lines[0].file}:1: column '{prefix}...' is missing")
