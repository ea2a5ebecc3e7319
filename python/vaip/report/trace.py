"""The timeline of one inference in Chrome's Trace Event Format, which ui.perfetto.dev and chrome://tracing open.

Processes are the host, the layers in their order, and the three kinds of hardware that a layer keeps busy; their
threads are the single shim DMA channels, memory tiles and compute tiles. A layer's work on the array is a steady state
in which all of them take turns, so each shows one slice from its first to its last tile; how busy it is meanwhile is in
the slice's arguments and in the counters. Inside a compute tile's slice the layer's time is split into shares: what is
computing, what is filling, draining and waiting for single buffers, what is stalled on the resource that bounds it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from vaip.report.model import Layer

HOST, LAYERS, SHIM, MEMORY_TILES, TILES = 1, 2, 3, 4, 5  # processes, in the order in which they are shown
NAMES = {
    HOST: "host",
    LAYERS: "layers",
    SHIM: "shim DMA channels",
    MEMORY_TILES: "memory tiles",
    TILES: "compute tiles",
}
BANDWIDTH = "DDR bandwidth (GB/s)"
UTILISATION = "utilisation (%)"
RESOURCES = ("compute", "l1", "l2", "ddr")
Event = dict[str, Any]


def trace_events(device: str, clock_ghz: float, programs: Iterable[tuple[float, Sequence[Layer]]]) -> list[Event]:
    """Metadata that names processes and threads, then slices ("X") and counters ("C") by time, in microseconds.

    programs: duration in microseconds and layers of each, one after the other.
    """
    timeline = _Timeline()
    start = 0.0
    for duration, layers in programs:
        position = start
        for layer in sorted(layers, key=lambda layer: layer.start_us):
            first = start + layer.start_us
            timeline.slice(HOST, "host", "call and launch", position, first)  # the host's own time: no layer runs
            _add_layer(timeline, layer, first, clock_ghz)
            position = max(position, first + layer.us)
        timeline.slice(HOST, "host", "return", position, start + duration)
        start += duration
    return timeline.events(f"{device} (predicted)")


@dataclass(frozen=True)
class _Window:
    """A layer's time on the array: after what the host does for it, which for Q/DQ at a cluster's edge is all."""

    start: float
    end: float
    cycles: float

    @property
    def us(self) -> float:
        return self.end - self.start


def _add_layer(timeline: _Timeline, layer: Layer, start: float, clock_ghz: float) -> None:
    cycles_per_us = clock_ghz * 1e3
    host_us = layer.cost_cycles.get("dispatch", 0.0) / cycles_per_us if clock_ghz > 0 else 0.0
    end = start + layer.us
    window = _Window(min(start + host_us, end), end, max(layer.us - host_us, 0.0) * cycles_per_us)
    timeline.slice(LAYERS, "layers", layer.name, start, end, layer.op, _arguments(layer))
    if not timeline.visible(window.start, window.end):
        timeline.slice(HOST, "host", layer.name, start, end, layer.op)
        return
    timeline.slice(HOST, "host", f"dispatch {layer.name}", start, window.start)
    _add_transfers(timeline, layer, window)
    _add_tiles(timeline, layer, window)
    _add_counters(timeline, layer, window)


def _add_transfers(timeline: _Timeline, layer: Layer, window: _Window) -> None:
    """Shim channels, dealt out to the columns in use, and the columns' memory tiles."""
    columns = max(layer.array[1], 1) if layer.array else 1
    channels = layer.details.get("shim_channels", [columns, columns])
    written = int(layer.details.get("ddr_write_bytes", 0))
    directions = (("DDR to array", layer.ddr_bytes - written, channels[0]), ("array to DDR", written, channels[1]))
    for direction, moved, count in directions:
        for channel in range(count if moved > 0 else 0):
            thread = f"column {channel % columns}, {direction} {channel // columns}"
            arguments = {"bytes": moved / count, "gb_per_s": moved / count / window.us / 1e3}
            timeline.slice(SHIM, thread, layer.name, window.start, window.end, layer.op, arguments)
    to_cores, from_cores = (int(layer.details.get(key, 0)) for key in ("l2_to_l1_bytes", "l1_to_l2_bytes"))
    for column in range(columns if layer.ddr_bytes + to_cores + from_cores > 0 else 0):
        arguments = {
            "to_cores_bytes": to_cores / columns,
            "from_cores_bytes": from_cores / columns,
            "occupied_bytes": layer.details.get("l2_bytes", 0),
        }
        thread = f"column {column}"
        timeline.slice(MEMORY_TILES, thread, layer.name, window.start, window.end, layer.op, arguments)


