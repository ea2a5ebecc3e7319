"""vaip quantize: a float ONNX model to a quantized one, by a preset and what departs from it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from vaip.cli.accuracy_gate import needed_options, show_gate
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
from vaip.cli.common import (
    DeviceOption,
    DimOption,
    EvalOption,
    JsonOption,
    Output,
    dims_from,
    options_from,
)
from vaip.python_objects import load_object
from vaip.quantize import PRESETS, Recipe, Subgraph, quantize_static
from vaip.quantize.evaluation import load_score
from vaip.quantize.gate import GateResult, climb
from vaip.quantize.preflight import fix_dimensions, read_model
from vaip.quantize.recipe import FAST_FINETUNE, PRECISIONS, TOOLS
from vaip.quantize.target import Target
from vaip.report import Report
from vaip.simulation import simulate


def add_to(app: typer.Typer) -> None:
    app.command(
        "quantize",
        epilog="Example: vaip quantize model.onnx --preset XINT8 --calib images/ --preprocess mean=0.485,0.456,0.406",
    )(quantize)


def quantize(
    model: Annotated[
        Path | None, typer.Argument(metavar="MODEL", exists=True, dir_okay=False, help="The float ONNX model.")
    ] = None,
    output_path: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The quantized model. Default: MODEL_preset.onnx beside it."),
    ] = None,
    preset: PresetOption = "XINT8",
    presets: Annotated[bool, typer.Option("--presets", help="List the presets.")] = False,
    calib: Annotated[str | None, CALIB] = None,
    preprocess: PreprocessOption = [],  # noqa: B006 (typer copies it)
    batch_size: BatchSizeOption = 1,
    limit: LimitOption = None,
    method: MethodOption = None,
    percentile: Annotated[float | None, typer.Option(help="Of the percentile methods, in percent.")] = None,
    cle: EqualizeOption = False,
    finetune: Annotated[
        str | None, typer.Option(help=f"Fast finetuning of the quantized weights: {', '.join(FAST_FINETUNE)}.")
    ] = None,
    iterations: Annotated[int | None, typer.Option(min=1, help="Of fast finetuning, per layer.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Of fast finetuning.")] = None,
    smooth_quant: Annotated[
        float | None, typer.Option(metavar="ALPHA", help="SmoothQuant: move range from activations to weights, 0 to 1.")
    ] = None,
    exclude: Annotated[
        list[str],
        typer.Option(
            metavar="NODE",
            help="Leave float: a node, '^regular.*expression', or START,START..END,END for what is between.",
        ),
    ] = [],  # noqa: B006
    mixed: Annotated[
        list[str],
        typer.Option(metavar="NODE=TYPE", help=f"Another precision for a node: {', '.join(PRECISIONS)}."),
    ] = [],  # noqa: B006
    per_channel: Annotated[bool, typer.Option("--per-channel", help="One scale per channel of the weights.")] = False,
    seed: Annotated[int, typer.Option(help="Of everything random: samples, finetuning.")] = 0,
    tool: Annotated[str, typer.Option(help=f"What quantizes: {', '.join(TOOLS)}.")] = "auto",
    quark_config: Annotated[
        str | None,
        typer.Option(help="A configuration of Quark, whole: module:object, or a QConfig as FILE.json."),
    ] = None,
    extra_options: Annotated[
        list[str],
        typer.Option(
            "--extra-option", metavar="KEY=JSON", help="An option of the tool by its own name: AlignSlice=false."
        ),
    ] = [],  # noqa: B006
    dims: DimOption = [],  # noqa: B006
    evaluation: EvalOption = None,
    max_drop: Annotated[
        float | None,
        typer.Option(min=0, help="With --eval: try stronger methods until no more of the score is lost."),
    ] = None,
    device: DeviceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Quantize a float ONNX model for the NPU.

    Scales are chosen by calibration data: some hundred typical inputs, preprocessed as in training. The simplest and
    fastest on the device is XINT8; where it loses too much accuracy, try --cle, then --finetune adaround, then A8W8,
    A16W8 or BF16. With --eval and --max-drop this is done for you: stronger and stronger methods are evaluated on
    VitisAIEP, the cheapest that passes is kept, and if none does, the best is kept and the exit code is 1.
    """
    output = Output(as_json)
    if presets:
        output.result(
            {"presets": [{**vars(preset), "on_npu": preset.on_npu} for preset in PRESETS.values()]}, _preset_table()
        )
        return
    if model is None:
        raise typer.BadParameter("name the model that is to be quantized.", param_hint="'MODEL'")
    recipe = Recipe(
        preset=preset,
        calibration=method,
        percentile=percentile,
        cross_layer_equalization=cle,
        fast_finetune=finetune,
        finetune_iterations=iterations,
        finetune_learning_rate=learning_rate,
        smooth_quant=smooth_quant,
        exclude=tuple(_excluded(text) for text in exclude),
        precisions=options_from(mixed),
        per_channel=per_channel or None,
        seed=seed,
        tool=tool,
        quark_config=None if quark_config is None else _quark_config(quark_config),
        extra_options={key: _json_value(value) for key, value in options_from(extra_options).items()},
    )
    if (evaluation is None) != (max_drop is None):
        raise typer.BadParameter("--eval and --max-drop belong together.", param_hint="'--eval'")
    if evaluation is not None and calib is None:
        raise typer.BadParameter("needs calibration data.", param_hint="'--calib'")
    sizes = dims_from(dims)
    target = output_path or model.with_name(f"{model.stem}_{recipe.preset.lower()}.onnx")
    gate: GateResult | None = None
    report: Report | None = None
    with output.progress() as progress:
        data = None
        if calib is not None:
            progress("reading calibration data", 0, 0)
            declared = read_model(model)
            fix_dimensions(declared, sizes)
            data = read_calibration(calib, declared, preprocess, batch_size=batch_size, limit=limit, seed=seed)
        if evaluation is None or max_drop is None or data is None:
            result = quantize_static(model, target, data, recipe, dims=sizes, progress=progress)
            if recipe.quark_config is not None or recipe.base.on_npu:
                progress("predicting", 0, 0)
                report = simulate(target, device=device, options=result.provider_options)
        else:
            score = load_score(evaluation, data.batches)
            gate = climb(
                model, target, data, recipe, score, max_drop, target=Target(device), dims=sizes, progress=progress
            )
    if gate is not None:
        show_gate(output, gate, model)
        return
    calibrated = f", calibrated on {result.batches} batches" if result.batches else ""
    before, after = result.source_size_bytes / 1e6, result.size_bytes / 1e6
    shown: list[RenderableType] = [
        Text(f"{result.path}: {recipe.describe()} by {result.tool}, {result.seconds:.1f} s", style="bold"),
        Text(f"{before:.2f} MB -> {after:.2f} MB{calibrated}"),
    ]
    values = result.to_dict()
    if report is None:
        shown.append(Text(f"For other runtimes: VitisAIEP does not run {recipe.preset}", style="yellow"))
    else:
        values |= _prediction(report) | {"provider_options": result.provider_options}
        shown += [*needed_options(result.provider_options), *_placement(report, target)]
    output.result(values, Group(*shown))


