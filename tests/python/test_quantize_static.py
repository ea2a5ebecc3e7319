"""Quantization by recipes: what is written is claimed and exact, the same seed gives the same model, errors leave
nothing behind."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from float_network import FloatNetwork
from layer_by_layer import check_layers
from onnx import TensorProto, numpy_helper
from vaip.quantize import PRESETS, CalibrationData, QuantizeError, Recipe, Subgraph, quantize_static
from vaip.quantize.recipe import CALIBRATION_METHODS

QUARK_IS_MISSING = "needs the extra: pip install 'vaip[quark]'"


def network() -> FloatNetwork:
    n = FloatNetwork()
    x = n.op("Relu", n.conv(n.input(2, 3, 8, 8), 3, 8))
    y = n.op("Relu", n.conv(x, 8, 8, group=8))
    x = n.op("Add", x, n.conv(y, 8, 8, 1))
    x = n.op("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    n.op("Gemm", n.op("Flatten", n.op("GlobalAveragePool", x)), n.weights(8, 5), n.weights(5))
    return n


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A float model alone in its directory: what else is found there afterwards, quantization left."""
    directory = tmp_path / "models"
    directory.mkdir()
    onnx.save(network().build(), directory / "float.onnx")
    return directory / "float.onnx"


def calibration(count: int = 3) -> CalibrationData:
    return CalibrationData([network().feeds(i) for i in range(count)])


@pytest.fixture
def needs_quark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    pytest.importorskip("quark.onnx", reason=QUARK_IS_MISSING)
    monkeypatch.chdir(tmp_path)
    yield
    assert not (tmp_path / "quantized_info.csv").exists()  # Quark's own report, where the user is


RECIPES = {
    "xint8": Recipe(),
    "xint8_cle": Recipe(cross_layer_equalization=True),
    "xint8_nonoverflow": Recipe(calibration="nonoverflow"),
    "xint8_adaround": Recipe(fast_finetune="adaround", finetune_iterations=3),
    "xint8_adaquant": Recipe("XINT8_ADAQUANT", finetune_iterations=3, finetune_learning_rate=1e-4),
    "xint8_int16_layer": Recipe(precisions={"Conv2": "int16"}),
    "xint8_excluded": Recipe(exclude=("Conv2",)),
    "a8w8": Recipe("A8W8"),
    "a8w8_smooth_quant": Recipe("A8W8", smooth_quant=0.5),
    "a8w8_per_channel": Recipe("A8W8", per_channel=True),
    "a8w8_percentile": Recipe("A8W8", calibration="percentile", percentile=99.5),
    "a16w8": Recipe("A16W8"),
    "u8s8": Recipe("U8S8_AAWS"),
    "onnxruntime_a8w8": Recipe("A8W8", tool="onnxruntime"),
    "onnxruntime_a16w8": Recipe("A16W8", tool="onnxruntime"),
    "onnxruntime_u8u8": Recipe("U8U8_AAWA", tool="onnxruntime"),
    "onnxruntime_s8s8_excluded": Recipe("S8S8_AAWS", tool="onnxruntime", exclude=("Conv2",)),
}


@pytest.mark.parametrize("name", RECIPES)
def test_what_is_written_is_claimed_and_exact(name: str, source: Path, request: pytest.FixtureRequest) -> None:
    recipe = RECIPES[name]
    if recipe.tool == "auto":
        request.getfixturevalue("needs_quark")
    output = source.with_name("quantized.onnx")

    result = quantize_static(source, output, calibration(), recipe)

    assert result.path == output
    assert result.size_bytes == output.stat().st_size
    assert result.tool == ("quark" if recipe.tool == "auto" else "onnxruntime")
    assert sorted(os.listdir(source.parent)) == ["float.onnx", "quantized.onnx"]
    model = onnx.load(output)
    assert any(node.op_type == "QuantizeLinear" for node in model.graph.node)
    # A float layer between quantized ones stays on the CPU.
    assert check_layers(name, model, network().feeds(99)) == ({"Conv", "Relu"} if recipe.exclude else set())


