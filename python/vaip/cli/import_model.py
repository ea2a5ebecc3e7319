"""vaip import: a trained model of PyTorch, TensorFlow or ONNX as an ONNX model for the NPU."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from vaip.cli.common import DimOption, JsonOption, Output, SeedOption, dims_from
from vaip.importing import import_model
from vaip.importing.pytorch import EXPORTERS
from vaip.importing.run import OPSET


def add_to(app: typer.Typer) -> None:
    app.command(
        "import",
        epilog="Example: vaip import mymodels:make_net --shape image=1,3,224,224 -o net.onnx",
    )(import_command)


def import_command(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="module:factory or checkpoint (PyTorch); .keras, .h5, SavedModel directory, .pb (TensorFlow); .onnx.",
        ),
    ],
    output_path: Annotated[Path, typer.Option("--output", "-o", help="The ONNX model.")],
    factory: Annotated[
        str | None, typer.Option(metavar="MODULE:FUNCTION", help="Makes the module of a PyTorch checkpoint.")
    ] = None,
    shapes: Annotated[
        list[str],
        typer.Option(
            "--shape",
            metavar="NAME=SIZE,...",
            help="An input: image=1,3,224,224, ids=batch,128:int64. A name instead of a size stays dynamic.",
        ),
    ] = [],  # noqa: B006 (typer copies it)
    inputs: Annotated[
        str, typer.Option(metavar="NAME,...", help="Inputs of a frozen graph. Default: its placeholders.")
    ] = "",
    outputs: Annotated[
        str, typer.Option(metavar="NAME,...", help="Outputs of a frozen graph; of others, the names that they get.")
    ] = "",
    signature: Annotated[str | None, typer.Option(help="Of a SavedModel. Default: serving_default.")] = None,
    dims: DimOption = [],  # noqa: B006
    opset: Annotated[int, typer.Option(min=11, help="Of the ONNX model.")] = OPSET,
    exporter: Annotated[str, typer.Option(help=f"Of PyTorch: {' or '.join(EXPORTERS)}.")] = EXPORTERS[0],
    nchw: Annotated[bool, typer.Option("--nchw", help="Images of TensorFlow models go in channels first.")] = False,
    simplify: Annotated[bool, typer.Option(help="Fold constants, take away what does nothing.")] = True,
    check: Annotated[bool, typer.Option(help="Compare with the source on random input.")] = True,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Import a trained model: convert it to ONNX, simplify it, check it against its source.

    A PyTorch source is Python code: module:factory names a function (or class) that gives the module, in a module or
    file.py that can be imported from here. TensorFlow models are converted with tf2onnx.
    """
    output = Output(as_json)
    with output.progress() as progress:
        result = import_model(
            source,
            output_path,
            factory=factory,
            shapes=shapes,
            inputs=_names(inputs),
            outputs=_names(outputs),
            signature=signature,
            dims=dims_from(dims),
            opset=opset,
            exporter=exporter,
            nchw=nchw,
            simplify=simplify,
            verify=check,
            seed=seed,
            progress=progress,
        )
    shown: list[RenderableType] = [
        Text(f"{result.path}: {result.kind} ({result.framework}), opset {result.opset}, {result.nodes} nodes", "bold")
    ]
    for what, values in (("in", result.inputs), ("out", result.outputs)):
        shown += [
            Text(f"  {what:>3}  {name}  {'x'.join(map(str, shape)) or 'scalar'}") for name, shape in values.items()
        ]
    if result.largest_difference is not None:
        shown.append(Text(f"Equals its source up to {result.largest_difference:.1e} of the largest output"))
    else:
        shown.append(Text("Not compared with its source", style="yellow"))
    output.result(result.to_dict(), Group(*shown))


def _names(text: str) -> list[str]:
    return [name for name in text.split(",") if name]
