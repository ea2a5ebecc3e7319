"""Recipes for AMD Quark: all presets, cross-layer equalization, fast finetuning, SmoothQuant, mixed precision."""

from __future__ import annotations

import contextlib
import copy
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper

from vaip.quantize.calibration import CalibrationData
from vaip.quantize.console import import_quark, quiet
from vaip.quantize.errors import QuantizeError
from vaip.quantize.onnxruntime_backend import Reader
from vaip.quantize.recipe import Recipe, Subgraph

Progress = Callable[[str, int, int], None]
_ITERATIONS = 1000
_LEARNING_RATE = {"adaround": 0.1, "adaquant": 1e-5}


def quantize(
    source: Path, output: Path, data: CalibrationData | None, recipe: Recipe, progress: Progress, *, external: bool
) -> None:
    progress("preparing", 0, 0)
    if recipe.cross_layer_equalization:
        _write_groups(source)
    reader = None if data is None else Reader(data, lambda step, done, total: None)  # read ahead, before calibration
    import_quark()
    with quiet(progress) as console:
        from quark.onnx import ModelQuantizer

        config = configuration(recipe, source, external=external)
        _seed(recipe.seed)
        try:
            with contextlib.chdir(source.parent):  # it leaves a quantized_info.csv where it is
                ModelQuantizer(config).quantize_model(str(source.resolve()), str(output.resolve()), reader)
        except Exception as error:
            raise QuantizeError(f"AMD Quark failed: {error or type(error).__name__}") from error
    if not output.is_file():  # it logs some errors and returns
        raise QuantizeError(
            f"AMD Quark failed: {'; '.join(console.complaints) or 'it wrote no model and did not say why'}"
        )


def _write_groups(path: Path) -> None:
    """Quark equalizes only convolutions that say group=1, though ONNX has that as the default."""
    model = onnx.load(path, load_external_data=False)
    for node in model.graph.node:
        if node.op_type == "Conv" and all(attribute.name != "group" for attribute in node.attribute):
            node.attribute.append(helper.make_attribute("group", 1))
    onnx.save(model, path)


def configuration(recipe: Recipe, model: Path, *, external: bool = False) -> Any:
    """What Quark's ModelQuantizer takes: the recipe's own configuration whole, or the preset with its departures."""
    import_quark()
    from quark.onnx.quantization.config import Config, QConfig, QuantizationConfig, get_default_config

    given = copy.deepcopy(recipe.quark_config)  # Quark writes into it
    if isinstance(given, (Config, QConfig)):
        return given
    if isinstance(given, QuantizationConfig):
        return Config(global_quant_config=given)
    if isinstance(given, dict):
        return QConfig.from_dict(given)
    if given is not None:
        raise QuantizeError(
            f"quark_config is Quark's QConfig, Config or QuantizationConfig, or a QConfig as a dict, not {type(given)}"
        )
    config = get_default_config(recipe.preset)
    config.print_summary = False  # it would leave a file in the current directory
    config.use_external_data_format = external
    config.include_cle = recipe.cross_layer_equalization
    options = config.extra_options
    if recipe.calibration is not None:
        config.calibrate_method = _method(recipe)
    if recipe.percentile is not None:
        options["Percentile"] = recipe.percentile
    if recipe.per_channel is not None:
        config.per_channel = recipe.per_channel
    if recipe.smooth_quant is not None:
        config.include_sq = True
        options["SmoothAlpha"] = recipe.smooth_quant
    if recipe.base.calibrated is False and not recipe.finetunes:
        options["UseRandomData"] = True  # asked for, and not looked at: these formats have no scales
    _finetune(config, recipe)
    config.nodes_to_exclude = [item for item in recipe.exclude if isinstance(item, str)]
    config.subgraphs_to_exclude = [
        (list(item.start), list(item.end)) for item in recipe.exclude if isinstance(item, Subgraph)
    ]
    if recipe.precisions:
        options["TensorQuantOverrides"] = _overrides(recipe, onnx.load(model, load_external_data=False))
    options |= recipe.extra_options
    return Config(global_quant_config=config)


def _finetune(config: Any, recipe: Recipe) -> None:
    if not recipe.finetunes:
        return
    options = config.extra_options.setdefault("FastFinetune", {})
    if recipe.fast_finetune is not None and options.get("OptimAlgorithm") != recipe.fast_finetune:
        config.include_fast_ft = True
        options |= {
            "OptimAlgorithm": recipe.fast_finetune,
            "LearningRate": _LEARNING_RATE[recipe.fast_finetune],
            "NumIterations": _ITERATIONS,
            "DataSize": 1000,
            "BatchSize": 2,
            "OptimDevice": "cpu",
            "InferDevice": "cpu",
            "EarlyStop": True,
        }
    options["FixedSeed"] = recipe.seed
    if recipe.finetune_iterations is not None:
        options["NumIterations"] = recipe.finetune_iterations
    if recipe.finetune_learning_rate is not None:
        options["LearningRate"] = recipe.finetune_learning_rate


def _method(recipe: Recipe) -> Any:
    from onnxruntime.quantization import CalibrationMethod
    from quark.onnx import PowerOfTwoMethod
    from quark.onnx.calibration import LayerWiseMethod

    return {
        "minmax": CalibrationMethod.MinMax,
        "percentile": CalibrationMethod.Percentile,
        "entropy": CalibrationMethod.Entropy,
        "distribution": CalibrationMethod.Distribution,
        "layerwise_percentile": LayerWiseMethod.LayerWisePercentile,
        "nonoverflow": PowerOfTwoMethod.NonOverflow,
        "minmse": PowerOfTwoMethod.MinMSE,
    }[recipe.calibration or "minmax"]


def _overrides(recipe: Recipe, model: onnx.ModelProto) -> dict[str, list[dict[str, Any]]]:
    """The tensors that a node of another precision reads and writes; its weights follow only into a float format."""
    from quark.onnx import ExtendedQuantType

    types = {"int16": ExtendedQuantType.QInt16, "bfloat16": ExtendedQuantType.QBFloat16}
    constants = {tensor.name for tensor in model.graph.initializer}
    consumers: dict[str, list[onnx.NodeProto]] = {}
    for node in model.graph.node:
        for name in node.input:
            consumers.setdefault(name, []).append(node)
    overrides: dict[str, list[dict[str, Any]]] = {}
    for node in model.graph.node:
        precision = recipe.precisions.get(node.name)
        if precision is None:
            continue
        kind = types[precision]
        activations = [name for name in node.input if name and name not in constants]
        for name in [*activations, *(_seen(output, consumers) for output in node.output)]:
            overrides[name] = [{"quant_type": kind, "symmetric": True}]
        if precision == "bfloat16":
            for name in node.input:
                if name in constants:
                    overrides[name] = [{"quant_type": kind, "symmetric": True}]
    return overrides


def _seen(output: str, consumers: dict[str, list[onnx.NodeProto]]) -> str:
    """The tensor that is quantized behind a node: what its activation function gives, where that alone reads it."""
    after = consumers.get(output, [])
    if len(after) == 1 and after[0].op_type in ("Relu", "Clip", "LeakyRelu", "PRelu"):
        return str(after[0].output[0])
    return output


def _seed(seed: int) -> None:
    import torch

    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