@pytest.mark.parametrize("method", CALIBRATION_METHODS)
def test_every_calibration_method(needs_quark: None, source: Path, method: str) -> None:
    preset = "XINT8" if method in ("minmse", "nonoverflow") else "A8W8"
    output = source.with_name("quantized.onnx")
    quantize_static(source, output, calibration(), Recipe(preset, calibration=method))
    assert check_layers(method, onnx.load(output), network().feeds(99)) == set()


def spread_channels() -> onnx.ModelProto:
    """Convolutions in a row; the depthwise one's channels have ranges that differ by three orders of magnitude."""
    n = FloatNetwork()
    x = n.op("Relu", n.conv(n.input(2, 3, 8, 8), 3, 8))
    x = n.op("Relu", n.conv(x, 8, 8, group=8))
    n.conv(x, 8, 4, 1)
    spread = np.logspace(-1.5, 1.5, 8, dtype=np.float32).reshape(8, 1, 1, 1)
    weight = next(t for t in n.initializers if list(t.dims) == [8, 1, 3, 3])
    weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight) * spread, weight.name))
    return n.build()


def test_weights_are_what_the_methods_are_about(needs_quark: None, source: Path) -> None:
    """Equalization and finetuning change weights; another seed finetunes to others, the same one to the same."""
    output = source.with_name("quantized.onnx")
    onnx.save(spread_channels(), source)

    def weights(recipe: Recipe) -> dict[str, bytes]:
        quantize_static(source, output, calibration(), recipe)
        graph = onnx.load(output).graph
        integers = [t for t in graph.initializer if t.data_type == TensorProto.INT8]
        return {t.name: numpy_helper.to_array(t).tobytes() for t in integers}

    finetuned = Recipe(fast_finetune="adaround", finetune_iterations=20)
    plain = weights(Recipe())
    assert plain == weights(Recipe())
    assert plain != weights(Recipe(cross_layer_equalization=True))
    first = weights(finetuned)
    assert first != plain
    assert first == weights(finetuned)
    assert first != weights(finetuned.replace(seed=1))


def test_process_is_left_as_it_was(needs_quark: None, source: Path, capfd: pytest.CaptureFixture[str]) -> None:
    import torch

    np.random.seed(3)
    torch.manual_seed(3)
    before = np.random.get_state()[1].copy(), torch.get_rng_state()
    quantize_static(
        source, source.with_name("q.onnx"), calibration(), Recipe(fast_finetune="adaround", finetune_iterations=2)
    )
    np.testing.assert_array_equal(np.random.get_state()[1], before[0])
    assert torch.equal(torch.get_rng_state(), before[1])
    printed = capfd.readouterr()
    assert "QUARK" not in printed.out + printed.err


