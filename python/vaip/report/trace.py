"""The timeline of one inference in the Trace Event Format of Chrome and Perfetto."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from vaip.report.model import Layer

PROCESS, ARRAY, HOST = 1, 1, 2  # one process for the device; a track for its array and one for the host
ROUNDING_US = 1e-6
Event = dict[str, Any]


def trace_events(device: str, clock_ghz: float, programs: Iterable[tuple[float, Sequence[Layer]]]) -> list[Event]:
    """Metadata events that name the tracks, then complete ("X") events; times in microseconds since the start.

    programs: duration in microseconds and layers of each, one after the other.
    """
    events = [
        _metadata("process_name", f"{device} (predicted)", ARRAY),
        _metadata("thread_name", "array", ARRAY),
        _metadata("thread_name", "host", HOST),
    ]
    start = 0.0
    for duration, layers in programs:
        position = start
        for layer in sorted(layers, key=lambda layer: layer.start_us):
            first = start + layer.start_us
            events += _host("call and launch", position, first)  # the host's own time is where no layer runs
            events += _layer(layer, first, clock_ghz)
            position = max(position, first + layer.us)
        events += _host("return", position, start + duration)
        start += duration
    return events


def _layer(layer: Layer, start: float, clock_ghz: float) -> list[Event]:
    """Host work first (dispatch; for Q/DQ at a cluster's edge that is all), then the array."""
    host_us = layer.cost_cycles.get("dispatch", 0.0) / (clock_ghz * 1e3) if clock_ghz > 0 else 0.0
    arguments = layer.to_dict()
    for shown_by_the_event in ("name", "op", "us", "start_us"):
        del arguments[shown_by_the_event]
    end = start + layer.us
    if host_us >= layer.us - ROUNDING_US:
        return [_complete(layer.name, layer.op, HOST, start, end, arguments)]
    return [
        *_host(f"dispatch {layer.name}", start, start + host_us),
        _complete(layer.name, layer.op, ARRAY, start + host_us, end, arguments),
    ]


def _host(name: str, start: float, end: float) -> list[Event]:
    return [_complete(name, "host", HOST, start, end, {})] if end - start > ROUNDING_US else []


def _metadata(what: str, name: str, track: int) -> Event:
    return {"ph": "M", "name": what, "pid": PROCESS, "tid": track, "args": {"name": name}}


def _complete(name: str, category: str, track: int, start: float, end: float, arguments: dict[str, Any]) -> Event:
    return {
        "ph": "X",
        "name": name,
        "cat": category,
        "pid": PROCESS,
        "tid": track,
        "ts": start,
        "dur": end - start,
        "args": arguments,
    }
