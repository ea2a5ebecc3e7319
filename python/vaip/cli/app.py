"""The commands put together, and how errors end."""

from __future__ import annotations

import sys
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.text import Text

import vaip
from vaip.cli import (
    bench,
    cmake_dir,
    demo,
    devices,
    import_model,
    partition,
    qat,
    quantize,
    run,
    sensitivity,
    sweep,
    validate,
)
from vaip.registration import import_onnxruntime

app = typer.Typer(
    name="vaip",
    help="Quantized ONNX models on a simulated AMD Ryzen AI NPU: exact results, predicted device time.",
    epilog="Example: vaip run model.onnx --device strix",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
commands = (
    demo, run, partition, import_model, quantize, sensitivity, qat, sweep, devices, bench, validate, cmake_dir
)  # fmt: skip
for module in commands:
    module.add_to(app)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"vaip {vaip.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show where an error came from (Python's traceback).")] = False,
) -> None:
    pass  # --version ends in its callback; main() looks for --debug itself


def main(arguments: list[str] | None = None) -> NoReturn:
    given = sys.argv[1:] if arguments is None else arguments
    import_onnxruntime().set_default_logger_severity(3)  # errors: of the rest, the reports tell more
    try:
        code: Any = app(given, prog_name="vaip", standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):
        _complain("interrupted")
        code = 130
    except Exception as error:
        if "--debug" in given:
            raise
        code = _report(error)
    sys.exit(code if isinstance(code, int) else 0)


def _report(error: Exception) -> int:
    """One line for what went wrong. The parser's own errors carry their exit code (2) and their wording."""
    code = getattr(error, "exit_code", None)
    if code is None:
        _complain(" ".join(str(error).split()) or type(error).__name__)
        return 1
    message = error.format_message()  # type: ignore[attr-defined]
    context = getattr(error, "ctx", None)
    if message:
        hint = f" (see '{context.command_path} --help')" if context is not None else ""
        _complain(f"{' '.join(message.split())}{hint}")
    return int(code)


def _complain(message: str) -> None:
    Console(stderr=True, soft_wrap=True).print(Text(f"error: {message}", style="red"))
