"""vaip validate: reading tables, predicting rows, naming what cannot be read or predicted."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
import vaip
from vaip.validate import TABLES, packaged_tables, validate
from vaip.validate.queries import Setting
from validate_tables import GOOD_ROW, WHOLE_ARRAY, table

pytestmark = pytest.mark.usefixtures("no_models_in_the_cache")


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
