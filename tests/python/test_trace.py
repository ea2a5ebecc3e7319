"""The timeline: valid as Chrome's trace format, consistent with the report, and so is the profile of a session."""

from __future__ import annotations

import gc
import json
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import onnxruntime as ort
import pytest
import vaip
from conftest import CommandLine
from ep_models import CPU, network, network_with_unclaimed_node, newest_report, session_of, with_batch
from models import ModelBuilder
from sessions import EP_NAME, vaip_options
from vaip import _core
from vaip.report import Report

Event = dict[str, Any]
PHASES = {"M", "X", "C"}
METADATA = {"process_name": "name", "thread_name": "name", "process_sort_index": "sort_index"} | {
    "thread_sort_index": "sort_index"
}
KINDS = ["host", "layers", "shim DMA channels", "memory tiles", "compute tiles"]


class Trace:
    """A trace file, read as strictly as the format's description allows; anything else fails."""

    def __init__(self, path: Path) -> None:
        document = json.loads(path.read_text(), parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
        assert document["displayTimeUnit"] in ("ms", "ns")
        self.processes: dict[int, str] = {}
        self.threads: dict[tuple[int, int], str] = {}
        self.slices: dict[tuple[int, int], list[Event]] = defaultdict(list)
        self.counters: dict[tuple[int, str], list[Event]] = defaultdict(list)
        for event in document["traceEvents"]:
            self._add(event)
        assert set(self.slices) <= set(self.threads), "every track has a name"
        assert {pid for pid, _ in self.slices} | {pid for pid, _ in self.counters} <= set(self.processes)
        assert len(set(self.threads)) == len({(self.processes[p], name) for (p, _), name in self.threads.items()})
        assert len({tid for _, tid in self.threads}) == len(self.threads), "one thread, one process"

    def _add(self, event: Event) -> None:
        assert event["ph"] in PHASES
        assert isinstance(event["name"], str)
        assert event["name"]
        assert type(event["pid"]) is int
        assert type(event["tid"]) is int
        assert isinstance(event["args"], dict)
        assert event["ts"] >= 0
        if event["ph"] == "M":
            (key,) = event["args"]
            assert METADATA[event["name"]] == key
            if event["name"] == "process_name":
                self.processes[event["pid"]] = event["args"]["name"]
            if event["name"] == "thread_name":
                self.threads[event["pid"], event["tid"]] = event["args"]["name"]
        elif event["ph"] == "X":
            assert event["dur"] > 0
            assert isinstance(event["cat"], str)
            self.slices[event["pid"], event["tid"]].append(event)
        else:
            assert event["args"]
            assert all(isinstance(value, (int, float)) and value >= 0 for value in event["args"].values())
            self.counters[event["pid"], event["name"]].append(event)

    def of(self, kind: str) -> dict[str, list[Event]]:
        """Slices of a process, by thread."""
        return {
            self.threads[key]: slices for key, slices in self.slices.items() if self.processes[key[0]].endswith(kind)
        }

    def counter(self, name: str) -> list[Event]:
        (events,) = [events for (_, named), events in self.counters.items() if named == name]
        return events


def ns(us: float) -> int:
    return round(us * 1e3)


def interval(event: Event) -> tuple[int, int]:
    return ns(event["ts"]), ns(event["ts"]) + ns(event["dur"])


def check_nesting(slices: list[Event]) -> None:
    """Each slice lies beside or wholly inside those before it, on the grid of nanoseconds that viewers have."""
    open_until: list[int] = []
    last = -1
    for start, end in map(interval, slices):
        assert start >= last
        last = start
        while open_until and open_until[-1] <= start:
            open_until.pop()
        assert not open_until or end <= open_until[-1]
        open_until.append(end)


def depth_0(slices: list[Event]) -> list[Event]:
    return [event for event in slices if event["cat"] != "share"]


@pytest.fixture(scope="module")
def report(digits_int8: Path) -> Report:
    return vaip.simulate(str(digits_int8))


@pytest.fixture(scope="module")
def trace(report: Report, tmp_path_factory: pytest.TempPathFactory) -> Trace:
    path = tmp_path_factory.mktemp("trace") / "trace.json"
    report.trace(path)
    return Trace(path)


class TestTimeline:
    def test_a_process_for_each_kind_of_hardware(self, trace: Trace) -> None:
        assert [name for _, name in sorted(trace.processes.items())] == [f"strix (predicted): {kind}" for kind in KINDS]

    def test_slices_of_a_track_are_nested_or_apart(self, trace: Trace) -> None:
        for slices in trace.slices.values():
            check_nesting(slices)
            check_nesting(depth_0(slices))
            for one, other in pairwise(depth_0(slices)):
                assert interval(one)[1] <= interval(other)[0]

    def test_layers_are_those_of_the_report(self, trace: Trace, report: Report) -> None:
        (slices,) = trace.of("layers").values()
        worked = [layer for layer in report.layers if layer.us > 0]
        assert [event["name"] for event in slices] == [layer.name for layer in worked]
        for event, layer in zip(slices, worked, strict=True):
            assert event["dur"] == pytest.approx(layer.us, abs=2e-3)
            assert event["cat"] == layer.op
            assert event["args"]["cycles"] == layer.cycles
            assert event["args"]["bound"] == layer.bound
        assert interval(slices[-1])[1] <= ns(report.latency_ms * 1e3) + 1

    def test_host_and_array_fill_the_whole_latency(self, trace: Trace, report: Report) -> None:
        (host,) = trace.of("host").values()
        array = next(iter(trace.of("memory tiles").values()))
        covered = sum(event["dur"] for event in [*host, *array])
        assert covered == pytest.approx(report.latency_ms * 1e3, rel=1e-3)

    def test_tiles_are_those_that_the_layers_use(self, trace: Trace, report: Report) -> None:
        tiles = trace.of("compute tiles")
        for layer in report.layers:
            if layer.macs == 0:
                continue
            used = {thread for thread, slices in tiles.items() if layer.name in {event["name"] for event in slices}}
            assert len(used) == layer.array[0] * layer.array[1]
        shares = {event["name"] for slices in tiles.values() for event in slices if event["cat"] == "share"}
        assert "compute" in shares

    def test_shares_of_a_tile_add_up_to_its_layer(self, trace: Trace) -> None:
        for slices in trace.of("compute tiles").values():
            for layer in depth_0(slices):
                start, end = interval(layer)
                inside = [interval(e) for e in slices if e["cat"] == "share" and start <= interval(e)[0] < end]
                assert sum(e - s for s, e in inside) == end - start

    def test_bytes_of_the_channels_are_those_of_the_report(self, trace: Trace, report: Report) -> None:
        channels = trace.of("shim DMA channels")
        for direction, total in (("DDR to array", report.ddr_read_bytes), ("array to DDR", report.ddr_write_bytes)):
            moved = sum(
                event["args"]["bytes"] for thread, slices in channels.items() if direction in thread for event in slices
            )
            assert moved == pytest.approx(total)

    def test_channels_do_not_exceed_the_device(self, trace: Trace) -> None:
        device = vaip.device("strix")
        threads = [thread for thread in trace.of("shim DMA channels") if "DDR to array" in thread]
        assert 0 < len(threads) <= device.array.columns * device.shim.channels_in
        assert len(trace.of("memory tiles")) <= device.array.columns
        assert len(trace.of("compute tiles")) <= device.array.columns * device.array.rows

    def test_counters(self, trace: Trace, report: Report) -> None:
        for events in trace.counters.values():
            assert all(a["ts"] < b["ts"] for a, b in pairwise(events)), "one value at a time, and time goes on"
            assert len({tuple(event["args"]) for event in events}) == 1, "the same series throughout"
            assert set(events[-1]["args"].values()) == {0}, "idle at the end"
        bandwidth = trace.counter("DDR bandwidth (GB/s)")
        moved = {
            name: sum(a["args"][name] * 1e3 * (b["ts"] - a["ts"]) for a, b in pairwise(bandwidth))
            for name in ("read", "write")
        }
        assert moved["read"] == pytest.approx(report.ddr_read_bytes, rel=0.01)
        assert moved["write"] == pytest.approx(report.ddr_write_bytes, rel=0.01)
        device = vaip.device("strix")
        for event in bandwidth:
            assert event["args"]["read"] <= device.dram.read_gbps * 1.001
        for event in trace.counter("utilisation (%)"):
            assert max(event["args"].values()) <= 100.001


def test_clusters_follow_each_other(tmp_path: Path) -> None:
    report = vaip.simulate(network_with_unclaimed_node().build())
    report.trace(tmp_path / "trace.json")
    trace = Trace(tmp_path / "trace.json")
    for slices in trace.slices.values():
        check_nesting(slices)
    assert max(interval(e)[1] for slices in trace.slices.values() for e in slices) == pytest.approx(
        ns(report.latency_ms * 1e3), abs=len(report.clusters)
    )


def test_of_a_matrix_product(tmp_path: Path) -> None:
    timing = vaip.estimate_gemm(1024, 512, 1024)
    timing.trace(tmp_path / "gemm.json")
    trace = Trace(tmp_path / "gemm.json")
    assert {event["name"] for event in next(iter(trace.of("layers").values()))} == {timing.layers[0].name}
    assert len(trace.of("compute tiles")) == timing.layers[0].array[0] * timing.layers[0].array[1]


def test_file_is_there_whole_or_not_at_all(report: Report, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="missing"):
        report.trace(tmp_path / "missing" / "trace.json")
    (tmp_path / "trace.json").write_text("old")
    report.trace(tmp_path / "trace.json")
    Trace(tmp_path / "trace.json")
    assert [path.name for path in tmp_path.iterdir()] == ["trace.json"]


@pytest.mark.parametrize(
    "builder", [network_with_unclaimed_node(), network(dynamic_batch=True)], ids=["static", "dynamic"]
)
def test_session_writes_the_same_when_it_ends(builder: ModelBuilder, tmp_path: Path) -> None:
    """The option trace_file, where the programs are compiled at once and where their shapes come with the first run."""
    of_session, of_report = tmp_path / "deep" / "session.json", tmp_path / "report.json"
    session = session_of(builder.build(), [(EP_NAME, {"trace_file": str(of_session)}), CPU])
    session.run(None, with_batch(builder, 2))
    report = vaip.reports()[-1]
    del session
    gc.collect()
    report.trace(of_report)
    assert json.loads(of_session.read_text()) == json.loads(of_report.read_text())
    assert len(Trace(of_session).of("compute tiles")) > 0
    assert [path.name for path in of_session.parent.iterdir()] == ["session.json"]


def test_of_what_is_no_report() -> None:
    for text in ("", "[]", '{"device": "strix", "clock_ghz": 1.0, "layers": []}'):
        with pytest.raises(vaip.Error, match="not the JSON of a report"):
            _core.trace_json(text)
    document = {"device": "strix", "clock_ghz": 1.0, "clusters": [], "layers": [{"cluster": "vaip_0"}]}
    with pytest.raises(vaip.Error, match="no cluster 'vaip_0'"):
        _core.trace_json(json.dumps(document))


def test_command_writes_it(vaip_command: CommandLine, digits_int8: Path) -> None:
    value = vaip_command.json("run", digits_int8, "--runs", "1", "--trace", "t.json", "--device", "phoenix")
    trace = Trace(vaip_command.directory / "t.json")
    assert all(name.startswith("phoenix") for name in trace.processes.values())
    assert len(next(iter(trace.of("layers").values()))) == len([x for x in value["layers"] if x["us"] > 0])


@pytest.fixture(scope="module")
def profiled(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Event], list[dict[str, Any]]]:
    builder = network()
    options = vaip_options()
    options.enable_profiling = True
    options.profile_file_prefix = str(tmp_path_factory.mktemp("profile") / "profile")
    session = ort.InferenceSession(builder.build().SerializeToString(), options, providers=[EP_NAME])
    for _ in range(3):
        session.run(None, builder.feeds())
    layers = newest_report()["layers"]
    events = json.loads(Path(session.end_profiling()).read_text())
    return [event for event in events if event.get("args", {}).get("provider") == "VitisAIEP"], layers


