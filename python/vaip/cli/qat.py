"""vaip qat: quantization-aware training of a PyTorch module, and the ONNX model that comes of it."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from vaip.cli.accuracy_gate import empty_table, evaluation_row, float_row
from vaip.cli.calibration import CALIB, BatchSizeOption, LimitOption, PreprocessOption, read_calibration
from vaip.cli.common import DeviceOption, EvalOption, JsonOption, ModelArgument, Output
from vaip.importing.pytorch import load_module
from vaip.python_objects import load_object
from vaip.quantize.errors import QuantizeError
from vaip.quantize.evaluation import Evaluator, load_score
from vaip.quantize.qat import PRESETS, train_quantized
from vaip.quantize.target import Target


def add_to(app: typer.Typer) -> None:
    app.command(
        "qat",
        epilog="Example: vaip qat net.onnx --module nets:make_net --checkpoint net.pt --train nets:finetune "
        "--calib images.npz --eval nets:accuracy -o net_qat.onnx",
    )(command)


def command(
    model: ModelArgument,
    module: Annotated[
        str, typer.Option(metavar="MODULE:FACTORY", help="Makes the PyTorch module that MODEL was exported from.")
    ],
    train: Annotated[
        str,
        typer.Option(metavar="MODULE:FUNCTION", help="function(module): trains it in place, as float training does."),
    ],
    calib: Annotated[str, CALIB],
    output_path: Annotated[Path, typer.Option("--output", "-o", help="The quantized model.")],
    checkpoint: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="The module's trained weights.")
    ] = None,
    evaluation: EvalOption = None,
    max_drop: Annotated[
        float | None, typer.Option(min=0, help="With --eval: the exit code is 1 if more of the score is lost.")
    ] = None,
    preset: Annotated[str, typer.Option(help=f"Scales: {', '.join(PRESETS)}.")] = "XINT8",
    equalize: Annotated[bool, typer.Option(help="Equalize the ranges of channels across layers first.")] = True,
    preprocess: PreprocessOption = [],  # noqa: B006 (typer copies it)
    batch_size: BatchSizeOption = 1,
    limit: LimitOption = None,
    seed: Annotated[int, typer.Option(help="Of everything random.")] = 0,
    device: DeviceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train a PyTorch module on while its arithmetic is that of the NPU, and export it with Q/DQ.

    For what loses too much with every method of vaip quantize. MODEL is the float ONNX model of the same module (vaip
    import); a few epochs at a small learning rate are usual. Needs the extra `qat` (Brevitas).
    """
    output = Output(as_json)
    if max_drop is not None and evaluation is None:
        raise typer.BadParameter("--max-drop needs --eval.", param_hint="'--max-drop'")
    trainer = load_object(train)
    if not callable(trainer):
        raise typer.BadParameter(f"'{train}' is {type(trainer).__name__}, not a function.", param_hint="'--train'")
    with output.progress() as progress, TemporaryDirectory(prefix="vaip-") as directory:
        progress("reading calibration data", 0, 0)
        data = read_calibration(calib, model, preprocess, batch_size=batch_size, limit=limit, seed=seed)
        score = load_score(evaluation, data.batches) if evaluation is not None else None
        trained = train_quantized(
            load_module(module, checkpoint),
            trainer,
            model,
            output_path,
            data,
            preset=preset,
            equalize=equalize,
            seed=seed,
            untrained=(untrained := Path(directory) / "untrained.onnx"),
            progress=progress,
        )
        progress("evaluating on VitisAIEP", 0, 0)
        evaluator = Evaluator(model, data.batches, score, Target(device))
        before, result = evaluator(untrained), evaluator(output_path)
    drop = evaluator.drop(result)
    table = empty_table("Quantization-aware training")
    table.add_row(*float_row(evaluator.float_score, evaluator.float_size_bytes))
    start = f"{trained.preset}, {'equalized, ' if equalize else ''}not trained"
    table.add_row(start, *evaluation_row(before, evaluator.drop(before)), "")
    table.add_row(f"{trained.preset} + QAT", *evaluation_row(result, drop), f"{trained.seconds:.1f} s")
    shown: list[RenderableType] = [table, Text(f"{trained.path}", style="bold")]
    values: dict[str, Any] = {
        "model": str(trained.path),
        "preset": trained.preset,
        "seconds": trained.seconds,
        "float_score": evaluator.float_score,
        "drop": drop,
        "passed": None if max_drop is None or drop is None else drop <= max_drop,
        "evaluation": result.to_dict(),
        "untrained": before.to_dict(),
    }
    output.result(values, Group(*shown))
    if max_drop is not None and drop is not None and drop > max_drop:
        raise QuantizeError(
            f"the score drops by {drop:.2f}, {max_drop:g} are allowed: train longer, or use A8W8 or BF16"
        )
