"""Predicts the tables of a directory."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from vaip._core import Error
from vaip.validate.cells import TableError, read_lines
from vaip.validate.queries import Setting
from vaip.validate.registry import TABLES
from vaip.validate.rows import Entry, Residual, Row, Skipped, TableResult, Validation


def packaged_tables() -> Path:
    """The calibration tables that come with VAIP."""
    return Path(__file__).parent / "tables"


def validate(
    directory: Path | None = None,
    *,
    tables: Collection[str] | None = None,
    setting: Setting | None = None,
    only_device: str | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Validation:
    """Predicts every row of the tables that `directory` has; the packaged ones by default.

    A table or row that cannot be read is in `errors`, a row that cannot be predicted is in `skipped` with the reason;
    neither keeps the rest from being predicted. `tables` names those to read, `only_device` the device whose
    rows to predict. `progress` is called before each row with its table, the rows before it and all rows.
    """
    chosen = directory or packaged_tables()
    setting = setting or Setting()
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
    contents = [_read(name, found) for name in wanted]
    total = sum(isinstance(entry, Row) for _, entries in contents for entry in entries)
    position = 0
    for result, entries in contents:
        for entry in entries:
            if isinstance(entry, Row):
                if progress:
                    progress(result.name, position, total)
                position += 1
                _predict(entry, setting, only_device, result)
            elif isinstance(entry, Skipped):
                result.skipped.append(entry)
            else:
                result.errors.append(entry.message)
    unknown = [f"{path.name}: no table that VAIP knows" for stem, path in found.items() if stem not in TABLES]
    return Validation(str(chosen), [result for result, _ in contents], unknown)


def _read(name: str, found: Mapping[str, Path]) -> tuple[TableResult, list[Entry]]:
    table = TABLES[name]
    result = TableResult(name, note=table.note)
    try:
        entries = _entries(name, found[name])
        if table.comparison:
            other = table.comparison.table
            entries = table.comparison.revise(entries, _entries(other, found.get(other, _packaged(other))))
    except TableError as error:
        result.errors = str(error).splitlines()
        return result, []
    return result, entries


def _entries(name: str, path: Path) -> list[Entry]:
    return TABLES[name].read(read_lines(path, TABLES[name].columns))


def _packaged(name: str) -> Path:
    return packaged_tables() / f"{name}.csv"


def _predict(row: Row, setting: Setting, only_device: str | None, result: TableResult) -> None:
    query = row.query
    if only_device is not None and query.device != only_device:
        reason = f"measured on {query.device}, only rows of {only_device} are asked for"
        result.skipped.append(Skipped(row.label, row.line, reason))
        return
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
