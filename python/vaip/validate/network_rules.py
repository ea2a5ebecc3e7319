"""Which of several measurements of a network are the NPU's: tables mix releases, settings and runs with a CPU part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from vaip.validate.networks import canonical
from vaip.validate.queries import Network
from vaip.validate.rows import Entry, Row, Skipped

XDNA2 = ("strix", "krackan")
OLDER = "ryzen_8700g"  # XDNA1 at XDNA2's clock, with half of its int8 multipliers per core
OVERLAY_COLUMNS = 4  # of the Vitis AI overlay for one model, 4x4 cores, on both


class Figure(NamedTuple):
    label: str
    ms: float


Limits = Mapping[tuple[str, str], Figure]  # device and canonical name of a network -> what its time is below


def keep_best(entries: Sequence[Entry], slower: str) -> list[Entry]:
    """Of rows that ask the same of the simulator the fastest one; the others are skipped as `slower`."""
    best: dict[object, Row] = {}
    for entry in entries:
        if isinstance(entry, Row):
            question = _question(entry)
            best[question] = min(best.get(question, entry), entry, key=lambda each: each.measured)

    def kept(entry: Entry) -> Entry:
        if not isinstance(entry, Row) or best[_question(entry)] is entry:
            return entry
        return Skipped(entry.label, entry.line, f"{slower}: the best is {best[_question(entry)].label}")

    return [kept(entry) for entry in entries]


def skip_cpu_parts(entries: Sequence[Entry], limits: Limits) -> list[Entry]:
    """Skips rows that took longer than the NPU can: part of the network ran on the CPU."""

    def kept(entry: Entry) -> Entry:
        if not isinstance(entry, Row) or not isinstance(entry.query, Network):
            return entry
        limit = limits.get((entry.query.device, canonical(entry.query.model)))
        if limit is None or entry.measured <= limit.ms:
            return entry
        reason = f"{entry.measured:g} ms, but {limit.label} takes {limit.ms:g} ms: part of the model ran on the CPU"
        return Skipped(entry.label, entry.line, reason)

    return [kept(entry) for entry in entries]


def limits_of_older_array(entries: Sequence[Entry]) -> Limits:
    """From the best rows of networks on XDNA1: XDNA2's overlay, of as many cores that are faster, is not slower."""
    limits: dict[tuple[str, str], Figure] = {}
    for entry in entries:
        if not isinstance(entry, Row) or not isinstance(entry.query, Network):
            continue
        query = entry.query
        if query.device == OLDER and query.columns == OVERLAY_COLUMNS and query.host:
            figure = Figure(f"the older {entry.label}", entry.measured)
            limits.update({(device, canonical(query.model)): figure for device in XDNA2})
    return limits


def _question(row: Row) -> object:
    """Equal for rows with equal predictions, whatever the spelling of the network's name."""
    query = row.query
    if not isinstance(query, Network):
        return query
    return query.device, query.stack, canonical(query.model), query.precision, query.columns, query.host
