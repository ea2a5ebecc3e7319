"""benchmarks/host_speed.py and instructions.py: what they keep, skip, print and write; no wall times."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from models import ModelBuilder, Style

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import host_speed_page
import host_speed_runner
import instructions
from host_speed_cases import BARS, CASES, Case, selected
from host_speed_runner import Runner

BENCHMARKS = Path(host_speed_page.__file__).parent
TINY = Case("light_squeezenet", "ort_qdq_u8s8")
OTHER = Case("light_squeezenet", "quark_xint8")


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Case]:
    """The cases that a model was made for; the one of Quark cannot be made. Returns those asked for, in order."""
    builder = ModelBuilder(Style(power_of_two=True), seed=3)
    builder.output(builder.finish(builder.conv(builder.input([1, 3, 8, 8]), 4, [3, 3]), "Relu"))
    onnx.save(builder.build(), tmp_path / "tiny.onnx")
    np.savez(tmp_path / "tiny.npz", **builder.feeds())
    asked: list[Case] = []

    def make(_: Runner, case: Case) -> dict[str, str]:
        asked.append(case)
        if case == OTHER:
            return {"skipped": "AMD Quark cannot be imported (no module): pip install 'vaip[quark]'"}
        return {"model": str(tmp_path / "tiny.onnx"), "inputs": str(tmp_path / "tiny.npz")}

    monkeypatch.setattr(Runner, "_make", make)
    return asked


def run(tmp_path: Path, cases: list[Case], threads: list[int], runs: int = 1) -> tuple[dict, list[str]]:
    said: list[str] = []
    values = Runner(tmp_path, tmp_path / "results.json", runs).run(cases, threads, said.append)
    return json.loads(json.dumps(values)), said


def test_bars_are_those_asked_for() -> None:
    assert BARS[Case("light_resnet50", "ort_qdq_u8s8")] == 1.35
    assert BARS[Case("light_resnet50", "quark_xint8")] == 5
    assert BARS[Case("light_vgg19", "quark_xint8")] == 3
    assert BARS[Case("light_vgg19", "quark_a16w8")] == 1.5
    assert Case("minilm", "fp32").bar == 1.5
    assert Case("bert_base", "ort_dynamic").bar == 1.2
    assert Case("yolov8n", "quark_xint8").bar is None


def test_cases_are_selected_by_name() -> None:
    assert selected([], barred=False) == list(CASES)
    assert set(selected([], barred=True)) == set(BARS)
    assert len(CASES) == len(set(CASES)) > len(BARS)
    assert selected(["light_resnet50.*"], barred=True) == [case for case in BARS if case.network == "light_resnet50"]
    assert selected(["nothing"], barred=False) == []


def test_results(tmp_path: Path, tiny: list[Case]) -> None:
    values, said = run(tmp_path, [TINY, OTHER], [1, 2], runs=2)
    assert tiny == [TINY, OTHER], "a model is made once, not per number of threads"
    assert [(r["name"], r["threads"], r["runs"], r["bar"]) for r in values["results"]] == [
        ("light_squeezenet.ort_qdq_u8s8", 1, 2, 1.2),
        ("light_squeezenet.ort_qdq_u8s8", 2, 2, 1.2),
    ]
    for result in values["results"]:
        assert result["ratio"] == pytest.approx(result["cpu"]["median_ms"] / result["vaip"]["median_ms"])
        assert result["agreement"]["percent"] == 100
        assert result["nodes"]["ipu"] == result["nodes"]["total"]
        assert re.fullmatch(r"\d{4}-\d\d-\d\d", result["date"])
    assert values["host"]["cpu"]
    assert set(values["host"]) >= {"cpus", "features", "vnni", "amx", "vaip", "onnxruntime", "library", "environment"}
    (missing,) = values["missing"]
    assert (missing["name"], missing["bar"]) == (OTHER.name, 3)
    assert "vaip[quark]" in missing["skipped"]
    assert f"{OTHER.name} skipped: {missing['skipped']}" in said
    assert json.loads((tmp_path / "results.json").read_text())["results"] == values["results"]


def test_goes_on_where_it_was_stopped(tmp_path: Path, tiny: list[Case], monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*_: object, threads: int, **options: object) -> dict:
        if threads == 2:
            raise KeyboardInterrupt
        return measure(*_, threads=threads, **options)

    measure = host_speed_runner.measure
    with monkeypatch.context() as patched:
        patched.setattr(host_speed_runner, "measure", stopped)
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path, [TINY], [1, 2])
    (first,) = json.loads((tmp_path / "results.json").read_text())["results"]
    values, said = run(tmp_path, [TINY], [1, 2])
    assert values["results"][0] == first
    assert len(said) == 1, "only the second was measured"
    assert run(tmp_path, [TINY], [2, 1])[0]["results"] == values["results"][::-1]
    assert len(tiny) == 2, "no model is made where nothing is to be measured"
    again, _ = run(tmp_path, [TINY], [1], runs=2)
    assert again["results"][0]["runs"] == 2, "what is kept was measured with fewer runs"


def test_model_that_fails_does_not_end_the_run(
    tmp_path: Path, tiny: list[Case], monkeypatch: pytest.MonkeyPatch
) -> None:
    def measure_but_once(*_: object, threads: int, **options: object) -> dict:
        if threads == 1:
            raise RuntimeError("no such kernel\nand more")
        return measure(*_, threads=threads, **options)

    measure = host_speed_runner.measure
    monkeypatch.setattr(host_speed_runner, "measure", measure_but_once)
    values, said = run(tmp_path, [TINY], [1, 2])
    assert [result["threads"] for result in values["results"]] == [2]
    why = "RuntimeError: no such kernel"
    assert values["missing"] == [{"name": TINY.name, "bar": 1.2, "threads": 1, "failed": why}]
    assert f"{TINY.name}, 1 thread, failed: {why}" in said
    assert f"Not measured: {TINY.name}, 1 thread, failed: {why}." in host_speed_page.markdown(values)


def test_another_machine_or_library_is_measured_anew(
    tmp_path: Path, tiny: list[Case], monkeypatch: pytest.MonkeyPatch
) -> None:
    run(tmp_path, [TINY], [1])
    here = host_speed_runner.host()
    monkeypatch.setattr(host_speed_runner, "host", lambda: here | {"library": "another"})
    run(tmp_path, [TINY], [1])
    assert len(tiny) == 2


def result(case: Case, threads: int, ratio: float) -> dict:
    times = {"median_ms": 10.0, "min_ms": 9.0, "p95_ms": 12.0, "load_ms": 1.0}
    return {
        "name": case.name,
        "network": case.network,
        "quantizer": case.quantizer,
        "bar": case.bar,
        "threads": threads,
        "runs": 5,
        "date": "2026-01-02",
        "load": 0.5,
        "cpu": times | {"median_ms": 10.0 * ratio},
        "vaip": times,
        "ratio": ratio,
        "notes": [],
    }


@pytest.fixture
def values() -> dict:
    host = {"cpu": "A CPU", "cpus": 2, "features": ["avx2"], "vnni": False, "amx": False}
    return {
        "host": host | {"vaip": "1", "onnxruntime": "2", "library": "3", "environment": {"OMP_WAIT_POLICY": "passive"}},
        "results": [
            result(TINY, 1, 1.25),
            result(TINY, 2, 1.1),
            result(Case("yolov8n", "quark_xint8"), 1, 4.0),
        ],
        "missing": [{"name": OTHER.name, "bar": 3.0, "skipped": "needs 'vaip[quark]'"}],
    }


def test_page(values: dict, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"# Title\n\n{host_speed_page.BEGIN}\nold\n{host_speed_page.END}\n\nMore.\n")
    for _ in range(2):
        host_speed_page.write_section(values, page)
        text = page.read_text()
        assert text.startswith("# Title\n\n")
        assert text.endswith("\n\nMore.\n")
        assert "old" not in text
        assert (
            "light_squeezenet | ORT QDQ U8S8 per channel | 1.2 | 12.50 | 10.00 | 1.25 | 11.00 | 10.00 | 1.10 (below) |"
            in text
        )
        assert "| yolov8n | Quark XINT8 |  | 40.00 | 10.00 | 4.00 |  |  |  |" in text
        assert "A CPU, 2 CPUs, no VNNI, no AMX (avx2)" in text
        assert "OMP_WAIT_POLICY=passive" in text
        assert "1 of 2 ratios with a bar reach it." in text
        assert f"{OTHER.name}, skipped: needs 'vaip[quark]'" in text
        assert text.count("2026-01-02") == 1
    page.write_text("# No marks\n")
    with pytest.raises(SystemExit, match="has no lines"):
        host_speed_page.write_section(values, page)


@pytest.mark.parametrize("suffix", [".svg", ".html"])
def test_plot(suffix: str, values: dict, tmp_path: Path) -> None:
    path = tmp_path / f"plot{suffix}"
    host_speed_page.draw(values, path)
    text = path.read_text()
    for drawn in ("A CPU", TINY.name, "1 thread", "2 threads"):
        assert drawn in text


def test_command(tmp_path: Path) -> None:
    """With a model of its own making, as a user calls it."""
    command = [sys.executable, str(BENCHMARKS / "host_speed.py"), TINY.name, "--models", str(tmp_path)]
    command += ["--runs", "1", "--threads", "1", "--markdown", str(tmp_path / "page.md")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=500, check=True)
    assert re.search(rf"{TINY.network} +ORT QDQ U8S8 per channel +1\.2 +[\d.]+ +[\d.]+ +[\d.]+", done.stdout)
    assert f"{TINY.name}, 1 thread: CPU" in done.stderr
    assert f"| {TINY.network} |" in (tmp_path / "page.md").read_text()
    assert json.loads((tmp_path / "host_speed.json").read_text())["results"][0]["name"] == TINY.name
    listed = subprocess.run([*command[:2], "--list", "*.fp32"], capture_output=True, text=True, timeout=100, check=True)
    assert listed.stdout.split() == ["light_resnet50.fp32", "1.5", "minilm.fp32", "1.5"]


def test_costs_of_functions_are_their_own() -> None:
    lines = """version: 1
