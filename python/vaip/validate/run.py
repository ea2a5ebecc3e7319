"""Predicts the tables of a directory."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

from vaip._core import Error
from vaip.validate.cells import TableError, read_lines
from vaip.validate.queries import Setting
from vaip.validate.registry import TABLES, Table
from vaip.validate.rows import Fault, Residual, Row, Skipped, TableResult, Validation


def packaged_tables() -> Path:
    """The calibration tables that come with VAIP."""
    return Path(__file__).parent / "tables"


def validate(
    directory: Path | None = None,
    *,
    tables: Collection[str] | None = None,
    setting: Setting | None = None,
    only_device: str | None = None,
    progress: Callable[[str], None] | None = None,
) -> Validation:
    """Predicts every row of the tables that `directory` has; the packaged ones by default.

    A table or row that cannot be read is in `errors`, a row that cannot be predicted is in `skipped` with the reason;
    neither keeps the rest from being predicted. `tables` names those to read, `only_device` the device whose
    rows to predict.
    """
    chosen = directory or packaged_tables()
    unknown_names = sorted(set(tables or ()) - set(TABLES))
    if unknown_names:
        raise Error(f"unknown table '{unknown_names[0]}'; known: {', '.join(TABLES)}")
    found = {path.stem: path for path in sorted(chosen.glob("*.csv"))}
    wanted = [name for name in TABLES if name in found and (not tables or name in tables)]
    missing = sorted(set(tables or ()) - set(found))
    if missing:
        raise Error(f"{chosen} has no table {missing[0]}.csv")
    if not wanted:
        raise Error(f"{chosen} has none of the tables that VAIP knows; known: {', '.join(TABLES)}")
    results = []
    for name in wanted:
        if progress:
            progress(name)
        results.append(_table(name, TABLES[name], found[name], setting or Setting(), only_device))
    unknown = [f"{path.name}: no table that VAIP knows" for stem, path in found.items() if stem not in TABLES]
    return Validation(str(chosen), results, unknown)


def _table(name: str, table: Table, path: Path, setting: Setting, only_device: str | None) -> TableResult:
    result = TableResult(name, note=table.note)
    try:
        entries = table.read(read_lines(path, table.columns))
    except TableError as error:
        result.errors = str(error).splitlines()
        return result
    for entry in entries:
        if isinstance(entry, Fault):
            result.errors.append(entry.message)
        elif isinstance(entry, Skipped):
            result.skipped.append(entry)
        elif only_device is not None and entry.query.device != only_device:
            reason = f"measured on {entry.query.device}, only rows of {only_device} are asked for"
            result.skipped.append(Skipped(entry.label, entry.line, reason))
        else:
            _predict(entry, setting, result)
    return result


def _predict(row: Row, setting: Setting, result: TableResult) -> None:
    query = row.query
    try:
        prediction = query.predict(setting)
    except Error as error:
        result.skipped.append(Skipped(row.label, row.line, str(error)))
        return
    predicted = row.predicted(prediction)
    clock_ghz = setting.clock_ghz(query.device)
    result.residuals.append(
        Residual(
            row.label,
            row.line,
            query.device,
            query.stack,
            row.unit,
            row.measured,
            predicted,
            row.time_us(row.measured, clock_ghz),
            row.time_us(predicted, clock_ghz),
            prediction.bound,
        )
    )
