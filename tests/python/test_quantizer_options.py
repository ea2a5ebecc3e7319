"""Every network of quantizer_networks by onnxruntime's quantizer with the options that it has: what is claimed, and
each claimed layer against the oracle."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import onnx
import pytest
from float_network import Arrays, Feeds
from layer_by_layer import check_layers
from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from quantizer_networks import LEFT, NETWORKS, network

U8, S8, U16, S16 = QuantType.QUInt8, QuantType.QInt8, QuantType.QUInt16, QuantType.QInt16
U4, S4 = QuantType.QUInt4, QuantType.QInt4


def _options(activation: QuantType = U8, weight: QuantType = S8, **others: Any) -> dict[str, Any]:
    """Those that quantize_static() lists itself, and its extra_options."""
    own = {name: others.pop(name) for name in ("quant_format", "per_channel", "reduce_range", "calibrate_method")
           if name in others}  # fmt: skip
    return {"activation_type": activation, "weight_type": weight, "extra_options": others} | own


_QOPERATOR = {"quant_format": QuantFormat.QOperator}

OPTIONS: dict[str, dict[str, Any]] = {
    "u8s8": _options(),
    "u8s8_per_channel": _options(per_channel=True),
    "s8s8_per_channel": _options(S8, per_channel=True),
    "u8u8_reduced_per_channel": _options(weight=U8, per_channel=True, reduce_range=True),
    "s8s8_symmetric": _options(S8, ActivationSymmetric=True),
    "asymmetric_weights": _options(per_channel=True, WeightSymmetric=False),
    "pairs_at_weights": _options(per_channel=True, AddQDQPairToWeight=True),
    "dedicated_pairs": _options(S8, DedicatedQDQPair=True),
    "float_results": _options(OpTypesToExcludeOutputQuantization=["Conv", "MatMul", "Gemm", "Add", "Mul"]),
    "removable_activations": _options(QDQKeepRemovableActivations=True),
    "u16s8": _options(U16),
    "s16s8_contrib": _options(S16, ActivationSymmetric=True, UseQDQContribOps=True),
    "u16u16": _options(U16, U16),
    "s16s16_per_channel": _options(S16, S16, per_channel=True, ActivationSymmetric=True),
    "u16s4": _options(U16, S4),
    "u8s4_per_channel": _options(weight=S4, per_channel=True),
    "u8u4": _options(weight=U4),
    "float_bias": _options(QuantizeBias=False),
    "unadjusted_bias": _options(QDQDisableWeightAdjustForInt32Bias=True),
    "forced": _options(ForceQuantizeNoInputCheck=True),
    "least_range": _options(MatMulConstBOnly=True, MinimumRealRange=0.0001),
    "entropy": _options(calibrate_method=CalibrationMethod.Entropy),
    "percentile": _options(calibrate_method=CalibrationMethod.Percentile),
    "qoperator": _options(**_QOPERATOR),
    "qoperator_s8_per_channel": _options(S8, per_channel=True, **_QOPERATOR),
    "qoperator_u8u8_reduced": _options(weight=U8, reduce_range=True, **_QOPERATOR),
    "qoperator_forced": _options(ForceQuantizeNoInputCheck=True, **_QOPERATOR),
}
PER_CHANNEL = {name for name, options in OPTIONS.items() if options.get("per_channel")}

# Scales along another axis than that of the output channels.
LEFT_PER_CHANNEL = {
    "matmul_with_a_constant_before_it": {"MatMul"},
    "matmul_with_a_stack_of_weights": {"MatMul"},
}
# onnxruntime's quantizer or its CPU provider fails on these.
IMPOSSIBLE = {("gemm_with_a_matrix_of_biases", name) for name in (*PER_CHANNEL, "u8u8_reduced_per_channel")}


def quantized(name: str, options: str, directory: Path) -> tuple[onnx.ModelProto, Arrays]:
    """The model, and an input that it was not calibrated with."""
    source = network(name)
    paths = [directory / f"{stage}.onnx" for stage in ("float", "prepared", "quantized")]
    onnx.save(source.build(), paths[0])
    quant_pre_process(paths[0], paths[1], skip_symbolic_shape=True)
    quantize_static(paths[1], paths[2], Feeds([source.feeds(i) for i in range(3)]), **OPTIONS[options])
    return onnx.load(paths[2]), source.feeds(99)


def check_network(name: str, options: str, directory: Path) -> None:
    left = check_layers(name, *quantized(name, options, directory))
    expected = LEFT.get(name, set()) | (LEFT_PER_CHANNEL.get(name, set()) if options in PER_CHANNEL else set())
    if options.startswith("qoperator") or options in ("float_results", "pairs_at_weights") or "4" in options:
        return  # these leave operators float that the others quantize
    assert left <= expected, name


# Every network once, every set of options some four times.
FAST = [
    (name, "u8s8" if (name, options) in IMPOSSIBLE else options)
    for name, options in zip(NETWORKS, itertools.cycle(OPTIONS), strict=False)
]


@pytest.mark.parametrize(("name", "options"), FAST)
def test_network(name: str, options: str, tmp_path: Path) -> None:
    check_network(name, options, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("options", OPTIONS)
def test_all_networks(options: str, tmp_path: Path) -> None:
    for name in NETWORKS:
        if (name, options) not in IMPOSSIBLE:
            check_network(name, options, tmp_path)
