"""vaip sweep: every point of the grid, in order, agrees with a session on a device that is described so."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import Any

import onnx
import pytest
import vaip
from conftest import CommandLine
from ep_models import network_with_unclaimed_node
from hypothesis import given
from hypothesis import strategies as st
from vaip import sweep
from vaip.sweep import plot, table
from vaip.sweep.execution import evaluate
from vaip.sweep.workload import input_shapes


def axis(text: str) -> list[Any]:
    return list(sweep.parse_axis(f"f={text}").values)


class TestGrid:
    @pytest.mark.parametrize(
        ("text", "values"),
        [
            ("1.0,1.4,1.8", [1.0, 1.4, 1.8]),
            ("20:60:10", [20, 30, 40, 50, 60]),
            ("20:65:10", [20, 30, 40, 50, 60]),
            ("60:20:-20", [60, 40, 20]),
            ("0.1:0.5:0.1", [0.1, 0.2, 0.3, 0.4, 0.5]),
            ("3:3:1", [3]),
            ("8:128:*2", [8, 16, 32, 64, 128]),
            ("100:1:*0.1", [100, 10, 1]),
            ("1:100:log5", [1, 3.16228, 10, 31.6228, 100]),
            ("100:1:log3", [100, 10, 1]),
            ("1,4:8:2,20", [1, 4, 6, 8, 20]),
            ("true,false", [True, False]),
            ("fast", ["fast"]),
        ],
    )
    def test_values(self, text: str, values: list[Any]) -> None:
        assert axis(text) == values
        assert [type(value) for value in axis(text)] == [type(value) for value in values]

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("1:5", "is not START:STOP:STEP"),
            ("1:5:1:1", "is not START:STOP:STEP"),
            ("1:5:0", "steps of 0"),
            ("5:1:1", "steps of 1 do not lead from 5 to 1"),
            ("1:x:1", "'x' is not a number"),
            ("1:inf:1", "'inf' is not a number"),
            ("1:8:*1", "multiplying by 1"),
            ("1:8:*0.5", "multiplying by 0.5"),
            ("8:1:*2", "multiplying by 2"),
            ("0:8:*2", "multiplying by 2 does not lead from 0"),
            ("0:8:log3", "positive ends"),
            ("1:8:log1", "at least 2"),
            ("1,,2", "a value is missing"),
            ("1,2,1", "1 occurs twice"),
            ("0:1e9:1", "more than 1,000,000 values"),
        ],
    )
    def test_errors(self, text: str, message: str) -> None:
        with pytest.raises(vaip.Error, match=r"'f="):
            axis(text)
        with pytest.raises(vaip.Error) as raised:
            axis(text)
        assert message in str(raised.value)

    @given(st.integers(-50, 50), st.integers(1, 20), st.integers(1, 30))
    def test_steps_are_exact(self, start: int, step: int, count: int) -> None:
        """Tenths are no doubles, but every value is the double nearest to it."""
        stop = start + step * (count - 1)
        expected = [(start + n * step) / 10 for n in range(count)]
        assert axis(f"{start / 10}:{stop / 10}:{step / 10}") == expected

    def test_last_axis_varies_fastest(self) -> None:
        axes = [sweep.parse_axis("a=1,2"), sweep.parse_axis("b=3,4")]
        points = sweep.grid(["x", "y"], axes, {"a": 7, "c": 5})
        assert [(p.device, p.overrides["a"], p.overrides["b"]) for p in points] == [
            (device, a, b) for device in "xy" for a in (1, 2) for b in (3, 4)
        ]
        assert all(p.overrides["c"] == 5 for p in points)

    def test_impossible_grids(self) -> None:
        with pytest.raises(vaip.Error, match="a is swept twice"):
            sweep.grid(["x"], [sweep.parse_axis("a=1"), sweep.parse_axis("a=2")])
        with pytest.raises(vaip.Error, match="1,000,000,000 points"):
            sweep.grid(["x"], [sweep.parse_axis(f"{name}=1:1000:1") for name in "abc"])


class TestPrediction:
    """Oracle: an onnxruntime session on VitisAIEP with a device file, which shares neither options nor API with it."""

    def test_model_agrees_with_a_session(self, digits_int8: Path) -> None:
        point = sweep.Point("krackan", {"clock_ghz": 1.1, "dram.read_gbps": 12})
        outcome = sweep.OnnxModel(str(digits_int8), input_shapes=input_shapes(digits_int8, {})).predict(point)
        device = vaip.device("krackan").with_overrides(point.overrides)
        report = vaip.simulate(str(digits_int8), device=device)
        assert outcome.latency_us == pytest.approx(report.latency_ms * 1e3)
        assert outcome.cycles == report.ipu_cycles
        assert outcome.tops_effective == pytest.approx(report.tops_effective)
        longest = max(report.layers, key=lambda layer: layer.us)
        assert outcome.dominating_layer == longest.name
        for bound in ("compute", "l1", "l2", "ddr", "dispatch"):
            us = sum(layer.us for layer in report.layers if layer.bound == bound)
            assert outcome.shares[bound] == pytest.approx(us / (report.latency_ms * 1e3))
        assert sum(outcome.shares.values()) == pytest.approx(1)

    def test_partly_claimed_model_agrees_with_a_session(self, tmp_path: Path) -> None:
        onnx.save(network_with_unclaimed_node().build(), tmp_path / "model.onnx")
        outcome = sweep.OnnxModel(str(tmp_path / "model.onnx")).predict(sweep.Point("strix", {"clock_ghz": 1}))
        report = vaip.simulate(tmp_path / "model.onnx", options={"overrides": {"clock_ghz": 1}})
        assert report.nodes.cpu > 0
        assert outcome.latency_us == pytest.approx(report.latency_ms * 1e3)

    def test_dynamic_dimensions(self, digits_int8: Path) -> None:
        assert input_shapes(digits_int8, {}) == ((1, 1, 8, 8),)
        assert input_shapes(digits_int8, {"batch": 16}) == ((16, 1, 8, 8),)
        one, sixteen = (
            sweep.OnnxModel(str(digits_int8), (), input_shapes(digits_int8, {"batch": n})).predict(
                sweep.Point("strix", {})
            )
            for n in (1, 16)
        )
        assert sixteen.tops_effective > one.tops_effective
        with pytest.raises(vaip.Error, match="no dynamic dimension 'height'; it has: batch"):
            input_shapes(digits_int8, {"height": 1})

    def test_gemm_agrees_with_estimate_gemm(self) -> None:
        overrides = {"dram.read_gbps": 20, "stack.dispatch.launch_us": 7}
        outcome = sweep.Gemm((512, 256, 1024), ("int8", "int8", "int16"), "iron", 2, 4).predict(
            sweep.Point("phoenix", overrides)
        )
        timing = vaip.estimate_gemm(
            512, 256, 1024, out="int16", device="phoenix", stack="iron", rows=2, cols=4, overrides=overrides
        )
        assert (outcome.latency_us, outcome.cycles) == (timing.latency_us, timing.cycles)

    def test_failing_point_is_a_result(self) -> None:
        gemm = sweep.Gemm((256, 256, 256))
        points = sweep.grid(["strix"], [sweep.parse_axis("core.data_memory_bytes=65536,3400,16384")])
        good, bad, small = sweep.run(gemm, points)
        assert isinstance(bad, str)
        assert "no tiling fits the memories of device 'strix'" in bad
        assert isinstance(good, sweep.Outcome)
        assert isinstance(small, sweep.Outcome)
        assert good.latency_us <= small.latency_us

    def test_nothing_on_the_npu_is_an_error(self, demo_data: Path) -> None:
        shapes = input_shapes(demo_data / "digits_fp32.onnx", {})
        unconverted = (("enable_f32_to_bf16_conversion", "0"),)
        model = sweep.OnnxModel(str(demo_data / "digits_fp32.onnx"), unconverted, shapes)
        result = evaluate(model, sweep.Point("strix", {}))
        assert isinstance(result, str)
        assert "no layer runs on the NPU" in result

    def test_processes_agree_with_this_one(self) -> None:
        gemm = sweep.Gemm((512, 512, 512))
        axes = [sweep.parse_axis("dram.read_gbps=10:40:10"), sweep.parse_axis("clock_ghz=1,0,2")]
        points = sweep.grid(["strix", "phoenix"], axes)
        alone = list(sweep.run(gemm, points, jobs=1))
        assert list(sweep.run(gemm, points, jobs=2)) == alone
        assert [isinstance(result, str) for result in alone] == [False, True, False] * 8

    @pytest.mark.slow
    def test_cluster_agrees_with_this_process(self, digits_int8: Path) -> None:
        distributed = pytest.importorskip("distributed")
        model = sweep.OnnxModel(str(digits_int8), (), input_shapes(digits_int8, {}))
        points = sweep.grid(["strix"], [sweep.parse_axis("dram.read_gbps=10:60:10"), sweep.parse_axis("clock_ghz=1,0")])
        with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
            results = list(sweep.run(model, points, dask=cluster.scheduler_address))
        assert results == list(sweep.run(model, points, jobs=1))

    def test_cluster_that_is_none(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "distributed", None)
        with pytest.raises(vaip.Error, match=r"extra 'cluster'.*pip install 'vaip\[cluster\]'"):
            list(sweep.run(sweep.Gemm((64, 64, 64)), [sweep.Point("strix", {})], dask="tcp://localhost:1"))


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


class TestCommand:
    def test_csv_has_a_row_per_point_in_order(self, vaip_command: CommandLine, digits_int8: Path) -> None:
        arguments = ["--device", "strix,phx", "--set", "dram.read_gbps=20:40:10", "--set", "clock_ghz=1.0,1.4"]
        value = vaip_command.json("sweep", digits_int8, *arguments, "--out", "sweep.csv", "--jobs", "2")
        rows = rows_of(vaip_command.directory / "sweep.csv")
        assert [(row["device"], float(row["dram.read_gbps"]), float(row["clock_ghz"])) for row in rows] == [
            (device, read, clock) for device in ("strix", "phx") for read in (20, 30, 40) for clock in (1.0, 1.4)
        ]
        assert list(rows[0]) == ["device", "dram.read_gbps", "clock_ghz", *table.RESULTS]
        for row, point in zip(rows, value["points"], strict=True):
            assert float(row["latency_us"]) == pytest.approx(point["latency_us"])
            assert sum(float(row[f"share_{name}"]) for name in table.SHARES) == pytest.approx(1)
            assert row["dominating_layer"] == point["dominating_layer"] != ""
            assert row["error"] == ""
        assert value["fields"] == ["dram.read_gbps", "clock_ghz"]
        assert value["failed"] == 0
        again = vaip_command("sweep", digits_int8, *arguments, "--out", "again.csv", "--jobs", "1")
        assert again.stderr == "", "no progress where nobody watches"
        first, second = ((vaip_command.directory / name).read_bytes() for name in ("sweep.csv", "again.csv"))
        assert first == second
        assert {path.name for path in vaip_command.directory.iterdir()} == {"sweep.csv", "again.csv"}

    def test_failed_points_end_with_1_after_the_rest(self, vaip_command: CommandLine) -> None:
        arguments = ["--gemm", "256x256x256", "--set", "core.data_memory_bytes=1024,65536", "--set", "clock_ghz=0,1"]
        done = vaip_command("sweep", *arguments, "--out", "sweep.csv", "--json", exit_code=1)
        assert done.stderr.startswith("error: 3 of 4 points failed; the first: ")
        rows = rows_of(vaip_command.directory / "sweep.csv")
        assert [bool(row["error"]) for row in rows] == [True, True, True, False]
        assert "clock_ghz=0: expected a number from 0.01 to 20" in rows[0]["error"]
        assert rows[0]["latency_us"] == ""
        assert rows[3]["latency_us"] != ""
        assert json.loads(done.stdout)["failed"] == 3

    def test_gemm_takes_its_stack_from_options_and_configuration(self, vaip_command: CommandLine) -> None:
        config = vaip_command.directory / "config.json"
        config.write_text(json.dumps({"vaip": {"stack": "iron", "columns": 2, "overrides": {"clock_ghz": 1.5}}}))
        value = vaip_command.json("sweep", "--gemm", "512x512x512", "--config", config, "--set", "array.rows=2,4")
        for point, rows in zip(value["points"], (2, 4), strict=True):
            timing = vaip.estimate_gemm(
                512, 512, 512, stack="iron", cols=2, overrides={"clock_ghz": 1.5, "array.rows": rows}
            )
            assert point["latency_us"] == pytest.approx(timing.latency_us)

    def test_table(self, vaip_command: CommandLine, digits_int8: Path) -> None:
        (vaip_command.directory / "o.json").write_text('{"stack": {"dispatch": {"layer_us": 0}}}')
        text = vaip_command("sweep", digits_int8, "--set", "clock_ghz=1,2", "--set-file", "o.json").stdout
        for part in ("digits_int8.onnx", "clock_ghz", "stack.dispatch.layer_us", "strix", "ms", "conv"):
            assert part in text

    @pytest.mark.parametrize(
        ("arguments", "exit_code", "message"),
        [
            ([], 2, "give a MODEL or --gemm"),
            (["MODEL", "--gemm", "1x1x1"], 2, "give a MODEL or --gemm"),
            (["--gemm", "1024x1024"], 2, "'1024x1024' is not MxKxN"),
            (["--gemm", "0x8x8"], 2, "'0x8x8' is not MxKxN"),
            (["--gemm", "8x8x8", "--gemm-types", "int8"], 2, "'int8' is not A,B,OUT"),
            (["MODEL", "--set", "clock_ghz"], 2, "'clock_ghz' is not FIELD=VALUES"),
            (["MODEL", "--set", "clock_ghz=1:2"], 2, "START:STOP:STEP"),
            (["MODEL", "--device", "strix,stricks"], 2, "unknown device 'stricks'"),
            (["MODEL", "--plot", "x.png"], 2, "a plot needs a field"),
            (["MODEL", "--plot", "x.bmp", "--set", "clock_ghz=1"], 1, "x.bmp: a plot is one of .png"),
            (["MODEL", "--set", "dram.read_gps=20:60:10"], 1, 'did you mean "dram.read_gbps"?'),
            (["MODEL", "--set", "stack.dispatch.layer=1"], 1, 'did you mean "stack.dispatch.layer_us"?'),
            (["MODEL", "--set", "clock_ghz=1", "--set", "clock_ghz=2"], 1, "clock_ghz is swept twice"),
            (["MODEL", "--dim", "height=2"], 1, "no dynamic dimension 'height'"),
            (["MODEL", "--out", "missing/x.csv"], 1, "missing"),
        ],
    )
    def test_errors(
        self, vaip_command: CommandLine, digits_int8: Path, arguments: list[str], exit_code: int, message: str
    ) -> None:
        given = [str(digits_int8) if argument == "MODEL" else argument for argument in arguments]
        assert message in vaip_command.error("sweep", *given, exit_code=exit_code)


def row(device: str, clock: float, read: float, latency_us: float | None) -> table.Row:
    return {"device": device, "clock_ghz": clock, "dram.read_gbps": read, "latency_us": latency_us} | {
        "error": None if latency_us is not None else "does not fit"
    }


class TestPlot:
    FIELDS = ("clock_ghz", "dram.read_gbps")

    def test_a_line_per_combination_of_the_rest(self) -> None:
        rows = [row("strix", c, r, 1e3 * c * r) for c in (2.0, 1.0) for r in (10, 20)]
        lines = plot.lines(rows, self.FIELDS)
        assert lines == [
            plot.Line("dram.read_gbps=10", [1.0, 2.0], [10.0, 20.0]),
            plot.Line("dram.read_gbps=20", [1.0, 2.0], [20.0, 40.0]),
        ]
        both = plot.lines([*rows, *({**r, "device": "krackan"} for r in rows)], self.FIELDS)
        assert [line.label for line in both][2:] == ["krackan, dram.read_gbps=10", "krackan, dram.read_gbps=20"]

    def test_failed_points_are_left_out(self) -> None:
        rows = [row("strix", 1.0, 10, 5e3), row("strix", 2.0, 10, None)]
        assert plot.lines(rows, self.FIELDS) == [plot.Line("", [1.0], [5.0])]

    def test_both_libraries_draw_the_lines(self) -> None:
        pytest.importorskip("matplotlib")
        pytest.importorskip("plotly")
        lines = [plot.Line("a", [1, 2, 4, 8], [4.0, 3.0, 2.0, 1.0]), plot.Line("b", [1, 2, 4, 8], [8.0, 6.0, 4.0, 2.0])]
        (axes,) = plot.picture("net", "clock_ghz", lines).axes
        assert [list(drawn.get_ydata()) for drawn in axes.get_lines()] == [line.latency_ms for line in lines]
        assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_xscale()) == ("clock_ghz", plot.LATENCY, "log")
        figure = plot.page("net", "clock_ghz", lines)
        assert [list(trace.y) for trace in figure.data] == [line.latency_ms for line in lines]
        assert figure.layout.xaxis.type == "log"
        linear = [plot.Line("", [1, 2, 3, 4], [1.0, 1.0, 1.0, 1.0])]
        assert plot.picture("net", "f", linear).axes[0].get_xscale() == "linear"

    @pytest.mark.parametrize(("name", "start"), [("p.png", b"\x89PNG"), ("p.html", b"<!doctype html>")])
    def test_files(self, vaip_command: CommandLine, name: str, start: bytes) -> None:
        pytest.importorskip("matplotlib" if name.endswith("png") else "plotly")
        arguments = ["--gemm", "256x256x256", "--set", "clock_ghz=1,1.5,2", "--set", "dram.read_gbps=10,20"]
        shown = vaip_command("sweep", *arguments, "--plot", name).stdout
        assert f"Plot: {name}" in shown
        assert (vaip_command.directory / name).read_bytes().lower().startswith(start.lower())
        assert [path.name for path in vaip_command.directory.iterdir()] == [name]

    @pytest.mark.parametrize(("name", "module"), [("p.png", "matplotlib"), ("p.html", "plotly")])
    def test_missing_library_names_the_extra(self, monkeypatch: pytest.MonkeyPatch, name: str, module: str) -> None:
        monkeypatch.setitem(sys.modules, module, None)
        with pytest.raises(vaip.Error, match=r"extra 'plot'.*pip install 'vaip\[plot\]'"):
            plot.check(name)
