"""vaip validate: reading tables, predicting rows, naming what cannot be read or predicted."""

from __future__ import annotations

import csv
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import onnx
import pytest
import vaip
from conftest import CommandLine
from vaip.networks import build
from vaip.validate import TABLES, TableResult, packaged_tables, validate
from vaip.validate.networks import ModelLibrary, cache_directory
from vaip.validate.parameters import fitted_parameters
from vaip.validate.plot import plot
from vaip.validate.queries import Setting

WHOLE_ARRAY = "platform,clk_GHz,dtype,M,K,N,rows,cols,m,k,n,C_buffers,B_layout,avg_us\n"
GOOD_ROW = "8700G_XDNA1,1.8,i8-i32,512,512,512,4,4,64,64,32,2,row,273.2\n"


@pytest.fixture(autouse=True)
def no_models_in_the_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the user keeps there must not matter."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


def table(directory: Path, name: str, text: str) -> TableResult:
    """The result of one table of the given text."""
    (directory / f"{name}.csv").write_text(text, encoding="utf-8")
    (result,) = validate(directory, tables=[name]).tables
    return result


def cells_with_a_measurement(name: str, path: Path) -> int:
    """How many measurements a table has: one per row, or one per filled cell of the wide tables."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    wide = {
        "eltwise_8700g": lambda column: column != "op",
        "gemm_8700g_int16_same_sitting": lambda column: column.endswith(("_GOPS", "_GFLOPS")),
        "gemm_iron_flm_npu1": lambda column: "_GEMM_us" in column,
    }
    if name not in wide:
        return len(rows)
    return sum(bool(value) and wide[name](column) for row in rows for column, value in row.items())


class TestPackagedTables:
    def test_every_packaged_table_is_read_and_every_measurement_accounted_for(self) -> None:
        result = validate()
        assert result.errors == []
        assert result.unknown == []
        assert {each.name for each in result.tables} == set(TABLES)
        for each in result.tables:
            path = packaged_tables() / f"{each.name}.csv"
            assert len(each.residuals) + len(each.skipped) == cells_with_a_measurement(each.name, path), each.name
            assert all(skip.reason for skip in each.skipped)

    def test_residuals_are_consistent(self) -> None:
        for each in validate().tables:
            for residual in each.residuals:
                assert residual.predicted > 0, residual
                slower = residual.predicted_us > residual.measured_us
                rate = residual.unit in ("GOPS", "GFLOPS", "TOPS", "MAC/cycle")
                assert slower == ((residual.error_percent > 0) != rate) or residual.error_percent == 0, residual
            if each.residuals:
                errors = [abs(residual.error_percent) for residual in each.residuals]
                assert each.mape == pytest.approx(sum(errors) / len(errors))
                assert each.worst is not None
                assert abs(each.worst.error_percent) == max(errors)

    @pytest.mark.parametrize("name", ["taka_table1_single_core", "taka_table2_3_whole_array"])
    def test_the_cleanest_tables_are_close(self, name: str) -> None:
        (result,) = validate(tables=[name]).tables
        assert result.mape is not None
        assert result.mape < 3

    def test_derived_columns_are_never_read(self, tmp_path: Path) -> None:
        """Tables without them give the same predictions."""
        for path in packaged_tables().glob("*.csv"):
            with path.open(encoding="utf-8", newline="") as source:
                rows = list(csv.DictReader(source))
            kept = [
                name for name in rows[0] if not name.startswith("derived") and name not in ("GMAC", "GBps", "MFLOP")
            ]
            with (tmp_path / path.name).open("w", encoding="utf-8", newline="") as copy:
                writer = csv.DictWriter(copy, kept, extrasaction="ignore")
                writer.writeheader()
                writer.writerows(rows)
        assert validate(tmp_path).to_dict(rows=True)["tables"] == validate().to_dict(rows=True)["tables"]

    def test_progress_counts_the_rows_of_all_tables(self) -> None:
        steps: list[tuple[str, int, int]] = []
        names = ["taka_table1_single_core", "taka_table2_3_whole_array"]
        result = validate(tables=names, progress=lambda *step: steps.append(step))
        sizes = [len(each.residuals) for each in result.tables]
        assert [name for name, _, _ in steps] == [names[0]] * sizes[0] + [names[1]] * sizes[1]
        assert [position for _, position, _ in steps] == list(range(sum(sizes)))
        assert {total for _, _, total in steps} == {sum(sizes)}

    def test_a_measurement_does_not_change_its_prediction(self, tmp_path: Path) -> None:
        halved = GOOD_ROW.replace("273.2", "136.6")
        one, other = table(tmp_path, "gemm_8700g_whole_array", WHOLE_ARRAY + GOOD_ROW + halved).residuals
        assert one.predicted == other.predicted
        assert other.measured == one.measured / 2


class TestRows:
    """What cells mean: each against the same question asked of the API."""

    def test_gemm_of_the_whole_array(self, tmp_path: Path) -> None:
        (row,) = table(tmp_path, "gemm_8700g_whole_array", WHOLE_ARRAY + GOOD_ROW).residuals
        expected = vaip.estimate_gemm(
            *(512, 512, 512),
            out="int32",
            device="8700g",
            stack="iron",
            rows=4,
            cols=4,
            tile=(64, 64, 32),
            c_buffers=2,
            host_call=False,
        )
        assert row.predicted == pytest.approx(expected.latency_us)
        assert (row.measured, row.unit, row.device, row.line) == (273.2, "us", "ryzen_8700g", 2)

    def test_the_clock_of_the_table_counts(self, tmp_path: Path) -> None:
        slow = GOOD_ROW.replace(",1.8,", ",0.8,")
        one, other = table(tmp_path, "gemm_8700g_whole_array", WHOLE_ARRAY + GOOD_ROW + slow).residuals
        assert other.predicted > one.predicted

    def test_rates_are_compared_as_rates(self, tmp_path: Path) -> None:
        text = "dtype,M,K,N,m/k/n,C_buf,B_layout,GFLOPS\nbf16-f32,2048,1024,512,64/64/32,dbl,col,1715.59\n"
        (row,) = table(tmp_path, "gemm_8700g_tile_sweep", text).residuals
        timing = vaip.estimate_gemm(
            *(2048, 1024, 512),
            a="bf16",
            b="bf16",
            out="f32",
            device="8700g",
            stack="iron",
            tile=(64, 64, 32),
            c_buffers=2,
            b_layout="column",
            host_call=False,
        )
        operations = 2 * 2048 * 1024 * 512
        assert row.predicted == pytest.approx(operations / timing.latency_us / 1e3)
        assert row.measured_us == pytest.approx(operations / 1715.59 / 1e3)

    def test_cycles_and_macs_per_cycle(self, tmp_path: Path) -> None:
        text = "gen,prec,m,k,n,MAC_per_cycle\nXDNA2,i8-i16,64,216,64,419.8\n"
        (row,) = table(tmp_path, "taka_table1_single_core", text).residuals
        cycles = vaip.estimate_kernel(64, 216, 64, out="int16", device="strix", stack="taka")
        assert row.predicted == pytest.approx(64 * 216 * 64 / cycles)
        text = "platform,kernel,dtype,m,k,n,cycles_per_call\n8700G,mm.cc i8-i32,i8,32,64,32,697.1\n"
        (row,) = table(tmp_path, "singlecore_cycles_8700g", text).residuals
        assert row.predicted == vaip.estimate_kernel(32, 64, 32, out="int32", device="8700g", stack="iron")
        assert row.measured_us == pytest.approx(697.1 / 1800)

    @pytest.mark.parametrize(
        ("cell", "rows", "cols", "tile", "depth"),
        [
            ("64/256/32/128", 4, 8, (64, 32, 128), 256),
            ("16/144/48/96 (herd 4x3)", 3, 4, (16, 48, 96), 144),
            ("32/64/32/64 (herd 6\u00d74)", 4, 6, (32, 32, 64), 64),
        ],
    )
    def test_tiles_and_herds_of_mlir_air(
        self, tmp_path: Path, cell: str, rows: int, cols: int, tile: tuple[int, ...], depth: int
    ) -> None:
        header = "C_dtype,method,M,K,N,tile(m/kl2/kl1/n)[herd 8x4 unless given],GFLOPS\n"
        (row,) = table(tmp_path, "gemm_mlir_air_npu2", f"{header}f32,external,512,576,768,{cell},1000\n").residuals
        timing = vaip.estimate_gemm(
            *(512, 576, 768),
            a="bf16",
            b="bf16",
            out="f32",
            stack="air:external",
            rows=rows,
            cols=cols,
            tile=tile,
            l2_depth=depth,
        )
        assert row.predicted == pytest.approx(2 * 512 * 576 * 768 / timing.latency_us / 1e3)

    @pytest.mark.parametrize(
        ("method", "out", "variant"),
        [
            ("external", "f32", "external"),
            ("direct", "f32", "direct"),
            ("fused-cast", "bf16", "fused_cast"),
            ("drain", "bf16", "drain"),
            ("direct low-precision", "bf16", "low_precision"),
        ],
    )
    def test_methods_of_mlir_air_are_variants_of_its_stack(
        self, tmp_path: Path, method: str, out: str, variant: str
    ) -> None:
        header = "C_dtype,method,M,K,N,tile(m/kl2/kl1/n),GFLOPS\n"
        (row,) = table(
            tmp_path, "gemm_mlir_air_npu2", f"{header}{out},{method},512,512,512,32/256/32/128,1000\n"
        ).residuals
        timing = vaip.estimate_gemm(
            *(512, 512, 512),
            a="bf16",
            b="bf16",
            out=out,
            stack=f"air:{variant}",
            rows=4,
            cols=8,
            tile=(32, 32, 128),
            l2_depth=256,
        )
        assert row.predicted_us == pytest.approx(timing.latency_us)

    def test_variants_come_from_the_file_of_their_stack(self, tmp_path: Path) -> None:
        document = json.loads(vaip._core.description_files()["csrc/device/stacks/air.json"])
        document["variants"] = {
            "direct": {"generations.xdna2.dispatch.launch_us": {"value": 1e5, "source": "this test"}},
        }
        file = tmp_path / "my_air.json"
        file.write_text(json.dumps(document), encoding="utf-8")
        (tmp_path / "gemm_mlir_air_npu2.csv").write_text(
            "C_dtype,method,M,K,N,tile(m/kl2/kl1/n),GFLOPS\n"
            "f32,direct,512,512,512,32/256/32/128,1000\n"
            "f32,external,512,512,512,32/256/32/128,1000\n"
        )
        packaged = validate(tmp_path).tables[0]
        replaced = validate(tmp_path, setting=Setting(stacks={"air": file})).tables[0]
        assert len(packaged.residuals) == 2
        assert replaced.residuals[0].predicted_us > 1e5 > packaged.residuals[0].predicted_us
        assert len(replaced.residuals) == 1
        assert f"{file}: no variant 'external'" in replaced.skipped[0].reason
        direct = vaip.estimate_gemm(512, 512, 512, a="bf16", b="bf16", out="f32", stack=f"{file}:direct")
        assert direct.stack == "air:direct"
        assert direct.latency_us > 1e5

    @pytest.mark.parametrize(
        ("op", "shape", "config", "expected"),
        [
            ("eltwise_add", "", "8/1/2048", ("add", {"rows": 1, "cols": 8, "tile": 2048})),
            ("gelu_tanh", "512x512", "8/2/4096", ("gelu", {"rows": 2, "cols": 8, "tile": 4096})),
            ("silu_mul", "", "4/1/1024", ("silu_mul", {"rows": 1, "cols": 4, "tile": 1024})),
            ("rmsnorm_weighted", "128x2048", "herd 8x1", ("rmsnorm", {"rows": 1, "cols": 8, "row": 2048})),
            ("rope_halfsplit", "4096\u00d764", "herd 8/1", ("rope", {"rows": 1, "cols": 8, "row": 64})),
        ],
    )
    def test_element_wise_configurations(
        self, tmp_path: Path, op: str, shape: str, config: str, expected: tuple[str, dict[str, int]]
    ) -> None:
        text = f"op,elements,shape,config,us,GBps\n{op},262144,{shape},{config},100,1\n"
        (row,) = table(tmp_path, "eltwise_norm_mlir_air_npu2", text).residuals
        operator, arguments = expected
        assert row.predicted == vaip.estimate_elements(operator, 262144, stack="air", **arguments).latency_us

    def test_iron_ci_takes_the_minimum_where_there_is_one(self, tmp_path: Path) -> None:
        header = "platform,dtype,M,K,N,cols(x4rows),b_col_maj,c_col_maj,m/k/n,partition_N,mean_us,min_us\n"
        rows = "Krackan,bf16,256,512,256,4,1,0,32/64/64,1,500,400\nKrackan,bf16,256,512,256,4,1,0,32/64/64,4,900,\n"
        one, four = table(tmp_path, "gemm_iron_ci", header + rows).residuals
        assert (one.measured, four.measured) == (400, 900)
        quarter = vaip.estimate_gemm(
            *(256, 512, 64),
            a="bf16",
            b="bf16",
            out="bf16",
            device="krackan",
            stack="iron:ci_partitioned",
            rows=4,
            cols=4,
            tile=(32, 64, 64),
            b_layout="column",
        )
        assert four.predicted == pytest.approx(4 * quarter.latency_us)

    def test_iree_parts(self, tmp_path: Path) -> None:
        """Compute alone and movement alone are each no slower than the whole."""
        header = "platform,config,dtype,M,K,N,rows,cols,us,note\n"
        configs = ("chess", "callrepl_0 (no compute)", "callrepl_100 chess")
        rows = "".join(f"Hawk Point 8845HS,{config},bf16-f32,512,4096,512,4,4,1838,\n" for config in configs)
        whole, movement, compute = table(tmp_path, "gemm_iree_ci", header + rows).residuals
        assert movement.predicted <= whole.predicted * 1.001  # output leaves a little earlier, in the inputs' way
        assert compute.predicted <= whole.predicted
        assert compute.bound == "compute"
        assert movement.bound in ("l1", "l2", "ddr")

    def test_measurements_as_ranges_and_remarks(self, tmp_path: Path) -> None:
        header = "lq,lk,head_dim,q_heads,kv_heads,mask,ms,GFLOPS\n"
        rows = "512,512,64,8,2,causal,15.4-16.1,1\n512,512,64,8,2,full,~3.5,1\n"
        result = table(tmp_path, "flashattention_mlir_air_npu2", header + rows)
        assert [row.measured for row in result.residuals] == [pytest.approx(15.75), 3.5]

    def test_unnamed_formats_are_skipped_with_the_reason(self, tmp_path: Path) -> None:
        header = "source,platform,dtype,M,K,N,m/k/n,array,TOPS,note\n"
        rows = "x,NPU2,default dtype,512,512,512,32/32/32,1x1,0.08,\nx,Krackan,i4 x bf16,512,512,512,,4 col,1.7,\n"
        result = table(tmp_path, "gemm_misc", header + rows)
        assert [row.device for row in result.residuals] == ["krackan"]
        assert "formats are not given" in result.skipped[0].reason

    def test_a_tile_that_does_not_fit_is_a_reason(self, tmp_path: Path) -> None:
        row = GOOD_ROW.replace("64,64,32,2", "256,256,256,2")
        result = table(tmp_path, "gemm_8700g_whole_array", WHOLE_ARRAY + row)
        assert result.residuals == []
        assert "256x256x256 does not fit" in result.skipped[0].reason
        assert result.mape is None
        assert result.worst is None

    def test_unknown_operators_and_methods_are_reasons(self, tmp_path: Path) -> None:
        result = table(tmp_path, "eltwise_8700g", "op,L=65536\nfrobnicate,10\nrelu,185\n")
        assert len(result.residuals) == 1
        assert "gelu" in result.skipped[0].reason


class TestFaults:
    @pytest.mark.parametrize(
        ("old", "new", "message"),
        [
            ("273.2", "fast", "column 'avg_us': 'fast' is neither a number"),
            ("273.2", "-273.2", "column 'avg_us': '-273.2' is neither a number above zero"),
            ("273.2", "0", "column 'avg_us': 0 is not a number above zero"),
            ("273.2", "", "column 'avg_us': is empty"),
            ("i8-i32", "i7-i32", "column 'dtype': unknown number format 'i7'"),
            ("8700G_XDNA1", "Pentium", "column 'platform': unknown platform 'Pentium'"),
            ("512,512,512", "512,0,512", "column 'K': 0 is less than 1"),
            ("512,512,512", "512,1.5,512", "column 'K': '1.5' is not a whole number"),
            (",2,row", ",3,row", "column 'C_buffers': unknown '3'"),
            (",row,", ",diagonal,", "column 'B_layout': unknown 'diagonal'; known: row"),
        ],
    )
    def test_cells(self, tmp_path: Path, old: str, new: str, message: str) -> None:
        """The faulty row is named by file, line and column; the good one beside it is predicted."""
        assert old in GOOD_ROW
        text = WHOLE_ARRAY + GOOD_ROW + GOOD_ROW.replace(old, new, 1)
        result = table(tmp_path, "gemm_8700g_whole_array", text)
        assert len(result.residuals) == 1
        (error,) = result.errors
        assert error.startswith(f"{tmp_path / 'gemm_8700g_whole_array.csv'}:3: {message}")

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            (WHOLE_ARRAY.replace("avg_us", "us") + GOOD_ROW, ":1: column 'avg_us' is missing"),
            (WHOLE_ARRAY.replace("rows", "cols") + GOOD_ROW, ":1: column 'rows' is missing"),
            (WHOLE_ARRAY + "8700G,1.8\n", ":2: column 'dtype': the row has 2 cells, the header 14"),
            ("", ":1: the table is empty"),
        ],
    )
    def test_headers_and_shapes(self, tmp_path: Path, text: str, message: str) -> None:
        result = table(tmp_path, "gemm_8700g_whole_array", text)
        assert result.residuals == []
        assert message in result.errors[0]

    @pytest.mark.parametrize(
        ("name", "text", "message"),
        [
            ("gemm_mlir_air_npu2", "C_dtype,method,M,K,N,GFLOPS\n", None),
            ("gemm_mlir_air_npu2", "C_dtype,method,M,K,N,GFLOPS\nf32,direct,1,1,1,1\n", "column 'tile(...' is missing"),
            ("eltwise_8700g", "op,long\nrelu,10\n", "column 'long': is not a number of elements"),
            ("eltwise_8700g_2", "length,us_min,us_max\n1,1,1\n", "groupnorm32_bf16_L_per_group"),
            (
                "eltwise_norm_mlir_air_npu2",
                "op,elements,shape,config,us\nrmsnorm,4096,,herd 8x1,10\n",
                "column 'shape': is empty; rmsnorm needs its rows x columns",
            ),
            (
                "gemm_8700g_tile_sweep",
                "dtype,M,K,N,m/k/n,C_buf,B_layout,GFLOPS\nbf16-f32,1,1,1,64/64,dbl,row,1\n",
                "'64/64' is not 3 numbers",
            ),
        ],
    )
    def test_of_other_tables(self, tmp_path: Path, name: str, text: str, message: str | None) -> None:
        errors = table(tmp_path, name, text).errors
        assert message is None or message in errors[0]
        assert bool(errors) == (message is not None)

    def test_nothing_to_read(self, tmp_path: Path) -> None:
        with pytest.raises(vaip.Error, match="none of the tables"):
            validate(tmp_path)
        with pytest.raises(vaip.Error, match=r"no table conv\.csv"):
            validate(tmp_path, tables=["conv"])


class TestNetworks:
    TEXT = "platform,stack,model,precision,metric,value_ms,GMAC\n8700G,VitisAI EP 4x4,Digits,XINT8,latency,5.26-5.27,\n"

    @pytest.fixture
    def models(self, tmp_path: Path, digits_int8: Path) -> Path:
        directory = tmp_path / "models"
        directory.mkdir()
        shutil.copy(digits_int8, directory / "digits_xint8.onnx")
        return directory

    def test_a_network_is_predicted_from_its_model(self, tmp_path: Path, models: Path, digits_int8: Path) -> None:
        rows = self.TEXT + self.TEXT.splitlines()[1].replace("latency", "node").replace("4x4", "1x4") + "\n"
        (tmp_path / "cnn_end_to_end.csv").write_text(rows, encoding="utf-8")
        whole, node = validate(tmp_path, setting=Setting(models=models)).tables[0].residuals
        assert whole.measured == pytest.approx(5.265)
        report = vaip.simulate(digits_int8.read_bytes(), device="8700g")
        assert whole.predicted == pytest.approx(report.latency_ms)
        assert node.predicted < whole.predicted, "the array's share alone"

    def test_a_network_without_a_model_is_built(self, tmp_path: Path) -> None:
        (row,) = table(tmp_path, "cnn_end_to_end", self.TEXT.replace("Digits", "SqueezeNet1_1")).residuals
        calibrated = vaip.simulate(build("squeezenet1_1").SerializeToString(), device="8700g")
        assert row.predicted == pytest.approx(calibrated.latency_ms)

    def test_a_network_is_built_once_per_run(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        built: list[str] = []

        def counted(name: str, *arguments: Any, **options: Any) -> onnx.ModelProto:
            built.append(name)
            return build(name, *arguments, **options)

        monkeypatch.setattr("vaip.networks.build", counted)
        rows = "".join(
            f"{platform},EP {array},{name},XINT8,latency,9,\n"
            for platform, array in (("8700G", "4x4"), ("8700G", "1x4"), ("STX", "4x4"))
            for name in ("squeezenet1_1", "SqueezeNet 1.1", "ResNet18")
        )
        (tmp_path / "cnn_end_to_end.csv").write_text(self.TEXT.splitlines()[0] + "\n" + rows, encoding="utf-8")
        first = validate(tmp_path)
        assert sorted(built) == ["resnet18", "squeezenet1_1"]
        assert len(first.tables[0].residuals) == 6, "of two spellings of a name one is skipped"
        assert validate(tmp_path).to_dict() == first.to_dict()

    def test_given_models_come_first(self, tmp_path: Path, models: Path, digits_int8: Path) -> None:
        shutil.copy(digits_int8, models / "resnet18_xint8.onnx")
        (tmp_path / "cnn_end_to_end.csv").write_text(self.TEXT.replace("Digits", "ResNet18"), encoding="utf-8")
        ((row,),) = (each.residuals for each in validate(tmp_path, setting=Setting(models=models)).tables)
        assert row.predicted == pytest.approx(vaip.simulate(digits_int8.read_bytes(), device="8700g").latency_ms)

    def test_an_unknown_network_is_a_reason_with_the_nearest_name(self, tmp_path: Path) -> None:
        result = table(tmp_path, "cnn_end_to_end", self.TEXT.replace("Digits", "ResNet51"))
        reason = result.skipped[0].reason
        assert "no network 'ResNet51' (the nearest is resnet50)" in reason
        assert f"{cache_directory()} has no ResNet51_xint8.onnx" in reason

    def test_names_are_found_whatever_their_punctuation(self, models: Path) -> None:
        (models / "mobilenet_v2_xint8.onnx").touch()
        library = ModelLibrary(models)
        assert library.file("MobileNetV2", "xint8") == models / "mobilenet_v2_xint8.onnx"
        assert library.file("MobileNetV2", "a8w8") is None
        assert library.file("ResNet50", "xint8") is None

    def test_a_part_on_the_cpu_is_not_the_devices_time(self, tmp_path: Path, models: Path) -> None:
        """But that of the array alone is predicted."""
        model = build("yolov8n", resolution=64, decode=True, calibrated=False)
        onnx.save(model, models / "boxes_xint8.onnx")
        rows = self.TEXT.replace("Digits", "boxes")
        (tmp_path / "cnn_end_to_end.csv").write_text(
            rows + rows.splitlines()[1].replace("latency", "node"), encoding="utf-8"
        )
        (result,) = validate(tmp_path, setting=Setting(models=models)).tables
        assert [row.line for row in result.residuals] == [3]
        (skip,) = result.skipped
        assert "run on the CPU, whose time is not predicted; the first is decode/" in skip.reason

    def test_dynamic_batches_are_one_image(self, tmp_path: Path, models: Path) -> None:
        for name, batch in (("fixed", 1), ("dynamic", 0)):
            model = build("resnet18", resolution=64, calibrated=False)
            for value in (*model.graph.input, *model.graph.output):
                if not batch:
                    value.type.tensor_type.shape.dim[0].dim_param = "N"
            onnx.save(model, models / f"{name}_xint8.onnx")
        text = self.TEXT.replace("Digits", "fixed") + self.TEXT.splitlines()[1].replace("Digits", "dynamic")
        (tmp_path / "cnn_end_to_end.csv").write_text(text, encoding="utf-8")
        fixed, dynamic = validate(tmp_path, setting=Setting(models=models)).tables[0].residuals
        assert fixed.predicted == dynamic.predicted

    def test_configuration_stack_and_array_apply_together(self, tmp_path: Path, models: Path) -> None:
        """The configuration's other settings hold; the row's own part of the array is stronger than its columns."""
        (tmp_path / "cnn_end_to_end.csv").write_text(self.TEXT.replace("4x4", "1x4"), encoding="utf-8")

        def predicted(**setting: Any) -> float:
            (row,) = validate(tmp_path, setting=Setting(models=models, **setting)).tables[0].residuals
            return row.predicted

        config = tmp_path / "config.json"
        config.write_text(json.dumps({"vaip": {"columns": 4, "rows": 1}}), encoding="utf-8")
        narrow = tmp_path / "narrow.json"
        narrow.write_text(json.dumps({"vaip": {"columns": 1, "rows": 1}}), encoding="utf-8")
        assert predicted(config=config) == predicted(config=narrow)
        document = json.loads(vaip._core.description_files()["csrc/device/stacks/vitisai.json"])
        for profile in document["generations"].values():
            profile["dispatch"]["layer_us"]["value"] *= 10
        slow = tmp_path / "slow.json"
        slow.write_text(json.dumps(document), encoding="utf-8")
        assert predicted(stacks={"vitisai": slow}) > predicted()


class TestWhichRowsOfNetworksCount:
    """Of what releases, settings and runs with a CPU part measured, the times of the device."""

    ARRAYS = "platform,stack,model,precision,metric,value_ms,GMAC\n"
    RELEASES = "timestamp,rai_release,model_name,device,throughput_fps,latency_ms\n"

    @pytest.fixture
    def models(self, tmp_path: Path, digits_int8: Path) -> Path:
        directory = tmp_path / "models"
        directory.mkdir()
        for name in ("digits", "letters"):
            shutil.copy(digits_int8, directory / f"{name}_xint8.onnx")
        return directory

    def releases(self, directory: Path, models: Path, *rows: str, arrays: str | None = None) -> TableResult:
        """The result of the table of releases; `rows` are release, name and latency. `arrays`: rows beside it."""
        lines = [",".join(["2025-01-01", release, name, "STX", "1", ms]) for release, name, ms in map(str.split, rows)]
        text = self.RELEASES + "\n".join(lines) + "\n"
        (directory / "ryzenai_sw_onnx_benchmark.csv").write_text(text, encoding="utf-8")
        if arrays is not None:
            (directory / "cnn_end_to_end.csv").write_text(self.ARRAYS + arrays, encoding="utf-8")
        (result,) = validate(directory, tables=["ryzenai_sw_onnx_benchmark"], setting=Setting(models=models)).tables
        return result

    def test_the_best_release_of_each_model(self, tmp_path: Path, models: Path) -> None:
        result = self.releases(
            tmp_path, models, "1.4.1 digits_XINT8 0.9", "1.5.0 digits_XINT8 0.5", "1.6.0 digits 100", "1.6.0 letters 1"
        )
        assert [row.label for row in result.residuals] == ["digits_XINT8 (Ryzen AI 1.5.0)"]
        assert [skip.reason for skip in result.skipped] == [
            "a slower release of the model: the best is digits_XINT8 (Ryzen AI 1.5.0)",
            *["the name does not tell precision and target: it may be FP32 on the CPU"] * 2,
        ]
        assert "best release" in result.note

    def test_slower_than_the_float_model_is_the_cpu(self, tmp_path: Path, models: Path) -> None:
        """The fastest float figure of that model counts, whatever its release; another model's does not."""
        result = self.releases(
            tmp_path,
            models,
            "1.4.1 digits_XINT8 7.5",
            "1.4.1 digits 8",
            "1.5.0 Digits 7",
            "1.5.0 letters_XINT8 7.5",
        )
        assert [row.label for row in result.residuals] == ["letters_XINT8 (Ryzen AI 1.5.0)"]
        assert result.skipped[0].label == "digits_XINT8 (Ryzen AI 1.4.1)"
        assert result.skipped[0].reason == (
            "7.5 ms, but the float Digits (Ryzen AI 1.5.0) on the CPU takes 7 ms: part of the model ran on the CPU"
        )

    def test_slower_than_the_older_array_is_the_cpu(self, tmp_path: Path, models: Path) -> None:
        arrays = (
            "8700G,EP 4x4,Digits,XINT8,latency,5.1,\n"  # not the best of that
            "8700G,EP 4x4 again,Digits,XINT8,latency,5.0,\n"
            "8700G,EP 1x4,Digits,XINT8,latency,1.0,\n"  # neither the whole overlay
            "8700G,EP 4x4,Digits,XINT8,node,1.0,\n"  # nor the whole latency
            "Phoenix,EP 4x4,Digits,XINT8,latency,1.0,\n"
            "STX,EP 4x4,Digits,XINT8,latency,1.0,\n"
            "8700G,EP 4x4,letters,BF16,latency,1.0,\n"
        )
        rows = ("1.4.1 digits_XINT8 5.05", "1.5.0 digits_XINT8 4.95", "1.5.0 letters_XINT8 5.05")
        result = self.releases(tmp_path, models, *rows, arrays=arrays)
        assert [row.measured for row in result.residuals] == [4.95, 5.05]
        (skip,) = result.skipped
        assert skip.reason == (
            "5.05 ms, but the older 8700G Digits, EP 4x4 again takes 5 ms: part of the model ran on the CPU"
        )

    def test_without_rows_of_the_older_array_the_packaged_ones_count(self, tmp_path: Path, models: Path) -> None:
        shutil.copy(models / "digits_xint8.onnx", models / "resnet50_xint8.onnx")
        row = "1.4.1 resnet50_XINT8 5.5"
        (skip,) = self.releases(tmp_path, models, row).skipped
        assert "5.5 ms, but the older 8700G ResNet50, VitisAI EP 4x4 takes 5.265 ms" in skip.reason
        own = "8700G,EP 4x4,ResNet50,XINT8,latency,5.6,\n"
        assert self.releases(tmp_path, models, row, arrays=own).skipped == []
        assert self.releases(tmp_path, models, row, arrays="").skipped == [], "a table of the directory, if empty"

    def test_a_table_beside_it_that_cannot_be_read(self, tmp_path: Path, models: Path) -> None:
        (tmp_path / "cnn_end_to_end.csv").write_text("platform\n8700G\n", encoding="utf-8")
        result = self.releases(tmp_path, models, "1.4.1 digits_XINT8 1")
        assert "cnn_end_to_end.csv:1: column 'stack' is missing" in result.errors[0]

    def test_the_best_of_several_settings(self, tmp_path: Path, models: Path) -> None:
        arrays = (
            "STX,first,Digits,INT8,latency,5.74,\n"
            "STX,second,digits,XINT8,latency,3.29,\n"
            "STX,EP 1x4,digits,XINT8,latency,8,\n"
            "STX,third,Digits,XINT8,node,4,\n"
            "Phoenix,first,Digits,XINT8,latency,9,\n"
        )
        (tmp_path / "cnn_end_to_end.csv").write_text(self.ARRAYS + arrays, encoding="utf-8")
        (result,) = validate(tmp_path, setting=Setting(models=models)).tables
        assert [row.measured for row in result.residuals] == [3.29, 8, 4, 9]
        (skip,) = result.skipped
        assert (skip.label, skip.reason) == (
            "STX Digits, first",
            "a slower release or setting: the best is STX digits, second",
        )

    def test_every_packaged_network_is_predicted_or_measured_otherwise(self) -> None:
        arrays, releases = validate(tables=["cnn_end_to_end", "ryzenai_sw_onnx_benchmark"]).tables
        assert len(arrays.residuals) == 7
        assert [row.label.split("_XINT8")[0] for row in releases.residuals] == [
            "efficientnet_b0",
            "efficientnet_b2",
            "resnet50",
            "resnet18",
        ]
        reasons = ("a slower release", "a throughput", "the name does not tell", "part of the model ran on the CPU")
        for skip in (*arrays.skipped, *releases.skipped):
            assert any(reason in skip.reason for reason in reasons), skip


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
