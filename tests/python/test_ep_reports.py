"""What sessions on VitisAIEP say of themselves: live reports, files, console lines, the profile."""

from __future__ import annotations

import gc
import json
from pathlib import Path

import onnxruntime as ort
import pytest
import vaip
from ep_models import (
    CPU,
    network,
    network_with_unclaimed_node,
    newest_report,
    session_of,
    with_batch,
)
from sessions import EP_NAME, claimed_nodes, vaip_options, vaip_session

pytestmark = pytest.mark.usefixtures("only_own_sessions")


# ---- what a session says of itself ----


def test_reports_are_of_the_sessions_alive() -> None:
    model = network().build()
    before = len(vaip.reports())
    first = vaip_session(model)
    second = vaip_session(model, {"device": "phoenix"})
    assert [report.to_dict()["device"] for report in vaip.reports()[before:]] == ["strix", "phoenix"]
    del first
    gc.collect()
    assert [report.to_dict()["device"] for report in vaip.reports()[before:]] == ["phoenix"]
    assert second.get_providers()[0] == "VitisAIEP"


def test_static_models_are_timed_before_they_run() -> None:
    session = vaip_session(network().build())
    report = newest_report()
    assert report["latency_ms"] > 0
    assert report["subgraphs"] == 1
    assert report["nodes"]["total"] == report["nodes"]["ipu"] == len(claimed_nodes(session))
    covered = sorted(node for layer in report["layers"] for node in layer["nodes"])
    assert len(covered) == len(set(covered))


def test_files_of_a_session(tmp_path: Path) -> None:
    builder = network(dynamic_batch=True)
    report_file, trace_file = tmp_path / "deep" / "report.json", tmp_path / "trace.json"
    options = {
        "cache_dir": str(tmp_path / "cache"),
        "cache_key": "my_model",
        "report_file": str(report_file),
        "trace_file": str(trace_file),
    }
    session = vaip_session(builder.build(), options)
    amd = json.loads((tmp_path / "cache" / "my_model" / "vitisai_ep_report.json").read_text())
    assert {entry["name"]: entry["nodeNum"] for entry in amd["deviceStat"]}["NPU"] == len(claimed_nodes(session))
    assert json.loads(report_file.read_text())["latency_ms"] == 0
    session.run(None, with_batch(builder, 2))
    latency = newest_report()["latency_ms"]
    assert latency > 0
    del session
    gc.collect()
    assert json.loads(report_file.read_text())["latency_ms"] == latency  # as it was when the session ended
    events = json.loads(trace_file.read_text())["traceEvents"]
    spans = [event for event in events if event["ph"] == "X"]
    assert "Conv" in {span["cat"] for span in spans}
    assert max(span["ts"] + span["dur"] for span in spans) <= latency * 1e3 + 1e-3  # on a grid of nanoseconds


def test_cache_folders_without_a_key_are_the_graphs_own(tmp_path: Path) -> None:
    for builder in (network(), network_with_unclaimed_node(), network()):
        session_of(builder.build(), [(EP_NAME, {"cacheDir": str(tmp_path)}), CPU])
    folders = list(tmp_path.iterdir())
    assert len(folders) == 2
    assert all((folder / "vitisai_ep_report.json").is_file() for folder in folders)


def test_amds_console_lines(capfd: pytest.CaptureFixture[str]) -> None:
    session = vaip_session(network().build(), {"log_level": "info"})
    lines = capfd.readouterr().out.splitlines()
    assert lines[0].startswith("[Vitis AI EP] No. of Operators :")
    assert f"NPU {len(claimed_nodes(session)):5d}" in lines[0]
    assert lines[0].endswith("100.00%")
    vaip_session(network().build())
    assert capfd.readouterr().out == ""


def test_onnxruntimes_profile_has_the_simulated_layers(tmp_path: Path) -> None:
    builder = network()
    options = vaip_options()
    options.enable_profiling = True
    options.profile_file_prefix = str(tmp_path / "profile")
    session = ort.InferenceSession(builder.build().SerializeToString(), options, providers=[EP_NAME])
    for _ in range(2):
        session.run(None, builder.feeds())
    layers = newest_report()["layers"]
    events = json.loads(Path(session.end_profiling()).read_text())
    simulated = [event for event in events if event.get("args", {}).get("device") == "strix"]
    assert [event["name"] for event in simulated] == [layer["name"] for layer in layers] * 2
    for event, layer in zip(simulated, layers * 2, strict=True):
        assert float(event["args"]["cycles"]) == pytest.approx(layer["cycles"], abs=0.5, rel=1e-4)
        assert event["dur"] == pytest.approx(layer["us"], abs=1)
    starts = [event["ts"] for event in simulated]
    assert starts == sorted(starts)
