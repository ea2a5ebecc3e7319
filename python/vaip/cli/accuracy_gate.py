"""How `vaip quantize --eval` and `vaip qat` show what they tried, and how they end."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rich import box
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from vaip.cli.common import Output
from vaip.quantize.errors import QuantizeError
from vaip.quantize.evaluation import Evaluation
from vaip.quantize.gate import Attempt, GateResult

COLUMNS = ("score", "drop", "SQNR", "top-1 agreement", "on the NPU", "latency", "size", "time")


def show_gate(output: Output, result: GateResult, model: Path) -> None:
    shown: list[RenderableType] = [_table(result)]
    if result.passed:
        shown.append(Text(f"{result.path}: {result.kept.method}", style="bold"))
    else:
        shown.append(Text(f"{result.path}: {result.kept.method}, the best of what was tried", style="bold"))
        shown.append(Text(f"Next: quantization-aware training. {qat_command(result, model)}", style="yellow"))
    shown += needed_options(result.provider_options)
    output.result(result.to_dict() | {"qat_command": qat_command(result, model)}, Group(*shown))
    if not result.passed:
        raise QuantizeError(
            f"no method keeps the score within {result.max_drop:g} of {result.float_score:.2f}; the best, "
            f"{result.kept.method}, loses {result.kept.drop:.2f}"
        )


def needed_options(options: Mapping[str, str]) -> list[RenderableType]:
    """How a session has to be made so that the layers which were left float run on the NPU, too."""
    return [
        Text(f"Its float layers run on the NPU, in bfloat16, with the session option {key}={value}", style="yellow")
        for key, value in options.items()
    ]


def qat_command(result: GateResult, model: Path) -> str:
    return (
        f"vaip qat {model} --module MODULE:FACTORY --train MODULE:FUNCTION --calib DATA --eval MODULE:FUNCTION "
        f"-o {result.path}"
    )


def evaluation_row(evaluation: Evaluation, drop: float | None) -> list[str]:
    """All of COLUMNS but the time."""
    agreement = evaluation.agreement
    return [
        _number(evaluation.score, "{:.2f}"),
        _number(drop, "{:.2f}"),
        _number(agreement.sqnr_db, "{:.1f} dB"),
        _number(agreement.top1_percent, "{:.1f} %"),
        f"{evaluation.claimed_percent:.1f} %",
        f"{evaluation.latency_us / 1e3:.3f} ms",
        f"{evaluation.size_bytes / 1e6:.3f} MB",
    ]


def empty_table(title: str) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("method")
    for column in COLUMNS:
        table.add_column(column, justify="right")
    return table


def float_row(score: float | None, size_bytes: int) -> list[str]:
    return ["FP32 on the CPU", _number(score, "{:.2f}"), *[""] * 5, f"{size_bytes / 1e6:.3f} MB", ""]


def _table(result: GateResult) -> Table:
    table = empty_table(f"At most {result.max_drop:g} of the score may be lost")
    table.add_row(*float_row(result.float_score, result.float_size_bytes))
    for attempt in result.attempts:
        style = "green" if attempt is result.kept and attempt.passed else None
        table.add_row(*_row(attempt), style=style)
    return table


def _row(attempt: Attempt) -> list[str]:
    if attempt.evaluation is None:
        return [
            f"{escape(attempt.method)}: failed, {escape(attempt.error or '')}",
            *[""] * 7,
            f"{attempt.seconds:.1f} s",
        ]
    return [escape(attempt.method), *evaluation_row(attempt.evaluation, attempt.drop), f"{attempt.seconds:.1f} s"]


def _number(value: float | None, form: str) -> str:
    return "" if value is None else form.format(value)
