"""Report and Timing: nothing lost between JSON and dataclass; rendering and trace say what the numbers say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from vaip.report import Layer, Report, Timing


def layer(name: str, start_us: float, us: float, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "op": "Conv",
        "nodes": [f"{name}/conv", f"{name}/relu"],
        "cycles": us * 1800,
        "us": us,
        "start_us": start_us,
        "cluster": "vaip_0",
        "bound": "compute",
        "macs": 1_000_000,
        "utilisation": 0.25,
        "tile": {"m": 16, "k": 64, "n": 32},
        "array": [4, 4],
        "ddr_bytes": 4096,
    } | more


REPORT: dict[str, Any] = {
    "model": "net.onnx",
    "device": "strix",
    "stack": "vitisai",
    "config": "built-in defaults",
    "session_id": 7,
    "clock_ghz": 1.8,
    "latency_ms": 0.01,
    "ipu_cycles": 18000.0,
    "nodes": {"total": 12, "ipu": 11, "cpu": 1},
    "operators": {"Conv": {"ipu": 2, "cpu": 0}},
    "subgraphs": 2,
    "gops": 0.004,
    "tops_effective": 0.4,
    "ddr_read_bytes": 3 * 2**20,
    "ddr_write_bytes": 512,
    "energy_mj": None,
    "layers": [
        layer("first", 1.0, 2.0, cost_cycles={"compute": 1800.0, "dispatch": 1800.0}),
        layer("second", 3.0, 5.0, bound="ddr"),
        layer("dequantize", 0.5, 0.5, cost_cycles={"dispatch": 900.0}, bound="dispatch", cluster="vaip_1"),
    ],
    "unclaimed": [{"name": "soft[max]", "op": "Softmax", "reason": "its input is [float]: quantize it"}],
    "clusters": [
        {"name": "vaip_0", "cycles": 16200.0, "latency_ms": 0.009, "programs": 1, "layers": 2},
        {"name": "vaip_1", "cycles": 1800.0, "latency_ms": 0.001, "layers": 1, "something_new": 1},
    ],
}

TIMING: dict[str, Any] = {
    "device": "strix",
    "stack": "iron",
    "clock_ghz": 1.8,
    "cycles": 3600.0,
    "latency_us": 2.0,
    "macs": 2**20,
    "tops_effective": 1.05,
    "host_cycles": 0.0,
    "ddr_read_bytes": 100,
    "ddr_write_bytes": 200,
    "energy_mj": None,
    "layers": [layer("gemm", 0.0, 2.0)],
    "something_new": {"kept": True},
}


def contains(whole: Any, part: Any) -> bool:
    """Whether every member of `part`, at any depth, is in `whole`."""
    if isinstance(part, dict):
        return all(key in whole and contains(whole[key], value) for key, value in part.items())
    if isinstance(part, list):
        return len(whole) == len(part) and all(map(contains, whole, part))
    return bool(whole == part)


@pytest.mark.parametrize(("kind", "values"), [(Report, REPORT), (Timing, TIMING)])
def test_json_survives_the_round_trip(kind: type[Report | Timing], values: dict[str, Any], tmp_path: Path) -> None:
    record = kind.from_dict(values)
    written = record.to_dict()
    assert contains(written, values)
    text = record.to_json(tmp_path / "record.json")
    assert json.loads(text) == written == json.loads((tmp_path / "record.json").read_text())
    assert kind.from_dict(written) == record


def test_members_are_typed() -> None:
    report = Report.from_dict(REPORT)
    assert isinstance(report.layers[1], Layer)
    assert report.layers[1].bound == "ddr"
    assert report.nodes.cpu == 1
    assert report.unclaimed[0].reason.endswith("quantize it")
    assert report.clusters[1].details == {"something_new": 1}
    assert Timing.from_dict(TIMING).details == {"something_new": {"kept": True}}


def test_missing_member_is_named() -> None:
    values = {key: value for key, value in REPORT.items() if key != "latency_ms"}
    with pytest.raises(ValueError, match=r"not the JSON of a Report: .*latency_ms"):
        Report.from_dict(values)


def test_terminal_rendering_has_the_numbers() -> None:
    text = str(Report.from_dict(REPORT))
    for part in ("net.onnx", "11 of 12 nodes (91.67 %)", "10.0 µs", "18,000 cycles", "3 MiB read, 512 B written"):
        assert part in text
    assert "soft[max]" in text, "square brackets of names are text, not markup"
    assert "its input is [float]" in text
    rows = [line.split() for line in text.splitlines() if line.split()[:1] in (["first"], ["second"])]
    assert rows[0] == ["second", "Conv", "9,000", "5.0", "µs", "ddr", "1", "M", "25.0", "%", "4x4", "16·64·32"]
    assert rows[1][0] == "first", "the slowest layer comes first"
    bounds = [line.split()[:4] for line in text.splitlines() if line.split()[:1] in (["ddr"], ["compute"])]
    assert bounds == [["ddr", "1", "9,000", "66.7"], ["compute", "1", "3,600", "26.7"]]


def test_numerics_are_shown_where_they_are_not_onnx() -> None:
    assert "Numerics" not in str(Report.from_dict(REPORT | {"numerics": "onnx", "rounding": None}))
    text = str(Report.from_dict(REPORT | {"numerics": "xdna", "rounding": "conv_even"}))
    assert "xdna, rounding conv_even" in text


def test_only_the_slowest_layers_are_listed() -> None:
    values = REPORT | {"layers": [layer(f"layer{i:02}", i, 100 + i) for i in range(30)]}
    text = str(Report.from_dict(values))
    assert "Slowest 10 of 30 layers" in text
    assert "layer29" in text
    assert "layer19" not in text


def test_empty_report_is_shown() -> None:
    values = REPORT | {
        "layers": [],
        "clusters": [],
        "unclaimed": [],
        "nodes": {"total": 0, "ipu": 0, "cpu": 0},
        "clock_ghz": 0.0,
    }
    assert "0 of 0 nodes" in str(Report.from_dict(values))


def test_timing_rendering() -> None:
    text = str(Timing.from_dict(TIMING))
    assert "2.0 µs (3,600 cycles)" in text
    assert "iron stack" in text
    assert "1.05 M MACs" in text


def test_trace_shows_layers_host_and_tiles(tmp_path: Path) -> None:
    """A hand-made report; tests/python/test_trace.py checks those of real models against the format."""
    Report.from_dict(REPORT).trace(tmp_path / "trace.json")
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    threads = {e["tid"]: e["args"]["name"] for e in events if e["ph"] == "M" and e["name"] == "thread_name"}
    spans = [(threads[e["tid"]], e["name"], e["ts"], round(e["ts"] + e["dur"], 3)) for e in events if e["ph"] == "X"]
    assert [span for span in spans if span[0] in ("host", "layers", "column 3, row 3")] == [
        ("host", "call and launch", 0.0, 1.0),
        ("layers", "first", 1.0, 3.0),
        ("host", "dispatch first", 1.0, 2.0),
        ("column 3, row 3", "first", 2.0, 3.0),
        ("column 3, row 3", "compute", 2.0, 3.0),
        ("layers", "second", 3.0, 8.0),
        ("host", "return", 8.0, 9.0),
        ("host", "call and launch", 9.0, 9.5),
        ("layers", "dequantize", 9.5, 10.0),
        ("host", "dequantize", 9.5, 10.0),
    ], "of the second layer no compute cycles are known, and the last one is the host's alone"
    assert len([name for name in threads.values() if "row" in name]) == 16
