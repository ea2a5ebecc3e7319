"""What all commands share: their options, and where output goes."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.text import Text

import vaip
from vaip import _core
from vaip.inputs import Arrays, load_array
from vaip.overrides import Overrides, read_file, shown, to_json, value_of

WIDTH_WITHOUT_TERMINAL = 120


def known_device(name: str | None) -> str | None:
    if name is not None and not os.path.isfile(name):
        try:
            _core.device_json(name)
        except vaip.Error as error:
            raise typer.BadParameter(str(error)) from error
    return name


def _assignment(text: str) -> str:
    name, separator, value = text.partition("=")
    if not (name and separator and value):
        raise typer.BadParameter(f"'{text}' is not NAME=VALUE.")
    return text


def _assignments(texts: list[str]) -> list[str]:
    return [_assignment(text) for text in texts]


ModelArgument = Annotated[Path, typer.Argument(metavar="MODEL", exists=True, dir_okay=False, help="The ONNX model.")]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON object, and nothing else, on standard output.")
]
DeviceOption = Annotated[
    str | None,
    typer.Option(
        "--device",
        "-d",
        callback=known_device,
        show_default=False,
        help="A device's name (vaip devices) or the path of a device file. Default: the configuration's, or strix.",
    ),
]
ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", "-c", exists=True, dir_okay=False, help="A vaip_config.json.", show_default=False),
]
ThreadsOption = Annotated[int, typer.Option(min=0, help="Host threads; 0: one per core.")]
SeedOption = Annotated[int, typer.Option(help="Seed of the random inputs.")]
InputOption = Annotated[
    list[str],
    typer.Option("--input", "-i", metavar="NAME=FILE.npy", callback=_assignments, help="An input from a file."),
]
DimOption = Annotated[
    list[str],
    typer.Option("--dim", metavar="NAME=SIZE", callback=_assignments, help="Size of a dynamic dimension. Default: 1."),
]
ProviderOption = Annotated[
    list[str],
    typer.Option("--option", "-o", metavar="KEY=VALUE", callback=_assignments, help="A session option of VitisAIEP."),
]


SetOption = Annotated[
    list[str],
    typer.Option(
        "--set",
        metavar="FIELD=VALUE",
        callback=_assignments,
        help="What if: a field of the device (dram.read_gbps=30) or of the stack (stack.dispatch.layer_us=10).",
    ),
]
SetFileOption = Annotated[
    Path | None,
    typer.Option(
        "--set-file",
        exists=True,
        dir_okay=False,
        show_default=False,
        help="Such fields from a JSON file, nested or with dotted paths; --set is stronger.",
    ),
]


EvalOption = Annotated[
    str | None,
    typer.Option(
        "--eval",
        metavar="MODULE:FUNCTION",
        show_default=False,
        help="What counts: function(session) -> score, in percent, more is better.",
    ),
]


def options_from(texts: Sequence[str]) -> dict[str, str]:
    return dict(text.split("=", 1) for text in texts)


def overrides_from(assignments: Sequence[str], file: Path | None = None) -> Overrides:
    """What --set and --set-file say, by dotted path."""
    overrides = read_file(file) if file is not None else {}
    return overrides | {path: value_of(text) for path, text in options_from(assignments).items()}


def options_with(overrides: Mapping[str, Any], options: Mapping[str, str]) -> dict[str, str]:
    """Session options with the overrides among them."""
    if not overrides:
        return dict(options)
    if "overrides" in options:
        raise typer.BadParameter("--option overrides=... and --set exclude each other.", param_hint="'--option'")
    return {**options, "overrides": to_json(overrides)}


def dims_from(texts: Sequence[str]) -> dict[str, int]:
    dims = {}
    for name, value in options_from(texts).items():
        if not value.isdecimal() or int(value) < 1:
            raise typer.BadParameter(f"'{name}={value}': the size must be a positive integer.", param_hint="'--dim'")
        dims[name] = int(value)
    return dims


def inputs_from(texts: Sequence[str]) -> Arrays:
    return {name: load_array(path) for name, path in options_from(texts).items()}


def what_if(overrides: Mapping[str, Any]) -> list[RenderableType]:
    """The line that tells a what-if result from that of the device as described; none without overrides."""
    return [Text(f"What if: {shown(overrides)}", style="yellow")] if overrides else []


class Output:
    """Standard output for the result, standard error for progress where somebody watches."""

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json
        self._progress = Console(stderr=True)

    @contextmanager
    def working(self, message: str) -> Iterator[None]:
        """Shows `message` while the work goes on. Under --json, what native code prints goes to standard error."""
        with self._native_output_aside():
            if self._progress.is_terminal:
                with self._progress.status(message):
                    yield
            else:
                yield

    @contextmanager
    def progress(self) -> Iterator[Callable[[str, int, int], None]]:
        """As working(), with a bar: yields what to call with the current step's name, the steps done and all steps."""
        columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}", markup=False))
        hidden = not self._progress.is_terminal
        with (
            self._native_output_aside(),
            Progress(*columns, console=self._progress, transient=True, disable=hidden) as bar,
        ):
            task = bar.add_task("", total=None)
            yield lambda step, done, total: bar.update(task, description=step, completed=done, total=total)

    def result(self, values: dict[str, Any], shown: RenderableType) -> None:
        if self._as_json:
            print(json.dumps(values, indent=2))
        elif isinstance(shown, str):
            print(shown)
        else:
            console = Console()
            console.width = console.width if console.is_terminal else WIDTH_WITHOUT_TERMINAL
            console.print(shown)

    @contextmanager
    def _native_output_aside(self) -> Iterator[None]:
        if not self._as_json:
            yield
            return
        sys.stdout.flush()
        kept = os.dup(1)
        os.dup2(2, 1)
        try:
            yield
        finally:
            sys.stdout.flush()
            os.dup2(kept, 1)
            os.close(kept)
