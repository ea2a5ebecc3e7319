"""The float networks of coverage.py and host_speed.py by name, with inputs to calibrate and run them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import exported
import light_zoo
import numpy as np
import onnx
import pretrained
from numpy.typing import NDArray
from onnx import ModelProto
from vaip.networks import build

Inputs = dict[str, NDArray[Any]]

TRANSFORMERS = ("bert_mini", "bert_base", "vit_tiny", "llama_tiny")
YOLO_RESOLUTION = 320  # a quarter of the pixels of its publication; the graph is the same


class FloatNetwork(NamedTuple):
    origin: str
    build: Callable[[], ModelProto]
    inputs: Callable[[ModelProto, int], Inputs]
    transformer: bool = False


def _light(name: str) -> FloatNetwork:
    return FloatNetwork("onnx light zoo", lambda: light_zoo.float_model(name), light_zoo.sample_inputs)


def _published(name: str, **options: Any) -> FloatNetwork:
    return FloatNetwork("vaip.networks", lambda: build(name, "float", **options), light_zoo.sample_inputs)


def _exported(name: str) -> FloatNetwork:
    def inputs(model: ModelProto, seed: int) -> Inputs:
        feeds = exported.sample_inputs(name, seed)
        read = {value.name for value in model.graph.input}
        return {key: np.asarray(array) for key, array in feeds.items() if key in read}

    return FloatNetwork("torch export", lambda: exported.float_model(name), inputs, name in TRANSFORMERS)


def _minilm() -> FloatNetwork:
    def build_it() -> ModelProto:
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory) / "minilm.onnx"
            pretrained.export("minilm", path)
            return onnx.load(path)

    return FloatNetwork("transformers", build_it, lambda _, seed: exported.sample_inputs("bert_base", seed), True)


# What AMD has published operator counts of, and the quantizer that it used.
PARITY_QUANTIZER = "quark_xint8"
PARITY = (
    "resnet18",
    "resnet34",
    "resnet50",
    "squeezenet1_1",
    "mobilenet_v2",
    "mobilenet_v3_small",
    "shufflenet_v2_x1_0",
    "efficientnet_b0",
    "efficientnet_b1",
    "densenet121",
)

# Small ones first: a run that is stopped early has covered the most.
NETWORKS: dict[str, FloatNetwork] = {
    "light_squeezenet": _light("squeezenet"),
    "light_shufflenet": _light("shufflenet"),
    "bert_mini": _exported("bert_mini"),
    "mobilenet_v2": _published("mobilenet_v2"),
    "mobilenet_v3_large": _published("mobilenet_v3_large"),
    "vit_tiny": _exported("vit_tiny"),
    "llama_tiny": _exported("llama_tiny"),
    "unet": _exported("unet"),
    "style_transfer": _exported("style_transfer"),
    "espcn": _exported("espcn"),
    "efficientnet_b0": _published("efficientnet_b0"),
    "light_resnet50": _light("resnet50"),
    "yolov8n": _published("yolov8n", resolution=YOLO_RESOLUTION, decode=True),
    "light_inception_v1": _light("inception_v1"),
    "light_inception_v2": _light("inception_v2"),
    "light_densenet121": _light("densenet121"),
    "convnext_tiny": _published("convnext_tiny"),
    "light_bvlc_alexnet": _light("bvlc_alexnet"),
    "light_zfnet512": _light("zfnet512"),
    "light_vgg19": _light("vgg19"),
}
PARITY_NETWORKS: dict[str, FloatNetwork] = {name: NETWORKS.get(name) or _published(name) for name in PARITY}
# Encoders of a size at which their speed says something.
ENCODERS: dict[str, FloatNetwork] = {"bert_base": _exported("bert_base"), "minilm": _minilm()}
