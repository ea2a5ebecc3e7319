"""vaip sensitivity: which layers lose the accuracy, and what a higher precision of each would bring and cost."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from vaip._core import Error
from vaip.cli.calibration import (
    CALIB,
    BatchSizeOption,
    EqualizeOption,
    LimitOption,
    MethodOption,
    PreprocessOption,
    PresetOption,
    read_calibration,
)
from vaip.cli.common import ConfigOption, DeviceOption, EvalOption, JsonOption, ModelArgument, Output
from vaip.quantize import Recipe
from vaip.quantize.evaluation import load_score
from vaip.quantize.recipe import PRECISIONS
from vaip.quantize.sensitivity import WHAT_IF_LAYERS, Sensitivity, WhatIf, layer_sensitivity
from vaip.quantize.sensitivity_plot import draw
from vaip.quantize.target import Target
from vaip.sweep import plot

_LONGEST_NAME = 40


def add_to(app: typer.Typer) -> None:
    app.command(
        "sensitivity",
        epilog="Example: vaip sensitivity model.onnx --calib images.npz --eval mymodels:accuracy --plot layers.png",
    )(command)


def command(
    model: ModelArgument,
    calib: Annotated[str, CALIB],
    evaluation: EvalOption = None,
    preset: PresetOption = "XINT8",
    method: MethodOption = None,
    cle: EqualizeOption = False,
    layers: Annotated[
        int, typer.Option(min=0, help="What-ifs for so many of the most sensitive layers; 0: none.")
    ] = WHAT_IF_LAYERS,
    precisions: Annotated[str, typer.Option(metavar="TYPE,...", help="Precisions of the what-ifs.")] = ",".join(
        PRECISIONS
    ),
    preprocess: PreprocessOption = [],  # noqa: B006 (typer copies it)
    batch_size: BatchSizeOption = 1,
    limit: LimitOption = None,
    seed: Annotated[int, typer.Option(help="Of the choice of samples.")] = 0,
    plot_file: Annotated[
        Path | None, typer.Option("--plot", dir_okay=False, help="Draw the layers: .png, .svg, .pdf or .html.")
    ] = None,
    device: DeviceOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show which layers of a model suffer from quantization.

    SQNR is that of the outputs with this layer alone quantized, the least first. A what-if is the quantized model with
    this layer alone at 16 bit (activations) or bfloat16: what the score and the SQNR gain, what the device loses.
    """
    output = Output(as_json)
    chosen = tuple(name for name in precisions.split(",") if name)
    for name in chosen:
        if name not in PRECISIONS:
            raise typer.BadParameter(f"'{name}' is none of {', '.join(PRECISIONS)}.", param_hint="'--precisions'")
    if plot_file is not None:
        plot.check(plot_file)
        if not plot_file.parent.is_dir():  # before the work, not after it
            raise Error(f"{plot_file}: there is no directory {plot_file.parent}")
    with output.progress() as progress:
        progress("reading calibration data", 0, 0)
        data = read_calibration(calib, model, preprocess, batch_size=batch_size, limit=limit, seed=seed)
        result = layer_sensitivity(
            model,
            data,
            Recipe(preset, calibration=method, cross_layer_equalization=cle, seed=seed),
            score=load_score(evaluation, data.batches) if evaluation is not None else None,
            target=Target(device, config),
            precisions=chosen,
            what_if_layers=layers,
            progress=progress,
        )
    shown: list[RenderableType] = [_table(model, result, chosen)]
    if plot_file is not None:
        draw(plot_file, model.name, result)
        shown.append(Text(f"Plot: {plot_file}"))
    output.result(result.to_dict(), Group(*shown))


def _table(model: Path, result: Sensitivity, precisions: tuple[str, ...]) -> Table:
    base = result.quantized
    score = "" if base.score is None else f", score {base.score:.2f} of {result.float_score:.2f}"
    sqnr = "" if base.agreement.sqnr_db is None else f", SQNR {base.agreement.sqnr_db:.1f} dB"
    title = f"{model.name}, {result.recipe.describe()}: {base.latency_us:.1f} us{score}{sqnr}"
    table = Table(title=escape(title), title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("layer", no_wrap=True, min_width=min(_LONGEST_NAME, max(len(row.layer) for row in result.layers)))
    table.add_column("operator")
    table.add_column("SQNR alone", justify="right")
    for precision in precisions:
        if base.score is not None:
            table.add_column(f"{precision} score", justify="right")
        table.add_column(f"{precision} SQNR", justify="right")
        table.add_column(f"{precision} us", justify="right")
    for layer in result.layers:
        answers = {what_if.precision: what_if for what_if in layer.what_if}
        cells = [cell for name in precisions for cell in _cells(answers.get(name), base.score is not None)]
        own = "exact" if layer.sqnr_db is None else f"{layer.sqnr_db:.1f} dB"
        table.add_row(escape(layer.layer), layer.op, own, *cells)
    return table


def _cells(what_if: WhatIf | None, scored: bool) -> list[str]:
    if what_if is None:
        return [""] * (3 if scored else 2)
    score = ["" if what_if.score_gained is None else f"{what_if.score_gained:+.2f}"] if scored else []
    sqnr = "" if what_if.sqnr_gained_db is None else f"{what_if.sqnr_gained_db:+.1f} dB"
    return [*score, sqnr, f"{what_if.us_lost:+.2f}"]
