"""vaip validate: published measurements against what the simulator predicts for them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import vaip
from vaip.cli.common import ConfigOption, DeviceOption, JsonOption, Output


def add_to(app: typer.Typer) -> None:
    app.command("validate", epilog="Example: vaip validate --table gemm_8700g_whole_array --rows")(validate)


def validate(
    directory: Annotated[
        Path | None,
        typer.Argument(
            metavar="[DIR]",
            exists=True,
            file_okay=False,
            show_default=False,
            help="Tables to predict, by their file names. Default: the calibration tables that come with VAIP.",
        ),
    ] = None,
    tables: Annotated[
        list[str], typer.Option("--table", "-t", metavar="NAME", help="Only this table (repeatable).")
    ] = [],  # noqa: B006
    rows: Annotated[bool, typer.Option("--rows", help="List every row: measured, predicted, error, bound.")] = False,
    plot: Annotated[
        Path | None,
        typer.Option(help="Write a scatter plot: .png, .svg or .html (pip install 'vaip[plot]').", show_default=False),
    ] = None,
    parameters: Annotated[
        bool, typer.Option("--parameters", help="List the fitted parameters and the rows they were fitted on, only.")
    ] = False,
    models: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            file_okay=False,
            show_default=False,
            help="Models of networks, NAME_xint8.onnx; VAIP builds those that are missing. Default: vaip/models in the "
            "user's cache.",
        ),
    ] = None,
    device: DeviceOption = None,
    stacks: Annotated[
        list[Path],
        typer.Option(
            "--stack", exists=True, dir_okay=False, help="A stack file in place of the packaged one of its name."
        ),
    ] = [],  # noqa: B006
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Predict the rows of published tables and show how far off the predictions are.

    Rows that cannot be predicted are named with the reason. --device restricts to the rows measured on that device; a
    device file takes the place of the device of its name. --config applies to whole networks.
    """
    from vaip.validate import TABLES, Validation, render
    from vaip.validate import validate as run
    from vaip.validate.parameters import fitted_parameters
    from vaip.validate.plot import check_plot_path
    from vaip.validate.plot import plot as write_plot
    from vaip.validate.queries import Setting, stack_name

    output = Output(as_json)
    if parameters:
        fitted = fitted_parameters()
        output.result({"parameters": [each.to_dict() for each in fitted]}, render.parameters_table(fitted))
        return
    for name in tables:
        if name not in TABLES:
            raise typer.BadParameter(f"unknown table '{name}'; known: {', '.join(TABLES)}.", param_hint="'--table'")
    if plot is not None:
        check_plot_path(plot)
    described = vaip.device(device) if device is not None else None
    setting = Setting(
        devices={described.name: described} if described else {},
        stacks={stack_name(path): path for path in stacks},
        models=models,
        config=config,
    )
    with output.progress() as progress:
        validation: Validation = run(
            directory,
            tables=tables,
            setting=setting,
            only_device=described.name if described else None,
            progress=progress,
        )
    if plot is not None:
        with output.working("Drawing"):
            write_plot(validation, plot)
    output.result(validation.to_dict(rows=rows), render.summary(validation, rows=rows))
    if validation.errors:
        for error in validation.errors:
            typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1)
