"""The tables that VAIP knows: file name, what it measures, the columns that it must have, who reads it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vaip.validate import element_tables, gemm_tables, kernel_tables, network_tables
from vaip.validate.cells import Line
from vaip.validate.rows import Entry


@dataclass(frozen=True)
class Comparison:
    """What the rows of another table say of a table's own: of its directory if there, else of the packaged one."""

    table: str
    revise: Callable[[Sequence[Entry], Sequence[Entry]], list[Entry]]  # own rows, those of the other table


@dataclass(frozen=True)
class Table:
    title: str
    columns: tuple[str, ...]
    read: Callable[[Sequence[Line]], list[Entry]]
    note: str = ""
    comparison: Comparison | None = None


def _columns(text: str) -> tuple[str, ...]:
    return tuple(text.split())


TABLES = {
    "taka_table1_single_core": Table(
        "TAKA, kernels on one core", _columns("gen prec m k n MAC_per_cycle"), kernel_tables.taka_single_core
    ),
    "taka_table2_3_whole_array": Table(
        "TAKA, GEMM on the whole array",
        _columns("gen prec m_ct k_ct n_ct M K N actual_TOPS"),
        gemm_tables.taka_whole_array,
    ),
    "singlecore_cycles_8700g": Table(
        "8700G, kernels on one core",
        _columns("platform kernel dtype m k n cycles_per_call"),
        kernel_tables.single_core_8700g,
    ),
    "xdna2_traced_kernel_4col": Table(
        "XDNA2, traced kernels", ("dtype", "tile m/k/n", "cycles_per_window"), kernel_tables.traced_xdna2
    ),
    "gemm_8700g_whole_array": Table(
        "8700G, GEMM on the whole array",
        _columns("platform clk_GHz dtype M K N rows cols m k n C_buffers B_layout avg_us"),
        gemm_tables.gemm_8700g,
    ),
    "gemm_8700g_tile_sweep": Table(
        "8700G, GEMM tile sweep", _columns("dtype M K N m/k/n C_buf B_layout GFLOPS"), gemm_tables.gemm_8700g
    ),
    "gemm_8700g_int16_same_sitting": Table(
        "8700G, GEMM formats side by side", _columns("M K N m"), gemm_tables.gemm_8700g
    ),
    "gemm_mlir_air_npu2": Table("mlir-air, GEMM", _columns("C_dtype method M K N GFLOPS"), gemm_tables.mlir_air),
    "gemv_mlir_air_npu2": Table("mlir-air, GEMV", _columns("M K us"), gemm_tables.gemv_mlir_air),
    "eltwise_norm_mlir_air_npu2": Table(
        "mlir-air, element-wise and norms",
        _columns("op elements shape config us"),
        element_tables.eltwise_mlir_air,
    ),
    "eltwise_scaling_mlir_air_npu2": Table(
        "mlir-air, scaling over tiles", _columns("op elements tiles us"), element_tables.eltwise_scaling_mlir_air
    ),
    "flashattention_mlir_air_npu2": Table(
        "mlir-air, attention",
        _columns("lq lk head_dim q_heads kv_heads mask ms"),
        element_tables.attention_mlir_air,
    ),
    "gemm_iree_ci": Table("IREE CI, GEMM", _columns("platform config dtype M K N rows cols us"), gemm_tables.iree_ci),
    "gemm_iron_ci": Table(
        "IRON CI, GEMM",
        _columns("platform dtype M K N b_col_maj c_col_maj m/k/n partition_N mean_us"),
        gemm_tables.iron_ci,
        "minima where the table has them, else means: the runners are noisy",
    ),
    "gemm_iron_flm_npu1": Table("IRON and FLM, GEMM on NPU1", _columns("gen M K N"), gemm_tables.iron_flm_npu1),
    "gemm_iron_flm_npu2": Table("IRON and FLM, GEMM on NPU2", _columns("impl M K N us"), gemm_tables.iron_flm_npu2),
    "gemm_misc": Table(
        "Other GEMM figures", _columns("source platform dtype M K N m/k/n array TOPS"), gemm_tables.misc
    ),
    "eltwise_8700g": Table("8700G, element-wise", ("op",), element_tables.eltwise_8700g),
    "eltwise_8700g_2": Table("8700G, group norm", _columns("us_min us_max"), element_tables.groupnorm_8700g),
    "conv": Table("Convolutions", _columns("platform kernel config us"), network_tables.conv),
    "cnn_end_to_end": Table(
        "Networks end to end",
        _columns("platform stack model precision metric value_ms"),
        network_tables.cnn_end_to_end,
        "the best of several releases and settings",
    ),
    "ryzenai_sw_onnx_benchmark": Table(
        "RyzenAI-SW benchmark",
        _columns("rai_release model_name device latency_ms"),
        network_tables.ryzenai_sw,
        "the best release of each model, none of which the CPU ran a part",
        Comparison("cnn_end_to_end", network_tables.ryzenai_sw_on_the_npu),
    ),
}
