"""What VitisAIEP takes of the models of each preset and each method, and whether it computes it exactly."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from layer_by_layer import check_layers
from vaip.demo.digits import FP32_MODEL, held_out_images, training_images
from vaip.quantize import PRESETS, CalibrationData, QuantizeError, Recipe, Subgraph, climb, quantize_static
from vaip.quantize.evaluation import as_score, compare
from vaip.quantize.recipe import CALIBRATION_METHODS
from vaip.quantize.sensitivity import layer_sensitivity
from vaip.quantize.target import BF16_OPTION, Target
from vaip.sessions import cpu_session

BASES = ("XINT8", "A8W8", "A16W8")
STEPS = {"finetune_iterations": 5}
# Layers that are left float next to quantized ones, in front, behind, and within.
LEFT_FLOAT = {
    "one excluded": {"exclude": ("conv2",)},
    "the first and the last excluded": {"exclude": ("conv1", "classifier")},
    "excluded by a pattern": {"exclude": ("^conv.*",)},
    "a subgraph excluded": {"exclude": (Subgraph(("conv2",), ("pointwise",)),)},
    "one in bfloat16": {"precisions": {"depthwise": "bfloat16"}},
    "the first and the last in bfloat16": {"precisions": {"conv1": "bfloat16", "classifier": "bfloat16"}},
}
METHODS = {
    **{method: {"calibration": method} for method in CALIBRATION_METHODS},
    "equalized": {"cross_layer_equalization": True},
    "AdaRound": {"fast_finetune": "adaround", **STEPS},
    "AdaQuant": {"fast_finetune": "adaquant", **STEPS},
    "SmoothQuant": {"smooth_quant": 0.5},
    "per channel": {"per_channel": True},
    "one at 16 bit": {"precisions": {"conv2": "int16"}},
    **LEFT_FLOAT,
}
PER_TENSOR_ONLY = {("XINT8", "per channel")}  # Quark refuses it


def calibration() -> CalibrationData:
    images, _ = training_images()
    return CalibrationData([{"image": images[first : first + 10]} for first in range(0, 60, 10)])


def check(recipe: Recipe, directory: Path) -> None:
    output = directory / "quantized.onnx"
    result = quantize_static(FP32_MODEL, output, calibration(), recipe)
    images, _ = held_out_images()
    target, npu = Target().fitted_to(output)
    assert result.provider_options == dict(target.options)
    (computed,) = npu.onnxruntime.run(None, {"image": images[:60]})
    nodes = npu.report().nodes
    assert nodes.ipu >= 0.99 * nodes.total, npu.report().unclaimed
    if "UINT8_DYNAMIC_QUANT" not in recipe.preset and recipe.base.activation != "bfloat16":
        check_layers(recipe.describe(), onnx.load(output), {"image": images[:3]})
    # bfloat16 layers differ from the CPU's float32 by what bfloat16 drops, and may move a neighbour by a step.
    expected = cpu_session(output, precise=True, optimize=False).run(None, {"image": images[:60]})
    likeness = compare([expected], [[computed]]).sqnr_db
    assert likeness is None or likeness > 25


@pytest.mark.parametrize("preset", [name for name, preset in PRESETS.items() if preset.onnxruntime])
def test_presets_of_onnxruntime(preset: str, tmp_path: Path) -> None:
    check(Recipe(preset, tool="onnxruntime"), tmp_path)


@pytest.mark.parametrize(
    "excluded", [("conv2",), ("conv1", "classifier"), ("depthwise", "relu_depthwise", "pointwise")]
)
@pytest.mark.parametrize("preset", ["A8W8", "A16W8"])
def test_nodes_that_onnxruntime_left_out(preset: str, excluded: tuple[str, ...], tmp_path: Path) -> None:
    check(Recipe(preset, tool="onnxruntime", exclude=excluded), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("preset", [name for name, preset in PRESETS.items() if preset.on_npu])
def test_presets_of_quark(preset: str, tmp_path: Path) -> None:
    pytest.importorskip("quark.onnx", reason="needs the extra: pip install 'vaip[quark]'")
    check(Recipe(preset, tool="quark", finetune_iterations=5), tmp_path)


CASES = [
    pytest.param(base, method, marks=[] if base == "XINT8" else pytest.mark.slow)
    for base in BASES
    for method in METHODS
    if (base, method) not in PER_TENSOR_ONLY
]


@pytest.mark.parametrize(("base", "method"), CASES)
def test_methods_of_quark(base: str, method: str, tmp_path: Path) -> None:
    pytest.importorskip("quark.onnx", reason="needs the extra: pip install 'vaip[quark]'")
    check(Recipe(base, **METHODS[method]), tmp_path)


def test_the_option_is_named_where_it_is_needed(tmp_path: Path) -> None:
    """Float layers in front of quantized ones are the CPU's without it."""
    output = tmp_path / "quantized.onnx"
    recipe = Recipe("A8W8", tool="onnxruntime", exclude=("conv1", "relu1"))
    result = quantize_static(FP32_MODEL, output, calibration(), recipe)
    assert result.provider_options == {BF16_OPTION: "true"}
    plain = Target().session(output).report().nodes
    assert plain.ipu < 0.99 * plain.total
    whole = recipe.replace(exclude=())
    assert quantize_static(FP32_MODEL, output, calibration(), whole).provider_options == {}


@pytest.mark.parametrize("preset", ["FP16", "BFP16", "MX6", "MXINT8", "BF16_MIXED_BFP16"])
def test_what_vitisai_does_not_run_is_not_evaluated(preset: str, tmp_path: Path) -> None:
    """Said before anything is quantized."""
    assert not PRESETS[preset].on_npu
    with pytest.raises(QuantizeError, match=f"{preset} cannot be evaluated.*BF16 or A16W8"):
        climb(
            FP32_MODEL,
            tmp_path / "quantized.onnx",
            calibration(),
            Recipe(preset),
            as_score(lambda session: 0.0, "score"),
            1.0,
        )
    with pytest.raises(QuantizeError, match="cannot be evaluated"):
        layer_sensitivity(FP32_MODEL, calibration(), Recipe(preset))
    assert list(tmp_path.iterdir()) == []
