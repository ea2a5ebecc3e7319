"""Tables of single kernel calls on one core."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from vaip.validate.cells import Line
from vaip.validate.fields import Formats, device_of, format_of, formats_of, numbers_of
from vaip.validate.queries import Kernel
from vaip.validate.rows import Entry, collect, row

USUAL_KERNEL = "mm.cc"  # mlir-aie's, the iron stack's usual one
_RESULT = {"int8": "int32", "int16": "int32", "bf16": "f32"}  # of mm.cc where the label does not say


def taka_single_core(lines: Sequence[Line]) -> list[Entry]:
    def read(line: Line) -> Iterator[Entry]:
        m, k, n = line.integer("m"), line.integer("k"), line.integer("n")
        query = Kernel(device=device_of(line, "gen"), stack="taka", m=m, k=k, n=n, formats=formats_of(line, "prec"))
        label = f"{line.text('gen')} {line.text('prec')} {m}x{k}x{n}"
        yield row(line, label, line.measured("MAC_per_cycle"), "MAC/cycle", query, query.macs)

    return collect(lines, read)


def single_core_8700g(lines: Sequence[Line]) -> list[Entry]:
    """A label is a kernel's name, its formats, and remarks: "mm.cc i8-i32 (C in bank 0)"."""

    def read(line: Line) -> Iterator[Entry]:
        m, k, n = line.integer("m"), line.integer("k"), line.integer("n")
        label = line.text("kernel")
        name = label.split()[0]
        operand = format_of(line, "dtype", line.text("dtype"))
        result = re.search(r"\b\w+-(i\d+|bf16|f32)\b", label)
        out = format_of(line, "kernel", result[1]) if result else _RESULT.get(operand, operand)
        query = Kernel(
            device=device_of(line, "platform"),
            stack="iron",
            m=m,
            k=k,
            n=n,
            formats=Formats(operand, operand, out),
            kind="convolution" if name.startswith("conv") else "matmul",
            kernel="" if name == USUAL_KERNEL else re.sub(r"\W", "_", name.lower()),
            c_shares_a_bank=bool(re.search(r"\(C in bank", label)),
        )
        yield row(line, f"{label} {m}x{k}x{n}", line.measured("cycles_per_call"), "cycles", query)

    return collect(lines, read)


def traced_xdna2(lines: Sequence[Line]) -> list[Entry]:
    """Cycles of one kernel window in a trace of a running design of four columns."""

    def read(line: Line) -> Iterator[Entry]:
        m, k, n = numbers_of(line, "tile m/k/n", 3)
        query = Kernel(device="strix", stack="iron", m=m, k=k, n=n, formats=formats_of(line, "dtype"))
        label = f"{line.text('dtype')} {m}x{k}x{n}"
        yield row(line, label, line.measured("cycles_per_window"), "cycles", query)

    return collect(lines, read)
