"""Tables of element-wise operators, normalisations, attention."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from vaip import _core
from vaip.validate.cells import Line, TableError
from vaip.validate.fields import numbers_of, pair_of
from vaip.validate.queries import Attention, Elements
from vaip.validate.rows import Entry, Skipped, collect, row, skipped

# Names of operators in the tables, without a leading "eltwise_" and what follows the name of the core's operator.
_SYNONYMS = {"swiglu": "silu_mul", "geglu": "gelu_mul", "rms_norm": "rmsnorm", "layer_norm": "layernorm"}
ROW_WISE = ("rmsnorm", "layernorm", "groupnorm", "softmax", "rope")
COLUMNS = 8  # of Strix


def operator_of(text: str) -> str | None:
    """ "eltwise_add", "gelu_tanh", "rmsnorm_weighted", "rope_halfsplit": the longest name of the core's that fits."""
    name = text.strip().lower().removeprefix("eltwise_").removeprefix("weighted_")
    for synonym, operator in _SYNONYMS.items():
        name = re.sub(rf"^{synonym}(?=_|$)", operator, name)
    fitting = [each for each in _core.element_op_names() if name == each or name.startswith(f"{each}_")]
    return max(fitting, key=len, default=None)


def _unknown(line: Line, text: str) -> Skipped:
    return skipped(line, text, f"an operator that the core does not know; known: {', '.join(_core.element_op_names())}")


def _row_length(line: Line, column: str, operator: str, shape: str) -> int:
    if not shape:
        if operator in ROW_WISE:
            line.fail(column, f"is empty; {operator} needs its rows x columns")
        return 0
    return pair_of(line, column, shape)[1]


def eltwise_mlir_air(lines: Sequence[Line]) -> list[Entry]:
    """config is columns/rows/tile, or a herd of columns x rows."""

    def read(line: Line) -> Iterator[Entry]:
        operator = operator_of(line.text("op"))
        if operator is None:
            yield _unknown(line, line.text("op"))
            return
        elements = line.integer("elements")
        config = line.text("config")
        tile = None
        if config.startswith("herd"):
            columns, rows = pair_of(line, "config", config.removeprefix("herd"))
        else:
            counts = config.count("/") + 1
            columns, rows, *tiles = numbers_of(line, "config", max(2, min(counts, 3)))
            tile = tiles[0] if tiles else None
        query = Elements(
            device="strix",
            stack="air",
            op=operator,
            elements=elements,
            row=_row_length(line, "shape", operator, line.optional("shape")),
            rows=rows,
            columns=columns,
            tile=tile,
        )
        label = " ".join(filter(None, (line.text("op"), str(elements), line.optional("shape"), config)))
        yield row(line, label, line.measured("us"), "us", query)

    return collect(lines, read)


def eltwise_scaling_mlir_air(lines: Sequence[Line]) -> list[Entry]:
    """Tiles are taken one per column, then a second row of them."""

    def read(line: Line) -> Iterator[Entry]:
        name, _, shape = line.text("op").partition(" ")
        operator = operator_of(name)
        if operator is None:
            yield _unknown(line, line.text("op"))
            return
        elements, tiles = line.integer("elements"), line.integer("tiles")
        rows = -(-tiles // COLUMNS)
        if tiles % rows:
            line.fail("tiles", f"{tiles} tiles do not make {rows} equal rows")
        query = Elements(
            device="strix",
            stack="air",
            op=operator,
            elements=elements,
            row=_row_length(line, "op", operator, shape),
            rows=rows,
            columns=tiles // rows,
        )
        label = f"{line.text('op')} {elements} on {tiles} tile{'s' if tiles > 1 else ''}"
        yield row(line, label, line.measured("us"), "us", query)

    return collect(lines, read)


def eltwise_8700g(lines: Sequence[Line]) -> list[Entry]:
    """One column per length, four columns of the array."""
    lengths = {}
    for column in lines[0].cells if lines else ():
        text = column.removeprefix("L=")
        if column != "op" and not column.startswith("derived"):
            if not text.isdecimal():
                raise TableError(f"{lines[0].file}:1: column '{column}': is not a number of elements")
            lengths[column] = int(text)

    def read(line: Line) -> Iterator[Entry]:
        operator = operator_of(line.text("op"))
        if operator is None:
            yield _unknown(line, line.text("op"))
            return
        for column, elements in lengths.items():
            if not line.optional(column):
                continue
            query = Elements(
                device="ryzen_8700g", stack="iron", op=operator, elements=elements, columns=4, host_call=False
            )
            yield row(line, f"{line.text('op')} {elements}", line.measured(column), "us", query)

    return collect(lines, read)


def groupnorm_8700g(lines: Sequence[Line]) -> list[Entry]:
    """The first column's name says operator and groups, its cells the elements of a group; the mean of two times."""
    column = next(iter(lines[0].cells)) if lines else ""
    named = re.match(r"([a-z]+?)(\d+)_bf16_L_per_group$", column)
    operator = operator_of(named[1]) if named else None
    if lines and operator is None:
        raise TableError(f"{lines[0].file}:1: column '{column}': expected a name such as groupnorm32_bf16_L_per_group")

    def read(line: Line) -> Iterator[Entry]:
        assert named is not None
        assert operator is not None
        length = line.integer(column)
        groups = int(named[2])
        query = Elements(
            device="ryzen_8700g",
            stack="iron",
            op=operator,
            elements=groups * length,
            row=length,
            columns=4,
            host_call=False,
        )
        measured = (line.number("us_min") + line.number("us_max")) / 2
        yield row(line, f"{named[1]} {groups} groups of {length}", measured, "us", query)

    return collect(lines, read)


def attention_mlir_air(lines: Sequence[Line]) -> list[Entry]:
    def read(line: Line) -> Iterator[Entry]:
        line.choice("mask", {"causal": True, "full": True})  # no difference: masked scores are computed, too
        query = Attention(
            device="strix",
            stack="air",
            queries=line.integer("lq"),
            keys=line.integer("lk"),
            head_dim=line.integer("head_dim"),
            query_heads=line.integer("q_heads"),
            kv_heads=line.integer("kv_heads"),
        )
        label = (
            f"{query.queries}x{query.keys} head {query.head_dim}, {query.query_heads}/{query.kv_heads} heads, "
            f"{line.text('mask')}"
        )
        yield row(line, label, line.measured("ms"), "ms", query)

    return collect(lines, read)
