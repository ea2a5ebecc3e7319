"""vaip validate: the command, its plot, and what was fitted."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest
import vaip
from conftest import CommandLine
from vaip.validate import TABLES, packaged_tables, validate
from vaip.validate.parameters import fitted_parameters
from vaip.validate.plot import plot
from validate_tables import GOOD_ROW, WHOLE_ARRAY

pytestmark = pytest.mark.usefixtures("no_models_in_the_cache")


class TestParameters:
    def test_fitted_ones_only_and_shared_values_once(self) -> None:
        fitted = {"value": 3, "unit": "cycles", "source": "fitted on a.csv (rows 1 to 3)"}
        marked = {"value": 0.5, "unit": "fraction", "source": "least squares", "fitted_on": ["b.csv", "c.csv"]}
        stated = {"value": 7, "unit": "cycles", "source": "a data sheet"}
        device = {"name": "one", "clock": stated, "shim": {"gap": fitted}}
        files = {
            "devices/one.json": json.dumps(device),
            "devices/two.json": json.dumps(device | {"name": "two"}),
            "stacks/s.json": json.dumps({"name": "s", "generations": {"xdna1": {"kernels": {"share": marked}}}}),
        }
        parameters = fitted_parameters(files)
        assert [(p.where, p.name, p.value, p.fitted_on) for p in parameters] == [
            ("device one, two", "shim.gap", 3, "a.csv (rows 1 to 3)"),
            ("stack s, xdna1", "kernels.share", 0.5, "b.csv, c.csv"),
        ]

    def test_packaged_ones_name_their_rows(self) -> None:
        parameters = fitted_parameters()
        assert parameters
        assert all(parameter.fitted_on for parameter in parameters)


class TestCommand:
    def test_json(self, vaip_command: CommandLine) -> None:
        values = vaip_command.json("validate", "--table", "taka_table2_3_whole_array")
        (result,) = values["tables"]
        assert result["name"] == "taka_table2_3_whole_array"
        assert result["rows"] == 8
        assert result["mape"] < 3
        assert {"row", "measured", "predicted", "error_percent"} <= set(result["worst"])
        assert result["skipped"] == []
        assert "residuals" not in result

    def test_rows(self, vaip_command: CommandLine) -> None:
        values = vaip_command.json("validate", "--table", "xdna2_traced_kernel_4col", "--rows")
        assert len(values["tables"][0]["residuals"]) == 3
        text = vaip_command("validate", "--table", "xdna2_traced_kernel_4col", "--rows").stdout
        assert "i8-i32 64x96x48" in text
        assert "1,169" in text

    def test_summary_names_every_table(self, vaip_command: CommandLine) -> None:
        lines = vaip_command("validate").stdout.splitlines()
        for name in TABLES:
            assert any(line.strip().startswith(name) or name[:25] in line for line in lines)

    def test_malformed_table(self, vaip_command: CommandLine) -> None:
        directory = vaip_command.directory / "tables"
        directory.mkdir()
        (directory / "gemm_8700g_whole_array.csv").write_text(WHOLE_ARRAY + GOOD_ROW.replace("273.2", "x"), "utf-8")
        shutil.copy(packaged_tables() / "taka_table1_single_core.csv", directory)
        (directory / "other.csv").write_text("a,b\n", "utf-8")
        done = vaip_command("validate", directory, "--json", exit_code=1)
        values = json.loads(done.stdout)
        rows = {each["name"]: each["rows"] for each in values["tables"]}
        assert rows == {"taka_table1_single_core": 7, "gemm_8700g_whole_array": 0}
        assert "gemm_8700g_whole_array.csv:2: column 'avg_us'" in done.stderr
        assert values["errors"] == [done.stderr.strip().removeprefix("error: ")]
        assert values["unknown"] == ["other.csv: no table that VAIP knows"]

    def test_devices(self, vaip_command: CommandLine) -> None:
        device = vaip.device("strix")
        device.clock_ghz = 0.9
        device.to_json(vaip_command.directory / "slow.json")
        name = "taka_table1_single_core"
        usual = vaip_command.json("validate", "-t", name, "--device", "strix", "--rows")["tables"][0]
        assert (usual["rows"], len(usual["skipped"])) == (4, 3)
        assert "measured on phoenix" in usual["skipped"][0]["reason"]
        slow = vaip_command.json("validate", "-t", name, "--device", "slow.json", "--rows")["tables"][0]
        for at_full, at_half in zip(usual["residuals"], slow["residuals"], strict=True):
            assert at_half["predicted"] == at_full["predicted"], "cycles do not depend on the clock"
            assert at_half["predicted_us"] == pytest.approx(2 * at_full["predicted_us"])

    def test_stacks(self, vaip_command: CommandLine) -> None:
        stack = json.loads(vaip._core.description_files()["csrc/device/stacks/taka.json"])
        for profile in stack["generations"].values():
            for kernel in profile["kernels"]["matmul"].values():
                kernel["issue_efficiency"]["value"] /= 2
        (vaip_command.directory / "halved.json").write_text(json.dumps(stack), "utf-8")
        name = "taka_table1_single_core"
        usual = vaip_command.json("validate", "-t", name, "--rows")["tables"][0]["residuals"]
        halved = vaip_command.json("validate", "-t", name, "--rows", "--stack", "halved.json")["tables"][0]["residuals"]
        assert all(slow["predicted"] < full["predicted"] for slow, full in zip(halved, usual, strict=True))

    def test_parameters(self, vaip_command: CommandLine) -> None:
        (first, *_) = vaip_command.json("validate", "--parameters")["parameters"]
        assert set(first) == {"where", "name", "value", "unit", "fitted_on"}

    def test_help_has_an_example_and_the_common_options(self, vaip_command: CommandLine) -> None:
        text = vaip_command("validate", "--help").stdout
        assert all(part in text for part in ("Example: ", "--json", "--device", "--config", "--plot", "--models"))

    @pytest.mark.parametrize(
        ("arguments", "message", "exit_code"),
        [
            (["--table", "frobnicate"], "unknown table 'frobnicate'; known: taka_table1", 2),
            (["nowhere"], "nowhere", 2),
            (["--plot", "picture.gif"], "picture.gif: a plot's file name must end in .png, .svg, .html", 1),
            (["--models", "nowhere"], "nowhere", 2),
        ],
    )
    def test_errors(self, vaip_command: CommandLine, arguments: list[str], message: str, exit_code: int) -> None:
        assert message in vaip_command.error("validate", *arguments, exit_code=exit_code)


class TestPlot:
    @pytest.mark.parametrize(
        ("ending", "package", "start"),
        [(".png", "matplotlib", b"\x89PNG"), (".svg", "matplotlib", b"<?xml"), (".html", "plotly", b"<!doctype html>")],
    )
    def test_formats(self, tmp_path: Path, ending: str, package: str, start: bytes) -> None:
        pytest.importorskip(package)
        path = tmp_path / f"plot{ending}"
        plot(validate(tables=["taka_table1_single_core", "gemm_8700g_whole_array"]), path)
        data = path.read_bytes()
        assert data.startswith(start)
        if ending != ".png":
            assert b"taka_table1_single_core" in data
        assert list(tmp_path.iterdir()) == [path], "no unfinished file is left"

    def test_without_the_extra(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "plotly.graph_objects", None)
        with pytest.raises(vaip.Error, match=r"pip install 'vaip\[plot\]'"):
            plot(validate(tables=["taka_table1_single_core"]), tmp_path / "plot.html")
