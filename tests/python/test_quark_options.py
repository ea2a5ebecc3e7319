"""The networks of quantizer_networks by AMD Quark's presets and options: what is claimed, and each claimed layer
against the oracle."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import onnx
import pytest
from float_network import Arrays, Feeds
from layer_by_layer import check_layers
from quantizer_networks import LEFT, NETWORKS, network

pytest.importorskip("quark.onnx", reason="needs the extra: pip install 'vaip[quark]'")

from quark.onnx import ModelQuantizer
from quark.onnx.quantization.config import Config, get_default_config

_ALIGN = {f"Align{what}": True for what in ("Slice", "Pad", "Concat", "Pool", "Split", "Transpose", "Reshape")}
_REMOVE = {f"RemoveQDQConv{what}": True for what in ("Relu", "Clip", "LeakyRelu", "PRelu", "Gelu")}

# Preset, fields of its configuration, extra options.
OPTIONS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "xint8": ("XINT8", {}, {}),
    "xint8_aligned": ("XINT8", {}, {**_ALIGN, "AlignEltwiseQuantType": True}),
    "xint8_not_aligned": ("XINT8", {}, dict.fromkeys(_ALIGN, False)),
    "xint8_folded_relu": ("XINT8", {}, {"FoldRelu": True}),
    "xint8_not_simulated": ("XINT8", {}, {"SimulateDPU": False}),
    "xint8_bias": ("XINT8", {}, {"Int32Bias": True, "BiasCorrection": True}),
    "xint8_not_converted": ("XINT8", {}, {"ConvertBNToConv": False, "ConvertSplitToSlice": True}),
    "xint8_equalized": ("XINT8", {"include_cle": True}, {}),
    "a8w8": ("A8W8", {}, {}),
    "a8w8_per_channel": ("A8W8", {"per_channel": True}, {"QuantizeAllOpTypes": True}),
    "a8w8_int16_bias": ("A8W8", {}, {"Int16Bias": True, "Int32Bias": False}),
    "a8w8_pairs": ("A8W8", {}, {"DedicatedQDQPair": True, "AddQDQPairToWeight": True}),
    "a8w8_fewer_pairs": ("A8W8", {}, {**_REMOVE, "RemoveQDQMulAdd": True, "RemoveQDQInstanceNorm": True}),
    "a16w8": ("A16W8", {}, {}),
    "a16w8_per_channel": ("A16W8", {"per_channel": True}, {"Int32Bias": True}),
    "s16s16_mixed_s8s8": ("S16S16_MIXED_S8S8", {}, {}),
    "u8u8": ("U8U8_AAWA", {}, {}),
    "u16s8": ("U16S8_AAWS", {}, {}),
    "int8_transformer": ("INT8_TRANSFORMER_DEFAULT", {}, {}),
    "int16_cnn": ("INT16_CNN_DEFAULT", {}, {}),
}
# Quark itself fails on these.
IMPOSSIBLE = {"gemm_with_a_matrix_of_biases", "layer_norm_without_bias"}


def quantized(
    name: str, options: str, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[onnx.ModelProto, Arrays]:
    preset, fields, extra = OPTIONS[options]
    config = copy.deepcopy(get_default_config(preset))
    for field, value in fields.items():
        setattr(config, field, value)
    config.extra_options = {**(config.extra_options or {}), **extra}
    source = network(name)
    onnx.save(source.build(), directory / "float.onnx")
    monkeypatch.chdir(directory)  # where Quark leaves files of its own
    feeds = Feeds([source.feeds(i) for i in range(3)])
    ModelQuantizer(Config(global_quant_config=config)).quantize_model("float.onnx", "quantized.onnx", feeds)
    return onnx.load("quantized.onnx"), source.feeds(99)


@pytest.mark.slow
@pytest.mark.parametrize("options", OPTIONS)
def test_all_networks(options: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NETWORKS:
        if name not in IMPOSSIBLE:
            left = check_layers(name, *quantized(name, options, tmp_path, monkeypatch))
            if options.startswith(("xint8", "a8w8", "a16w8")):
                assert left <= LEFT.get(name, set()), name
