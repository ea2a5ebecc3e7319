"""Predictions: of a model, of one matrix multiplication, and of the sessions that are alive."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from vaip import _core
from vaip._core import Error
from vaip.description import Device
from vaip.inputs import make_inputs
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
    mode: str = "steady",
) -> Timing:
    """Predicted time of one matrix multiplication, M x K by K x N.

    `rows` and `cols` use a part of the array; `tile` (m, k, n of the kernel) and `c_buffers` fix what the compiler
    would choose; `b_layout` is how B lies in DRAM, "row" or "column". `mode` is "steady" (extrapolated) or "event"
    (played descriptor by descriptor and lock by lock).
    """
    if tile is not None and len(tile) != 3:
        raise Error(f"tile must be (m, k, n), got {tuple(tile)}")
    described = device.to_json() if isinstance(device, Device) else _core.device_json(device)
    text = _core.estimate_gemm((M, K, N), (a, b, out), described, stack, rows, cols, tile, c_buffers, b_layout, mode)
    return Timing.from_dict(json.loads(text))