def test_progress_comes_step_by_step(needs_quark: None, source: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    quantize_static(
        source,
        source.with_name("q.onnx"),
        calibration(),
        Recipe(fast_finetune="adaround", finetune_iterations=2),
        progress=lambda *step: seen.append(step),
    )
    steps = list(dict.fromkeys(step for step, _, _ in seen))
    assert steps == ["preparing", "calibrating", "finetuning"]
    assert [entry for entry in seen if entry[0] == "finetuning"][-1][1:] == (4, 4)  # Conv, Conv, Conv, Gemm
    seen.clear()
    recipe = Recipe("A8W8", tool="onnxruntime")
    quantize_static(source, source.with_name("q.onnx"), calibration(), recipe, progress=lambda *step: seen.append(step))
    assert ("calibrating", 3, 3) in seen


def test_excluded_and_mixed_layers(needs_quark: None, source: Path) -> None:
    output = source.with_name("quantized.onnx")

    def weights_of(recipe: Recipe) -> dict[str, int]:
        """The element type of what each convolution's weight comes from."""
        quantize_static(source, output, calibration(), recipe)
        graph = onnx.load(output).graph
        made = {name: node for node in graph.node for name in node.output}
        kinds = {t.name: t.data_type for t in graph.initializer}
        found = {}
        for node in graph.node:
            if node.op_type == "Conv":
                before = made.get(node.input[1])
                found[node.name] = kinds[node.input[1] if before is None else before.input[0]]
        return found

    integer, float32 = TensorProto.INT8, TensorProto.FLOAT
    names = [node.name for node in network().build().graph.node if node.op_type == "Conv"]
    assert weights_of(Recipe()) == dict.fromkeys(names, integer)
    assert weights_of(Recipe(exclude=(names[1],))) == {names[0]: integer, names[1]: float32, names[2]: integer}
    assert weights_of(Recipe(exclude=("^Conv.*",))) == dict.fromkeys(names, float32)
    between = Subgraph(start=(names[1],), end=(names[2],))
    assert weights_of(Recipe(exclude=(between,))) == {names[0]: integer, names[1]: float32, names[2]: float32}


def test_bfloat16_layers_need_the_option_that_the_result_names(needs_quark: None, source: Path) -> None:
    import onnxruntime
    import vaip

    output = source.with_name("quantized.onnx")
    result = quantize_static(source, output, calibration(), Recipe("A8W8", precisions={"Conv2": "bfloat16"}))
    assert result.provider_options
    session = onnxruntime.InferenceSession(
        output, providers=[("VitisAIEP", result.provider_options), "CPUExecutionProvider"]
    )
    session.run(None, network().feeds(99))
    assert vaip.reports()[-1].nodes.cpu == 0
    assert quantize_static(source, output, calibration(), Recipe("A8W8")).provider_options == {}


def test_presets_without_data(needs_quark: None, source: Path) -> None:
    output = source.with_name("quantized.onnx")
    for preset in ("BF16", "FP16", "BFP16", "MXINT8", "UINT8_DYNAMIC_QUANT", "MATMUL_NBITS"):
        quantize_static(source, output, None, preset)
        onnx.checker.check_model(onnx.load(output, load_external_data=False), full_check=False)


@pytest.mark.slow
def test_every_preset(needs_quark: None, source: Path) -> None:
    output = source.with_name("quantized.onnx")
    for preset in PRESETS.values():
        iterations = 2 if preset.fast_finetune else None
        data = calibration() if preset.calibrated else None
        quantize_static(source, output, data, Recipe(preset.name, finetune_iterations=iterations))
        graph = onnx.load(output).graph
        assert preset.name == "MATMUL_NBITS" or any("Quantize" in node.op_type for node in graph.node), preset.name


def test_presets_are_quarks() -> None:
    pytest.importorskip("quark.onnx", reason=QUARK_IS_MISSING)
    from quark.onnx.quantization.config.custom_config import get_default_config_mapping

    theirs = get_default_config_mapping()
    assert set(PRESETS) == set(theirs)
    for name, config in theirs.items():
        ours = PRESETS[name]
        finetune = (
            config.extra_options.get("FastFinetune", {}).get("OptimAlgorithm") if config.include_fast_ft else None
        )
        assert ours.fast_finetune == (finetune or None), name
        assert ours.static_shapes == config.enable_npu_cnn, name
        if ours.activation.startswith(("int", "uint")) and not config.use_dynamic_quant:
            assert str(config.activation_type).rpartition(".")[2].lower().removeprefix("q") == ours.activation, name
            assert str(config.weight_type).rpartition(".")[2].lower().removeprefix("q") == ours.weight, name


def test_quarks_configuration_is_taken_whole(needs_quark: None, source: Path) -> None:
    from quark.onnx import Int8Spec, QConfig, QLayerConfig
    from quark.onnx.quantization.config import Config, get_default_config

    output = source.with_name("quantized.onnx")
    legacy = get_default_config("A16W8")
    legacy.print_summary = False
    whole = QConfig(global_config=QLayerConfig(input_tensors=Int8Spec(), weight=Int8Spec()), PrintSummary=False)
    for config in (legacy, Config(global_quant_config=legacy), whole, whole.to_dict()):
        quantize_static(source, output, calibration(), Recipe(quark_config=config))
        assert check_layers("config", onnx.load(output), network().feeds(99)) == set()
    with pytest.raises(QuantizeError, match="QConfig"):
        quantize_static(source, output, calibration(), Recipe(quark_config=3))


def test_quarks_own_errors_are_told(needs_quark: None, source: Path) -> None:
    output = source.with_name("quantized.onnx")
    with pytest.raises(QuantizeError, match=r"AMD Quark failed: .*\^nothing"):
        quantize_static(source, output, calibration(), Recipe(exclude=("^nothing.*",)))
    assert os.listdir(source.parent) == ["float.onnx"]


def test_without_quark(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "quark", None)
    output = source.with_name("quantized.onnx")
    assert quantize_static(source, output, calibration(), "A8W8").tool == "onnxruntime"
    output.unlink()
    for recipe, reason in (
        (Recipe("XINT8"), "onnxruntime has no XINT8"),
        (Recipe("A8W8", cross_layer_equalization=True), "cross-layer equalization"),
        (Recipe("A8W8", exclude=("^Conv.*",)), "pattern"),
        (Recipe("A8W8", calibration="minmse"), "minmse"),
        (Recipe("A8W8", tool="quark"), "recipe names it"),
    ):
        with pytest.raises(QuantizeError, match=rf"{reason}.*pip install 'vaip\[quark\]'"):
            quantize_static(source, output, calibration(), recipe)
    with pytest.raises(QuantizeError, match=r"onnxruntime\.quantization cannot"):
        quantize_static(source, output, calibration(), Recipe("XINT8", tool="onnxruntime"))
    assert os.listdir(source.parent) == ["float.onnx"]


def changed(source: Path, change: str) -> Path:
    model = onnx.load(source)
    if change == "nan":
        tensor = next(t for t in model.graph.initializer if t.name == "c0")
        array = numpy_helper.to_array(tensor).copy()
        array[0, 0, 0, 0] = np.nan
        tensor.CopyFrom(numpy_helper.from_array(array, "c0"))
    elif change == "dynamic":
        model.graph.input[0].type.tensor_type.shape.dim[2].dim_param = "height"
    elif change == "old":
        model.opset_import[0].version = 9
    elif change == "quantized":
        model.graph.node[0].op_type = "DequantizeLinear"
    onnx.save(model, source)
    return source


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("nan", "weight 'c0', an input of Conv0, has NaN"),
        ("dynamic", "static shapes.*--dim height=SIZE"),
        ("old", "opset 9.*vaip import"),
        ("quantized", "quantized already"),
    ],
)
def test_models_that_cannot_be_quantized(source: Path, change: str, message: str) -> None:
    source = changed(source, change)
    output = source.with_name("quantized.onnx")
    with pytest.raises(QuantizeError, match=message):
        quantize_static(source, output, calibration(), "XINT8")
    assert os.listdir(source.parent) == ["float.onnx"]


