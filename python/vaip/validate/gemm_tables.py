"""Tables of matrix and matrix-vector products on the array."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from vaip.validate.cells import Line, column_like
from vaip.validate.fields import Formats, array_of, device_of, format_of, formats_of, numbers_of, pair_of
from vaip.validate.queries import Elements, Gemm
from vaip.validate.rows import Entry, collect, row, skipped

LAYOUTS = {"row": "row", "col": "column", "column": "column"}
BUFFERS = {"dbl": 2, "double": 2, "2": 2, "sgl": 1, "single": 1, "1": 1}
BF16 = Formats("bf16", "bf16", "bf16")


def _sizes(line: Line) -> tuple[int, int, int]:
    return line.integer("M"), line.integer("K"), line.integer("N")


def _shape(M: int, K: int, N: int) -> str:  # noqa: N803
    return f"{M}x{K}x{N}"


def _tile(tile: tuple[int, ...] | None) -> str:
    return "/".join(map(str, tile)) if tile else ""


def _three(values: tuple[int, ...]) -> tuple[int, int, int]:
    m, k, n = values
    return m, k, n


# TAKA section 5: elements of K that L2 stages (k_mt), by generation and operand and result formats; B is column-major.
TAKA_L2_DEPTH = {
    ("XDNA", "i8-i8"): 448,
    ("XDNA", "i8-i16"): 448,
    ("XDNA", "i8-i32"): 352,
    ("XDNA", "bf16-bf16"): 224,
    ("XDNA2", "i8-i8"): 432,
    ("XDNA2", "i8-i16"): 432,
    ("XDNA2", "i8-i32"): 384,
    ("XDNA2", "bf16-bf16"): 384,
}


def taka_whole_array(lines: Sequence[Line]) -> list[Entry]:
    def read(line: Line) -> Iterator[Entry]:
        M, K, N = _sizes(line)  # noqa: N806
        tile = (line.integer("m_ct"), line.integer("k_ct"), line.integer("n_ct"))
        precision = re.sub(r"\(.*\)", "", line.text("prec")).strip()
        query = Gemm(
            device=device_of(line, "gen"),
            stack="taka",
            M=M,
            K=K,
            N=N,
            formats=formats_of(line, "prec"),
            tile=tile,
            l2_depth=TAKA_L2_DEPTH.get((line.text("gen"), precision)),
            b_layout="column",
        )
        label = f"{line.text('gen')} {line.text('prec')} {_shape(M, K, N)} tile {_tile(tile)}"
        yield row(line, label, line.measured("actual_TOPS"), "TOPS", query, query.macs)

    return collect(lines, read)


def gemm_8700g(lines: Sequence[Line]) -> list[Entry]:
    """Three tables of one design; a column that one of them lacks says the same in all rows of another."""

    def read(line: Line) -> Iterator[Entry]:
        M, K, N = _sizes(line)  # noqa: N806
        given = line.cells.keys()
        tile = (
            _three(numbers_of(line, "m/k/n", 3))
            if "m/k/n" in given
            else (
                line.integer("m"),
                line.integer("k") if "k" in given else 64,
                line.integer("n") if "n" in given else 32,
            )
        )
        buffers = next((column for column in given if column.startswith("C_buf")), None)
        base = Gemm(
            device=device_of(line, "platform") if "platform" in given else "ryzen_8700g",
            stack="iron",
            M=M,
            K=K,
            N=N,
            formats=BF16,
            rows=line.integer("rows") if "rows" in given else None,
            columns=line.integer("cols") if "cols" in given else None,
            tile=tile,
            c_buffers=line.choice(buffers, BUFFERS) if buffers else 2,
            b_layout=line.choice("B_layout", LAYOUTS) if "B_layout" in given else "row",
            host_call=False,
            clock_ghz=line.number("clk_GHz") if "clk_GHz" in given else None,
        )
        design = f"{_shape(M, K, N)} tile {_tile(tile)}"
        if buffers:
            design += f" C {line.text(buffers)} B {line.text('B_layout')}"
        for column, unit, formats in _measured_8700g(line):
            query = replace(base, formats=formats)
            yield row(line, f"{formats.a}-{formats.out} {design}", line.measured(column), unit, query, query.macs)

    return collect(lines, read)


def _measured_8700g(line: Line) -> Iterator[tuple[str, str, Formats]]:
    """Columns with unit and formats: one column for the formats of "dtype", or columns such as i16_i32_GOPS."""
    if "dtype" in line.cells:
        column, unit = ("avg_us", "us") if "avg_us" in line.cells else ("GFLOPS", "GFLOPS")
        yield column, unit, formats_of(line, "dtype")
        return
    for column in line.cells:
        named = re.fullmatch(r"(?!derived)(\w+)_(\w+)_(GOPS|GFLOPS)", column)
        if named and line.optional(column):
            operand = format_of(line, column, named[1])
            yield column, named[3], Formats(operand, operand, format_of(line, column, named[2]))


# How mlir-air's registry makes C, as variants of its stack.
AIR_METHODS: dict[str, str] = {
    "external": "air:external",  # hand-written kernel, f32 result
    "direct": "air:direct",  # generated kernel, f32 result
    "fused-cast": "air:fused_cast",  # f32 product, then a program that casts it
    "drain": "air:drain",  # f32 sums in the core, cast as C leaves it
    "direct low-precision": "air:low_precision",  # bf16 sums
}
# A shim descriptor steps over at most this many 32-bit words: 256 rows of a bf16 B of up to 8192 columns.
SHIM_STEP_WORDS = 1 << 20
USUAL_L2_DEPTH = 256
_HERD = re.compile(r"\(\s*herd\s*(?P<herd>[^)]*?)\s*\)")


def mlir_air(lines: Sequence[Line]) -> list[Entry]:
    """A tile is m/kl2/kl1/n, a herd is columns x rows."""
    tile_column = column_like(lines, "tile(")

    def read(line: Line) -> Iterator[Entry]:
        M, K, N = _sizes(line)  # noqa: N806
        text = line.text(tile_column)
        label = f"{line.text('C_dtype')} {line.text('method')} {_shape(M, K, N)} tile {text}"
        if line.text("method") not in AIR_METHODS:
            yield skipped(line, label, f"a method that is not known; known: {', '.join(AIR_METHODS)}")
            return
        out = format_of(line, "C_dtype", line.text("C_dtype"))
        herd = _HERD.search(text)
        columns, rows = pair_of(line, tile_column, herd["herd"]) if herd else (8, 4)
        m, l2_depth, k, n = numbers_of(line, tile_column, 4, _HERD.sub("", text).strip())
        if line.text("method") == "fused-cast" and USUAL_L2_DEPTH * N // 2 > SHIM_STEP_WORDS:
            yield skipped(
                line,
                label,
                f"rows of B with {N} columns are too far apart for one shim descriptor per {USUAL_L2_DEPTH} of them: "
                "the design stages fewer, how it feeds them is not published; it takes 1.3 to 1.5 times the prediction",
            )
            return
        query = Gemm(
            device="strix",
            stack=AIR_METHODS[line.text("method")],
            M=M,
            K=K,
            N=N,
            formats=Formats("bf16", "bf16", out),
            rows=rows,
            columns=columns,
            tile=(m, k, n),
            l2_depth=l2_depth,
        )
        yield row(line, label, line.measured("GFLOPS"), "GFLOPS", query, query.macs)

    return collect(lines, read)


def gemv_mlir_air(lines: Sequence[Line]) -> list[Entry]:
    """Each column of the array works on rows of the matrix; the result is a vector."""
    herd_column = column_like(lines, "herd_m")

    def read(line: Line) -> Iterator[Entry]:
        M, K = line.integer("M"), line.integer("K")  # noqa: N806
        herd, _, _ = numbers_of(line, herd_column, 3)
        query = Elements(
            device="strix", stack="air", op="matvec", elements=M * K, row=K, formats=BF16, rows=1, columns=herd
        )
        yield row(line, f"{M}x{K} {line.text(herd_column)}", line.measured("us"), "us", query)

    return collect(lines, read)


# iree-amd-aie's compilers of the core's code, as variants of its stack; "4-level" is how it tiles.
IREE_COMPILERS = [("chess", "chess"), ("peano o2", "peano_o2"), ("peano o3", "peano_o3"), ("peano", "peano_o3")]


def _iree_stack(config: str) -> str:
    compiler = next((variant for text, variant in IREE_COMPILERS if text in config), "")
    if "4-level" in config:
        return f"iree:{'chess' if compiler == 'chess' else 'peano'}_4level"
    return f"iree:{compiler}" if compiler else "iree"


def iree_ci(lines: Sequence[Line]) -> list[Entry]:
    def read(line: Line) -> Iterator[Entry]:
        M, K, N = _sizes(line)  # noqa: N806
        config = line.text("config")
        lower = config.lower()
        part = "all"
        repeat = re.search(r"callrepl_(\d+)", lower)
        if repeat:
            part = "movement" if int(repeat[1]) == 0 else "compute"
        query = Gemm(
            device=device_of(line, "platform"),
            stack=_iree_stack(lower),
            M=M,
            K=K,
            N=N,
            formats=formats_of(line, "dtype"),
            rows=line.integer("rows"),
            columns=line.integer("cols"),
            b_layout="column" if "transpose_b" in lower else "row",
            part=part,
        )
        label = f"{line.text('platform')} {line.text('dtype')} {_shape(M, K, N)} {config}"
        yield row(line, label, line.measured("us"), "us", query)

    return collect(lines, read)


def iron_ci(lines: Sequence[Line]) -> list[Entry]:
    """The shared runners are noisy: the minimum where the table has it, else the mean."""
    columns_column = column_like(lines, "cols")

    def read(line: Line) -> Iterator[Entry]:
        M, K, N = _sizes(line)  # noqa: N806
        columns = line.integer(columns_column)
        tile = _three(numbers_of(line, "m/k/n", 3))
        parts = line.integer("partition_N")
        if N % parts:
            line.fail("partition_N", f"{N} columns of C do not make {parts} equal parts")
        query = Gemm(
            device=device_of(line, "platform"),
            stack="iron:ci" if parts == 1 else "iron:ci_partitioned",
            M=M,
            K=K,
            N=N // parts,
            formats=formats_of(line, "dtype"),
            rows=4,
            columns=columns,
            tile=tile,
            b_layout="column" if line.flag("b_col_maj") else "row",
            c_layout="column" if line.flag("c_col_maj") else "row",
            repeats=parts,
        )
        chosen = "min_us" if line.optional("min_us") else "mean_us"
        label = (
            f"{line.text('platform')} {line.optional('date')} {line.text('dtype')} {_shape(M, K, N)} "
            f"{columns} columns tile {_tile(tile)} {chosen.removesuffix('_us')}"
        )
        yield row(line, label, line.measured(chosen), "us", query)

    return collect(lines, read)


def _flm(base: Gemm, tile_n: int = 64) -> Gemm:
    """flm.GEMM is m64 k512 n64: k is the depth that the memory tiles hold, and B is packed ahead of time."""
    return replace(base, stack="iron:flm", tile=(64, 64, tile_n), l2_depth=512, b_layout="column")


def iron_flm_npu1(lines: Sequence[Line]) -> list[Entry]:
    flm_column, iron_column = column_like(lines, "flm_GEMM_us"), column_like(lines, "iron_GEMM_us")

    def read(line: Line) -> Iterator[Entry]:
        M, K, N = _sizes(line)  # noqa: N806
        base = Gemm(device=device_of(line, "gen"), stack="iron:operators", M=M, K=K, N=N, formats=BF16, columns=4)
        if line.optional(flm_column):
            yield row(line, f"flm.GEMM {_shape(M, K, N)}", line.measured(flm_column), "us", _flm(base))
        if line.optional(iron_column):
            query = replace(base, tile=(64, 64, 64))
            yield row(line, f"iron.GEMM {_shape(M, K, N)}", line.measured(iron_column), "us", query)

    return collect(lines, read)


def iron_flm_npu2(lines: Sequence[Line]) -> list[Entry]:
    def read(line: Line) -> Iterator[Entry]:
        M, K, N = _sizes(line)  # noqa: N806
        implementation = line.text("impl")
        b_format = re.search(r"\((\w+) B\)", implementation)
        formats = Formats("bf16", format_of(line, "impl", b_format[1]) if b_format else "bf16", "bf16")
        base = Gemm(device="strix", stack="iron:operators", M=M, K=K, N=N, formats=formats, columns=8)
        if implementation.startswith("iron."):
            emulated = "emulated" in implementation
            query = replace(base, stack="iron:bfp16" if emulated else base.stack, tile=(64, 64, 64))
        else:
            tile_n = re.search(r"tile_n=(\d+)", implementation)
            query = _flm(base, int(tile_n[1])) if tile_n else _flm(base)
            if "shipped" in implementation:  # B is read again for each row of blocks
                query = replace(query, stack="iron:flm_shipped")
        yield row(line, f"{implementation} {_shape(M, K, N)}", line.measured("us"), "us", query)

    return collect(lines, read)


def misc(lines: Sequence[Line]) -> list[Entry]:
    """Single figures of many sources; a cell of "8x4" is columns x rows."""

    def read(line: Line) -> Iterator[Entry]:
        M, K, N = _sizes(line)  # noqa: N806
        dtype = line.text("dtype")
        label = f"{line.text('source')}, {line.text('platform')}: {dtype} {_shape(M, K, N)} {line.optional('m/k/n')}"
        device = device_of(line, "platform")
        measured = line.measured("TOPS")
        if dtype.startswith("default"):
            yield skipped(line, label, "the number formats are not given, only that they were a program's default")
            return
        rows, columns = array_of(line, "array")
        formats = formats_of(line, "dtype")
        source = line.text("source")
        query = Gemm(
            device=device,
            stack="iree" if source.startswith("iree") else "iron:bfp16" if "via bfp16" in dtype else "iron",
            M=M,
            K=K,
            N=N,
            formats=formats,
            rows=rows,
            columns=columns,
            tile=_three(numbers_of(line, "m/k/n", 3)) if line.optional("m/k/n") else None,
            c_buffers=1 if "ATB" in source else None,  # asymmetric tile buffering: A and B twice, C once
        )
        yield row(line, label, measured, "TOPS", query, query.macs)

    return collect(lines, read)
