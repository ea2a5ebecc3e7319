"""Every network of quantizer_networks by onnxruntime's quantizer with the options that it has: what is claimed, and
each claimed layer against the oracle."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import vaip
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from oracle import evaluate
from quantizer_networks import NETWORKS, Arrays, network
from sessions import EP_NAME, Tally, run, vaip_session

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from layerwise import boundaries, cut, exposed, feeds_of, layer
from qoperator import to_qdq

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

# What VitisAIEP leaves, because it has no such layer, or because the quantizer left it or its neighbours float.
LEFT = {
    "relu_of_the_input": {"Relu"},
    "bias_gelu": {"BiasGelu", "MatMul"},
    "fast_gelu": {"FastGelu", "MatMul"},
    "skip_layer_norm": {"SkipLayerNormalization", "MatMul"},
    "embedding_layer_norm": {"EmbedLayerNormalization", "Cast", "MatMul"},
    "attention": {"Attention", "MatMul"},
    "lstm": {"LSTM"},
    "resize_cubic": {"Resize"},
    # preprocessing writes the operator out, with shapes that are computed
    "group_norm": {"Shape", "Reshape", "Cast", "Div", "Concat", "ReduceMean", "Sub"},
}
# Scales along another axis than that of the output channels.
LEFT_PER_CHANNEL = {
    "matmul_with_a_constant_before_it": {"MatMul"},
    "matmul_with_a_stack_of_weights": {"MatMul"},
}
# onnxruntime's quantizer or its CPU provider fails on these.
IMPOSSIBLE = {("gemm_with_a_matrix_of_biases", name) for name in (*PER_CHANNEL, "u8u8_reduced_per_channel")}


class _Feeds(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, feeds: list[Arrays]) -> None:
        self.remaining = feeds

    def get_next(self) -> Arrays | None:
        return self.remaining.pop() if self.remaining else None


def quantized(name: str, options: str, directory: Path) -> tuple[onnx.ModelProto, Arrays]:
    """The model, and an input that it was not calibrated with."""
    source = network(name)
    paths = [directory / f"{stage}.onnx" for stage in ("float", "prepared", "quantized")]
    onnx.save(source.build(), paths[0])
    quant_pre_process(paths[0], paths[1], skip_symbolic_shape=True)
    quantize_static(paths[1], paths[2], _Feeds([source.feeds(i) for i in range(3)]), **OPTIONS[options])
    model = onnx.load(paths[2])
    for i, node in enumerate(model.graph.node):
        node.name = node.name or f"{node.op_type}_{i}"
    return model, source.feeds(99)


def check_layers(name: str, model: onnx.ModelProto, feeds: Arrays) -> set[str]:
    """Each layer that VitisAIEP took against the oracle, on the inputs that it got; the operators that it did not take.

    Without onnxruntime's optimizations, which quantize what the quantizer left float (weights, biases) themselves.
    """
    session = vaip_session(model, fallback=True, optimize=False)
    left = {node.op for node in vaip.reports()[-1].unclaimed} - {"QuantizeLinear", "DequantizeLinear"}
    parts = session.get_provider_graph_assignment_info()
    claimed = {node.name for part in parts if part.ep_name == EP_NAME for node in part.get_nodes()}
    outputs = run(session, feeds)

    shown = exposed(model)
    names = [o.name for o in shown.graph.output]
    tensors = dict(zip(names, run(vaip_session(shown, fallback=True, optimize=False), feeds), strict=True))
    for output, got in zip(model.graph.output, outputs, strict=True):
        np.testing.assert_array_equal(got, tensors[output.name], err_msg=output.name)
    pieces = cut(model, tensors)
    given = feeds_of(pieces, feeds, tensors)
    tally = Tally()
    for boundary in boundaries(model):
        part = layer(pieces, boundary.tensor)
        if any(node.name not in claimed for node in part.graph.node if node.op_type != "DequantizeLinear"):
            continue  # wholly or in part the CPU provider's
        expected = evaluate(to_qdq(part), {i.name: given[i.name] for i in part.graph.input})[boundary.tensor]
        tally.add(expected, tensors[boundary.tensor], f"{name}: {boundary.op} -> {boundary.tensor}", equal=False)
    # Of some thousand elements one may be at a tie.
    assert tally.different <= max(1, 1e-4 * tally.elements), name
    return left


def check_network(name: str, options: str, directory: Path) -> None:
    left = check_layers(name, *quantized(name, options, directory))
    expected = LEFT.get(name, set()) | (LEFT_PER_CHANNEL.get(name, set()) if options in PER_CHANNEL else set())
    if options.startswith("qoperator") or options in ("float_results", "pairs_at_weights") or "4" in options:
        return  # these leave operators float that the others quantize
    assert left <= expected, name


# Every network once, every set of options some four times.
FAST = [cell for cell in zip(NETWORKS, itertools.cycle(OPTIONS), strict=False) if cell not in IMPOSSIBLE]


@pytest.mark.parametrize(("name", "options"), FAST)
def test_network(name: str, options: str, tmp_path: Path) -> None:
    check_network(name, options, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("options", OPTIONS)
def test_all_networks(options: str, tmp_path: Path) -> None:
    for name in NETWORKS:
        if (name, options) not in IMPOSSIBLE:
            check_network(name, options, tmp_path)
