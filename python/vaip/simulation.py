"""Predictions: of a model, of one matrix multiplication, and of the sessions that are alive."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vaip import _core
from vaip._core import Error
from vaip.description import Device
from vaip.inputs import make_inputs
from vaip.overrides import flatten, json_texts, split
from vaip.registration import get_library_path
from vaip.report import Report, Timing
from vaip.sessions import NpuSession

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from vaip.sessions import Model


def simulate(
    model: Model,
    inputs: Mapping[str, NDArray[Any]] | None = None,
    *,
    device: str | Device | None = "strix",
    config: str | os.PathLike[str] | None = None,
    options: Mapping[str, Any] | None = None,
) -> Report:
    """Runs the model once on the simulated device and returns what it would take there.

    `inputs` that are not given are random; dynamic dimensions are 1 unless a given input fixes them. With `device=None`
    the configuration chooses.
    """
    session = NpuSession(model, device=device, config=config, options=options)
    session.onnxruntime.run(None, make_inputs(session.onnxruntime, inputs))
    return session.report()


def reports() -> list[Report]:
    """The reports of the VitisAIEP sessions that are alive in this process, newest last."""
    library = get_library_path()
    texts = (_core.session_report(library, session) for session in _core.session_ids(library))
    return [Report.from_dict(json.loads(text)) for text in texts if text]


def estimate_gemm(
    M: int,  # noqa: N803
    K: int,  # noqa: N803
    N: int,  # noqa: N803
    *,
    a: str = "int8",
    b: str = "int8",
    out: str = "int8",
    device: str | Device = "strix",
    rows: int | None = None,
    cols: int | None = None,
    tile: Sequence[int] | None = None,
    c_buffers: int | None = None,
    b_layout: str = "row",
    stack: str = "vitisai",
    overrides: Mapping[str, Any] | None = None,
    batch: int = 1,
    partial_sums: str | None = None,
    l2_depth: int | None = None,
    c_layout: str = "row",
    kernel: str = "",
    host_call: bool = True,
    mode: str = "steady",
) -> Timing:
    """Predicted time of one matrix multiplication, M x K by K x N; `batch` of them are independent.

    `rows` and `cols` use a part of the array. What the compiler would choose is fixed by `tile` (m, k, n of the
    kernel), `l2_depth` (elements of K that the memory tiles stage) and `c_buffers` (1 or 2). `a`, `b`, `out` and
    `partial_sums` (between two steps over K) are number formats: int4, int8, int16, int32, bf16, bfp16, f32.
    `b_layout` and `c_layout` are how B and C lie in DRAM, "row" or "column". `kernel` names a variant of the stack's
    kernel. Without `host_call` the time starts at the launch. `overrides` are what-if values of the device's fields and
    of the stack's, {"dram.read_gbps": 30, "stack.dispatch.layer_us": 10}. `mode` is "steady" (extrapolated from the
    steady state) or "event" (played descriptor by descriptor, lock by lock). Raises vaip.Error for what does not fit or
    exist.
    """
    if tile is not None and len(tile) != 3:
        raise Error(f"tile must be (m, k, n), got {tuple(tile)}")
    of_device, of_stack = split(flatten(overrides or {}))
    described = _description(device)
    if of_device:
        described = _core.override_device(described, "device", json_texts(of_device))
    text = _core.estimate_gemm(
        (M, K, N),
        (a, b, out),
        described,
        stack,
        batch,
        partial_sums,
        rows,
        cols,
        tile,
        l2_depth,
        c_buffers,
        b_layout,
        c_layout,
        kernel,
        host_call,
        json_texts(of_stack),
        mode,
    )
    return Timing.from_dict(json.loads(text))


def estimate_kernel(
    m: int,
    k: int = 1,
    n: int = 1,
    *,
    kind: str = "matmul",
    op: str = "",
    a: str = "int8",
    b: str = "int8",
    out: str = "int8",
    device: str | Device = "strix",
    stack: str = "vitisai",
    kernel: str = "",
    accumulates: bool = True,
    c_shares_a_bank: bool = False,
) -> float:
    """Cycles of one kernel call on one core with all operands in its own memory.

    `kind` is "matmul" (m x k by k x n), "convolution" (m positions, k = window x channels, n output channels) or
    "element" (m elements of `op`, see estimate_elements). A kernel that `accumulates` reads and writes C. Raises
    vaip.Error for formats that the device does not multiply and for what the kernel model does not tell.
    """
    return _core.estimate_kernel(
        kind, (m, k, n), (a, b, out), _description(device), stack, op, kernel, accumulates, c_shares_a_bank
    )


def estimate_elements(
    op: str,
    elements: int,
    *,
    row: int = 0,
    a: str = "bf16",
    b: str = "bf16",
    out: str = "bf16",
    device: str | Device = "strix",
    rows: int | None = None,
    cols: int | None = None,
    tile: int | None = None,
    stack: str = "vitisai",
    host_call: bool = True,
    mode: str = "steady",
) -> Timing:
    """Predicted time of an element-wise operator, a normalisation or a copy on `elements` elements (of the result).

    `op` is one of add, mul, relu, gelu, silu, silu_mul, rope, rmsnorm, layernorm, groupnorm, softmax, cast, memcpy, ...
    (an unknown one is an error that lists them). `row` elements belong together in a normalisation; 0: all. `tile` is
    the number of elements per kernel call; formats, array, `host_call` and `mode` are as in estimate_gemm().
    """
    text = _core.estimate_elements(
        op, elements, row, (a, b, out), _description(device), stack, rows, cols, tile, host_call, mode
    )
    return Timing.from_dict(json.loads(text))


@dataclass(frozen=True)
class Convolution:
    """A convolution of one image; `height` and `width` are of its output, `window` is the side of its kernel."""

    height: int
    width: int
    in_channels: int
    out_channels: int
    window: int = 1
    stride: int = 1
    depthwise: bool = False
    rows: int | None = None  # of the array; None: what the stack uses
    cols: int | None = None
    kernel: str = ""  # a variant of the stack's kernel


def estimate_conv(
    *stages: Convolution,
    a: str = "int8",
    b: str = "int8",
    out: str = "int8",
    device: str | Device = "strix",
    stack: str = "vitisai",
    host_call: bool = True,
    mode: str = "steady",
) -> Timing:
    """Predicted time of a convolution, or of several as a depth-first pipeline.

    In a pipeline each stage has cores of its own (`rows` x `cols`), all work at the same time, row after row of the
    image, and only the first reads from DRAM and only the last writes to it. Formats, `mode` and errors as
    estimate_gemm().
    """
    described = [
        (
            (s.height, s.width),
            (s.in_channels, s.out_channels),
            s.window,
            s.stride,
            s.depthwise,
            s.rows,
            s.cols,
            s.kernel,
        )
        for s in stages
    ]
    text = _core.estimate_conv(described, (a, b, out), _description(device), stack, host_call, mode)
    return Timing.from_dict(json.loads(text))


def estimate_attention(
    queries: int,
    keys: int,
    head_dim: int,
    *,
    query_heads: int = 1,
    kv_heads: int = 1,
    dtype: str = "bf16",
    device: str | Device = "strix",
    rows: int | None = None,
    cols: int | None = None,
    stack: str = "vitisai",
    host_call: bool = True,
    mode: str = "steady",
) -> Timing:
    """Predicted time of softmax(Q K^T) V with the scores kept in the array; a mask does not shorten it.

    `mode` as in estimate_gemm().
    """
    text = _core.estimate_attention(
        (queries, keys, head_dim),
        (query_heads, kv_heads),
        dtype,
        _description(device),
        stack,
        rows,
        cols,
        host_call,
        mode,
    )
    return Timing.from_dict(json.loads(text))


def _description(device: str | Device) -> str:
    return device.to_json() if isinstance(device, Device) else _core.device_json(device)