class TestProfile:
    """onnxruntime's own profile of a session."""

    def test_one_event_per_layer_and_run(self, profiled: tuple[list[Event], list[dict[str, Any]]]) -> None:
        events, layers = profiled
        simulated = [event for event in events if "cycles" in event["args"]]
        assert [event["name"] for event in simulated] == [layer["name"] for layer in layers] * 3

    def test_arguments(self, profiled: tuple[list[Event], list[dict[str, Any]]]) -> None:
        events, layers = profiled
        simulated = [event for event in events if "cycles" in event["args"]]
        for event, layer in zip(simulated, layers * 3, strict=True):
            arguments = event["args"]
            assert float(arguments["cycles"]) == pytest.approx(layer["cycles"], abs=0.501)
            assert float(arguments["us"]) == pytest.approx(layer["us"], abs=1e-3)
            assert arguments["bound"] == layer["bound"]
            assert arguments["op_name"] == layer["op"]
            assert int(arguments["macs"]) == layer["macs"]
            assert int(arguments["ddr_bytes"]) == layer["ddr_bytes"]
            assert arguments["device"] == "strix"

    def test_track(self, profiled: tuple[list[Event], list[dict[str, Any]]]) -> None:
        """On a track of the device's own, one after the other, rounded to the microseconds that the profile has."""
        simulated = [event for event in profiled[0] if "cycles" in event["args"]]
        (track,) = {(event["pid"], event["tid"]) for event in simulated}
        others = {(event["pid"], event["tid"]) for event in profiled[0] if "cycles" not in event["args"]}
        assert track not in others
        for one, other in pairwise(simulated):
            assert one["ts"] + one["dur"] <= other["ts"] + 1