def _prediction(report: Report) -> dict[str, Any]:
    nodes = report.nodes
    return {
        "device": report.device,
        "nodes": {"total": nodes.total, "ipu": nodes.ipu, "cpu": nodes.cpu},
        "latency_ms": report.latency_ms,
    }


def _placement(report: Report, model: Path) -> Iterator[RenderableType]:
    nodes = report.nodes
    yield Text(
        f"{nodes.ipu} of {nodes.total} nodes on the NPU, {report.latency_ms:.3f} ms predicted on {report.device}"
    )
    if nodes.cpu:
        yield Text(f"Why the others stay on the CPU: vaip partition {model}")


def _preset_table() -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    for column in ("preset", "activations", "weights", "data", "NPU", "tools", "description"):
        table.add_column(column, overflow="fold")
    for preset in PRESETS.values():
        tools = "quark, onnxruntime" if preset.onnxruntime else "quark"
        data, on_npu = ("yes" if answer else "no" for answer in (preset.calibrated, preset.on_npu))
        table.add_row(preset.name, preset.activation, preset.weight, data, on_npu, tools, preset.description)
    return table


def _excluded(text: str) -> str | Subgraph:
    start, separator, end = text.partition("..")
    if text.startswith("^") or not separator:
        return text
    return Subgraph(tuple(start.split(",")), tuple(end.split(",")))


def _quark_config(text: str) -> Any:
    if not text.endswith(".json"):
        found = load_object(text)
        return found() if callable(found) else found
    try:
        return json.loads(Path(text).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise typer.BadParameter(f"{text}: {error}.", param_hint="'--quark-config'") from error


def _json_value(text: str) -> Any:
    """JSON, or a bare word: false, 0.5, {"Bits": 4}, MostCommon."""
    try:
        return json.loads(text)
    except ValueError:
        return text