def test_a_dynamic_dimension_can_be_fixed(needs_quark: None, source: Path) -> None:
    source = changed(source, "dynamic")
    output = source.with_name("quantized.onnx")
    quantize_static(source, output, calibration(), "XINT8", dims={"height": 8})
    assert onnx.load(output).graph.input[0].type.tensor_type.shape.dim[2].dim_value == 8
    with pytest.raises(QuantizeError, match="no dynamic dimension 'width'; it has: height"):
        quantize_static(source, output, calibration(), "XINT8", dims={"width": 8})


@pytest.mark.parametrize("tool", ["quark", "onnxruntime"])
def test_models_too_large_for_one_file(tool: str, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights in a file of their own: as input, and as output where the model would not fit into one file."""
    if tool == "quark":
        pytest.importorskip("quark.onnx", reason=QUARK_IS_MISSING)
    monkeypatch.setattr("vaip.onnx_files.LARGEST_FILE", 0)
    n = FloatNetwork()
    n.dense(n.op("Relu", n.dense(n.input(4, 32), 32, 64)), 64, 32)
    onnx.save(n.build(), source, save_as_external_data=True, location="weights.bin", size_threshold=0)
    output = source.with_name("quantized.onnx")
    data = CalibrationData([n.feeds(i) for i in range(3)])
    result = quantize_static(source, output, data, Recipe("A8W8", tool=tool))
    written = {name: source.with_name(name).stat().st_size for name in os.listdir(source.parent)}
    assert result.source_size_bytes == written.pop("float.onnx") + written.pop("weights.bin")
    assert len(written) == 2
    assert result.size_bytes == sum(written.values())
    assert check_layers(tool, onnx.load(output), n.feeds(99)) == set()


def test_requests_that_cannot_be_met(source: Path, tmp_path: Path) -> None:
    output = source.with_name("quantized.onnx")
    broken = source.with_name("broken.onnx")
    broken.write_bytes(b"not a model")
    wrong = CalibrationData([{"other": np.zeros((2, 3, 8, 8), np.float32)}])
    cases = (
        (source, output, None, Recipe(), "needs calibration data"),
        (source, output, wrong, Recipe(), "'other'; the model takes 'input0'"),
        (source, output, calibration(), Recipe(exclude=("Conv77",)), "no node 'Conv77'"),
        (source, output, calibration(), Recipe(precisions={"Conv77": "int16"}), "no node 'Conv77'"),
        (source, tmp_path / "absent" / "q.onnx", calibration(), Recipe(), "does not exist"),
        (source, tmp_path, calibration(), Recipe(), "is a directory"),
        (source, source, calibration(), Recipe(), "another output"),
        (broken, output, calibration(), Recipe(), "cannot be read as an ONNX model"),
        (source.with_name("absent.onnx"), output, calibration(), Recipe(), "no such file"),
    )
    for model, target, data, recipe, message in cases:
        with pytest.raises(QuantizeError, match=message):
            quantize_static(model, target, data, recipe)
    assert sorted(os.listdir(source.parent)) == ["broken.onnx", "float.onnx"]


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="a directory in which nobody can write")
def test_output_that_cannot_be_written(source: Path) -> None:
    with pytest.raises(QuantizeError, match="cannot be written"):
        quantize_static(source, "/proc/quantized.onnx", calibration(), "A8W8")


def test_recipes_that_make_no_sense() -> None:
    for change, message in (
        ({"preset": "XINT"}, "did you mean XINT8"),
        ({"preset": "?"}, "--presets"),
        ({"calibration": "mse"}, "minmse"),
        ({"fast_finetune": "ada"}, "adaround"),
        ({"precisions": {"a": "int4"}}, "int16, bfloat16"),
        ({"tool": "vitis"}, "onnxruntime"),
        ({"smooth_quant": 2.0}, "0 to 1"),
        ({"percentile": 3.0}, "percentile"),
        ({"finetune_iterations": 0}, "at least 1"),
        ({"finetune_learning_rate": float("nan")}, "above 0"),
    ):
        with pytest.raises(QuantizeError, match=message):
            Recipe(**change)
    recipe = Recipe("xint8_adaround", cross_layer_equalization=True, exclude=("a",), precisions={"b": "int16"})
    assert recipe.describe() == "XINT8_ADAROUND + CLE + 1 excluded + 1 layer int16"
    assert recipe.finetunes
    assert recipe.to_dict()["precisions"] == {"b": "int16"}