JSON_CONTRACT: dict[str, Any] = {
    "model": str,
    "device": str,
    "clock_ghz": float,
    "latency_ms": float,
    "ipu_cycles": int,
    "nodes": {"total": int, "ipu": int, "cpu": int},
    "subgraphs": int,
    "gops": float,
    "tops_effective": float,
    "ddr_read_bytes": int,
    "ddr_write_bytes": int,
    "energy_mj": (float, type(None)),
    "layers": [
        {
            "name": str,
            "op": str,
            "nodes": [str],
            "cycles": int,
            "us": float,
            "bound": {"compute", "l1", "l2", "ddr", "dispatch"},
            "macs": int,
            "utilisation": float,
            "tile": {"m": int, "k": int, "n": int},
            "array": [int],
            "ddr_bytes": int,
        }
    ],
    "unclaimed": [{"name": str, "op": str, "reason": str}],
    "host_ms": {"session_load": float, "run_median": float},
}


def check_contract(value: Any, contract: Any, path: str) -> None:
    if isinstance(contract, dict):
        assert isinstance(value, dict), path
        for key, member in contract.items():
            assert key in value, f"{path}.{key}"
            check_contract(value[key], member, f"{path}.{key}")
    elif isinstance(contract, list):
        assert isinstance(value, list), path
        for position, item in enumerate(value):
            check_contract(item, contract[0], f"{path}[{position}]")
    elif isinstance(contract, set):
        assert value in contract, path
    elif contract is float:
        assert isinstance(value, (int, float)), path
        assert not isinstance(value, bool), path
    else:
        assert isinstance(value, contract), path
        assert not isinstance(value, bool), path


def test_json_of_run_keeps_its_contract(vaip_command: CommandLine, digits_int8: Path) -> None:
    config = vaip_command.directory / "config.json"
    config.write_text(json.dumps({"vaip": {"exclude": {"names": ["conv2"]}}}))
    value = vaip_command.json("run", digits_int8, "--runs", "1", "--config", config)
    check_contract(value, JSON_CONTRACT, "")
    assert value["layers"]
    assert value["unclaimed"]
    assert all(len(layer["array"]) == 2 for layer in value["layers"])
    assert sum(layer["cycles"] for layer in value["layers"]) <= value["ipu_cycles"] + len(value["layers"])
    assert sum(layer["ddr_bytes"] for layer in value["layers"]) == value["ddr_read_bytes"] + value["ddr_write_bytes"]