creator: callgrind
positions: line
events: Ir
summary: 100

ob=(1) /lib/a.so
fl=(1) a.cpp
fn=(1) first
10 5
+2 7
cfn=(2) second
calls=3 20
12 60
* 1
fn=(2)
20 40
-3 2

fn=(3) 0x00000000deadbeef
0 30
fn=(1)
10 4
""".splitlines()
    assert instructions.self_costs(lines) == {"first": 17, "second": 42, instructions.GENERATED: 30}


def test_baseline_is_of_the_same_model() -> None:
    then = {"sha256": "1", "model": "m.onnx", "instructions": 1000}
    assert instructions.compared(then | {"instructions": 1020}, then) == pytest.approx(2)
    with pytest.raises(instructions.CountingError, match="another model"):
        instructions.compared(then | {"sha256": "2"}, then)


def test_missing_valgrind_is_an_error_that_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(instructions.CountingError, match="apt install valgrind"):
        instructions.count(instructions.DEMO, 1)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("valgrind") is None, reason="needs valgrind (Debian: apt install valgrind)")
def test_instructions_of_a_run(tmp_path: Path) -> None:
    builder = ModelBuilder(Style(power_of_two=True), seed=3)
    builder.output(builder.finish(builder.conv(builder.input([1, 16, 16, 16]), 16, [3, 3]), "Relu"))
    model = tmp_path / "model.onnx"
    onnx.save(builder.build(), model)
    baseline = tmp_path / "baseline.json"
    command = [sys.executable, str(BENCHMARKS / "instructions.py"), str(model), "--runs", "200", "--json"]
    first = subprocess.run(command, capture_output=True, text=True, timeout=500, check=True)
    counted = json.loads(first.stdout)
    macs = 16 * 16 * 16 * 16 * 9
    assert macs / 64 < counted["instructions"] < 10 * macs
    assert 0 < sum(function["instructions"] for function in counted["functions"]) <= counted["instructions"]
    baseline.write_text(json.dumps(counted | {"instructions": counted["instructions"] // 2}))
    again = subprocess.run(
        [*command, "--against", str(baseline)], capture_output=True, text=True, timeout=500, check=False
    )
    assert again.returncode == 1, again.stderr
    assert json.loads(again.stdout)["against"]["more_percent"] == pytest.approx(100, abs=2), "the same twice"
