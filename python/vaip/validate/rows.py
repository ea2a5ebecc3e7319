"""Rows of tables, what was predicted for them, and how far off it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from vaip.validate.cells import CellError, Line
from vaip.validate.queries import Prediction, Query

RATES = {"GFLOPS": 1e3, "GOPS": 1e3, "TOPS": 1e6}  # operations per microsecond


@dataclass(frozen=True)
class Row:
    """A measurement and the query that predicts it, compared in the table's own unit."""

    label: str
    line: int
    measured: float
    unit: str  # us, ms, cycles, MAC/cycle, GOPS, GFLOPS, TOPS
    query: Query
    macs: int = 0  # for the rates

    def predicted(self, prediction: Prediction) -> float:
        if prediction.cycles is not None:
            return self.macs / prediction.cycles if self.unit == "MAC/cycle" else prediction.cycles
        us = prediction.us or 0.0
        if self.unit in RATES:
            return 2.0 * self.macs / us / RATES[self.unit]
        return us / 1e3 if self.unit == "ms" else us

    def time_us(self, value: float, clock_ghz: float) -> float:
        """The time that a value in the row's unit stands for."""
        if self.unit in RATES:
            return 2.0 * self.macs / (value * RATES[self.unit])
        if self.unit in ("cycles", "MAC/cycle"):
            cycles = self.macs / value if self.unit == "MAC/cycle" else value
            return cycles / (clock_ghz * 1e3)
        return value * 1e3 if self.unit == "ms" else value


@dataclass(frozen=True)
class Skipped:
    label: str
    line: int
    reason: str


@dataclass(frozen=True)
class Fault:
    """A row that cannot be read."""

    message: str


Entry = Row | Skipped | Fault


def row(line: Line, label: str, measured: float, unit: str, query: Query, macs: int = 0) -> Row:
    return Row(label, line.position, measured, unit, query, macs)


def skipped(line: Line, label: str, reason: str) -> Skipped:
    return Skipped(label, line.position, reason)


def collect(lines: Sequence[Line], read: Callable[[Line], Iterable[Entry]]) -> list[Entry]:
    """read() of each line; a line that cannot be read does not keep the others from it."""
    entries: list[Entry] = []
    for line in lines:
        try:
            entries += read(line)
        except CellError as error:
            entries.append(Fault(str(error)))
    return entries


@dataclass(frozen=True)
class Residual:
    """A predicted row."""

    label: str
    line: int
    device: str
    stack: str
    unit: str
    measured: float
    predicted: float
    measured_us: float  # the same as times
    predicted_us: float
    bound: str

    @property
    def error_percent(self) -> float:
        return 100.0 * (self.predicted / self.measured - 1.0)

    def to_dict(self) -> dict[str, Any]:
        return {
            "row": self.label,
            "line": self.line,
            "device": self.device,
            "stack": self.stack,
            "unit": self.unit,
            "measured": self.measured,
            "predicted": self.predicted,
            "measured_us": self.measured_us,
            "predicted_us": self.predicted_us,
            "error_percent": self.error_percent,
            "bound": self.bound,
        }


@dataclass
class TableResult:
    name: str
    residuals: list[Residual] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)  # of a table, or rows of it, that cannot be read
    note: str = ""

    @property
    def mape(self) -> float | None:
        """Mean absolute percentage error; None without a predicted row."""
        if not self.residuals:
            return None
        return sum(abs(each.error_percent) for each in self.residuals) / len(self.residuals)

    @property
    def worst(self) -> Residual | None:
        return max(self.residuals, key=lambda each: abs(each.error_percent), default=None)

    def to_dict(self, *, rows: bool = False) -> dict[str, Any]:
        worst = self.worst
        values: dict[str, Any] = {
            "name": self.name,
            "rows": len(self.residuals),
            "mape": self.mape,
            "worst": worst.to_dict() if worst else None,
            "skipped": [{"row": each.label, "line": each.line, "reason": each.reason} for each in self.skipped],
        }
        if rows:
            values["residuals"] = [each.to_dict() for each in self.residuals]
        if self.note:
            values["note"] = self.note
        if self.errors:
            values["errors"] = self.errors
        return values


@dataclass
class Validation:
    directory: str
    tables: list[TableResult]
    unknown: list[str]  # CSV files that are no table that VAIP knows

    @property
    def errors(self) -> list[str]:
        return [error for table in self.tables for error in table.errors]

    def to_dict(self, *, rows: bool = False) -> dict[str, Any]:
        return {
            "directory": self.directory,
            "tables": [table.to_dict(rows=rows) for table in self.tables],
            "unknown": self.unknown,
            "errors": self.errors,
        }
