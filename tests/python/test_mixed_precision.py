"""Layers exchanged between a quantized model and its float twin, and what VitisAIEP makes of mixed models."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from layer_by_layer import check_layers
from vaip.demo.digits import FP32_MODEL, held_out_images, training_images
from vaip.quantize import CalibrationData, QuantizeError, Recipe, quantize_static
from vaip.quantize.evaluation import compare
from vaip.quantize.quantized_graph import QuantizedGraph
from vaip.quantize.sensitivity import Analysis
from vaip.quantize.target import Target
from vaip.sessions import cpu_session

# onnxruntime's quantizer is always there; with a dynamic batch and float scales.
RECIPE = Recipe("A8W8", tool="onnxruntime")
PRODUCTS = ("conv1", "conv2", "depthwise", "pointwise", "conv3", "classifier")


def calibration() -> CalibrationData:
    images, _ = training_images()
    return CalibrationData([{"image": images[first : first + 16]} for first in range(0, 64, 16)])


@pytest.fixture(scope="module")
def quantized(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("mixed") / "digits_a8w8.onnx"
    quantize_static(FP32_MODEL, path, calibration(), RECIPE)
    return path


@pytest.fixture(scope="module")
def analysis(quantized: Path) -> Analysis:
    return Analysis(FP32_MODEL, quantized, calibration(), RECIPE)


def on_cpu(model: onnx.ModelProto | Path) -> np.ndarray:
    images, _ = held_out_images()
    return cpu_session(model, precise=True, optimize=False).run(None, {"image": images})[0]


def test_layers_are_the_products_with_their_activations(analysis: Analysis) -> None:
    found = {layer.name: layer for layer in analysis.graph.layers if layer.op in ("Conv", "Gemm")}
    assert set(found) == set(PRODUCTS)
    for layer in found.values():
        assert len(layer.constants) == 2, layer
        assert len(layer.inputs) == 1, layer
        assert layer.output is not None
    assert found["conv1"].inputs == ("image",)
    assert found["conv2"].inputs == ("relu1",)
    assert [node.op_type for node in found["conv1"].nodes] == [
        "Conv"
    ]  # symmetric int8: its Relu has Q and DQ of its own


def test_the_twin_is_the_float_model(analysis: Analysis) -> None:
    twin = analysis.twin.with_quantized(analysis.graph, (), ())
    assert not {"QuantizeLinear", "DequantizeLinear"} & {node.op_type for node in twin.graph.node}
    assert snr(on_cpu(FP32_MODEL), on_cpu(twin)) > 60  # biases have 32 bits, everything else is float


def test_the_twin_with_everything_quantized_is_the_quantized_model(analysis: Analysis, quantized: Path) -> None:
    graph = analysis.graph
    whole = analysis.twin.with_quantized(graph, graph.constants, graph.activations)
    np.testing.assert_array_equal(on_cpu(whole), on_cpu(quantized))


def test_ranges_are_those_of_the_float_model(analysis: Analysis) -> None:
    images, _ = training_images()
    model = onnx.load(FP32_MODEL)
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in ("relu1", "residual"))
    values = cpu_session(model).run(["relu1", "logits"], {"image": images[:64]})
    low, high = analysis.ranges["relu1"]
    assert low == 0
    assert high == pytest.approx(values[0].max(), rel=1e-3)
    logits = next(name for name in analysis.ranges if name.startswith("logits"))
    assert analysis.ranges[logits] == pytest.approx((values[1].min(), values[1].max()), rel=1e-3)


@pytest.mark.parametrize("precision", ["int16", "bfloat16"])
@pytest.mark.parametrize("layers", [("conv1",), ("depthwise",), ("classifier",), ("conv2", "depthwise"), PRODUCTS])
def test_raised_layers_run_on_the_npu(
    analysis: Analysis, quantized: Path, layers: tuple[str, ...], precision: str, tmp_path: Path
) -> None:
    images, _ = held_out_images()
    path = tmp_path / "mixed.onnx"
    onnx.save(analysis.raised(dict.fromkeys(layers, precision)), path)
    target, npu = Target().fitted_to(path)
    (result,) = npu.onnxruntime.run(None, {"image": images})
    report = npu.report()
    assert report.unclaimed == []
    assert (target.options != ()) == (precision == "bfloat16")
    expected = on_cpu(path)
    if precision == "int16":
        graph = QuantizedGraph(onnx.load(path))
        assert check_layers("mixed", onnx.load(path), {"image": images[:20]}) == set()
        widths = {graph.value(node.quantize.input[2]).dtype.itemsize for node in graph.activations.values()}
        assert 2 in widths
    else:
        assert sum(layer.dtype == "bfloat16" for layer in report.layers) >= len(layers)
        # bfloat16 keeps 8 bits of what float32 has: far less is lost than by quantization itself.
        assert snr(expected, result) > 30
    assert snr(on_cpu(FP32_MODEL), result) > snr(on_cpu(FP32_MODEL), on_cpu(quantized)) - 1


def test_all_products_raised_come_near_the_float_model(analysis: Analysis, quantized: Path) -> None:
    reference = on_cpu(FP32_MODEL)
    before = snr(reference, on_cpu(quantized))
    wide = snr(reference, on_cpu(analysis.raised(dict.fromkeys(PRODUCTS, "int16"))))
    floating = snr(reference, on_cpu(analysis.raised(dict.fromkeys(PRODUCTS, "bfloat16"))))
    assert wide > before + 1  # what is left is the weights' rounding
    assert floating > wide


def test_relus_that_saturation_stands_for_come_back(tmp_path: Path) -> None:
    """Quantizers take a ReLU away where zero is the least that the unsigned type can say."""
    recipe = Recipe("U8S8_AAWS", tool="onnxruntime")
    path = tmp_path / "u8s8.onnx"
    quantize_static(FP32_MODEL, path, calibration(), recipe)
    graph = QuantizedGraph(onnx.load(path))
    assert not [node for node in graph.model.graph.node if node.op_type == "Relu"]
    found = Analysis(FP32_MODEL, path, calibration(), recipe)
    assert snr(on_cpu(FP32_MODEL), on_cpu(found.twin.with_quantized(graph, (), ()))) > 60
    before = snr(on_cpu(FP32_MODEL), on_cpu(path))
    for precision, at_least in (("int16", before), ("bfloat16", before + 10)):
        mixed = tmp_path / f"{precision}.onnx"
        onnx.save(found.raised(dict.fromkeys(PRODUCTS, precision)), mixed)
        assert snr(on_cpu(FP32_MODEL), on_cpu(mixed)) > at_least
        _, npu = Target().fitted_to(mixed)
        npu.onnxruntime.run(None, {"image": held_out_images()[0][:2]})
        assert npu.report().unclaimed == []


def test_unknown_layer(analysis: Analysis) -> None:
    with pytest.raises(QuantizeError, match="'conv9' is no quantized layer"):
        analysis.raised({"conv9": "int16"})


def test_a_configuration_of_quark_has_no_twin(quantized: Path) -> None:
    with pytest.raises(QuantizeError, match="not a Quark configuration"):
        Analysis(FP32_MODEL, quantized, calibration(), Recipe(quark_config={}))


def snr(expected: np.ndarray, actual: np.ndarray) -> float:
    """In dB, written out: the oracle of what compare() says."""
    noise = np.sum((actual.astype(np.float64) - expected) ** 2)
    value = 10 * np.log10(np.sum(expected.astype(np.float64) ** 2) / noise) if noise else np.inf
    said = compare([[expected]], [[actual]]).sqnr_db
    assert said is None if noise == 0 else said == pytest.approx(value)
    return float(value)