def _add_tiles(timeline: _Timeline, layer: Layer, window: _Window) -> None:
    compute = min(layer.cost_cycles.get("compute", 0.0), window.cycles)
    if compute <= 0 or not layer.array:  # DMA alone
        return
    exposed = min(layer.cost_cycles.get("exposed", 0.0), window.cycles - compute)
    others = {name: layer.cost_cycles.get(name, 0.0) for name in RESOURCES if name != "compute"}
    busiest = max(others, key=lambda name: others[name])
    us_per_cycle = window.us / window.cycles
    computed = window.start + compute * us_per_cycle
    waited = computed + exposed * us_per_cycle
    for column in range(layer.array[1]):
        for row in range(layer.array[0]):
            thread = f"column {column}, row {row}"
            timeline.slice(TILES, thread, layer.name, window.start, window.end, layer.op, {"tile": layer.tile})
            timeline.slice(TILES, thread, "compute", window.start, computed, "share")
            timeline.slice(TILES, thread, "fill, drain, waits", computed, waited, "share")
            timeline.slice(TILES, thread, f"stalled on {busiest}", waited, window.end, "share")


def _add_counters(timeline: _Timeline, layer: Layer, window: _Window) -> None:
    written = int(layer.details.get("ddr_write_bytes", 0))
    rates = {"read": (layer.ddr_bytes - written) / window.us / 1e3, "write": written / window.us / 1e3}
    timeline.count(BANDWIDTH, window.start, window.end, rates)
    busy = {name: 100 * layer.cost_cycles.get(name, 0.0) / window.cycles for name in RESOURCES}
    timeline.count(UTILISATION, window.start, window.end, {"MACs": 100 * layer.utilisation} | busy)


def _arguments(layer: Layer) -> dict[str, Any]:
    arguments = layer.to_dict()
    for shown_by_the_slice in ("name", "op", "us", "start_us"):
        del arguments[shown_by_the_slice]
    return arguments


class _Timeline:
    """Collects events on a grid of nanoseconds, the resolution of the viewers: edges that meet stay together."""

    def __init__(self) -> None:
        self._threads: dict[tuple[int, str], int] = {}
        self._slices: list[Event] = []
        self._counters: dict[str, list[tuple[int, dict[str, float]]]] = {}

    @staticmethod
    def visible(start: float, end: float) -> bool:
        return _ns(end) > _ns(start)

    def slice(
        self,
        process: int,
        thread: str,
        name: str,
        start: float,
        end: float,
        category: str = "host",
        arguments: dict[str, Any] | None = None,
    ) -> None:
        if not self.visible(start, end):
            return
        tid = self._threads.setdefault((process, thread), len(self._threads) + 1)
        times = {"ts": _ns(start) / 1e3, "dur": (_ns(end) - _ns(start)) / 1e3}
        event = {"ph": "X", "name": name, "cat": category, "pid": process, "tid": tid, **times}
        self._slices.append(event | {"args": arguments or {}})

    def count(self, name: str, start: float, end: float, values: dict[str, float]) -> None:
        """`values` from start to end, and 0 from then on unless the next ones begin at once."""
        steps = self._counters.setdefault(name, [])
        if steps and steps[-1][0] >= _ns(start):
            steps.pop()
        steps.append((_ns(start), values))
        steps.append((_ns(end), dict.fromkeys(values, 0.0)))

    def events(self, device: str) -> list[Event]:
        timed = [*self._slices, *self._counter_events()]
        timed.sort(key=lambda event: (event["ts"], -event.get("dur", 0.0)))  # a slice before those inside it
        return [*self._metadata(device), *timed]

    def _counter_events(self) -> Iterator[Event]:
        for name, steps in self._counters.items():
            for ns, values in steps:
                yield {"ph": "C", "name": name, "pid": LAYERS, "tid": 0, "ts": ns / 1e3, "args": values}

    def _metadata(self, device: str) -> Iterator[Event]:
        for process in sorted({process for process, _ in self._threads}):
            yield _named("process_name", process, 0, {"name": f"{device}: {NAMES[process]}"})
            yield _named("process_sort_index", process, 0, {"sort_index": process})
        in_order = sorted(self._threads.items(), key=lambda item: (item[0][0], _natural(item[0][1])))
        for position, ((process, thread), tid) in enumerate(in_order):
            yield _named("thread_name", process, tid, {"name": thread})
            yield _named("thread_sort_index", process, tid, {"sort_index": position})


def _named(what: str, process: int, thread: int, arguments: dict[str, Any]) -> Event:
    return {"ph": "M", "name": what, "pid": process, "tid": thread, "ts": 0, "args": arguments}


def _ns(us: float) -> int:
    return round(us * 1e3)


def _natural(name: str) -> list[tuple[int, str]]:
    """Column 2 before column 10."""
    words = name.replace(",", "").split()
    return [(int(word), "") if word.isdecimal() else (-1, word) for word in words]
