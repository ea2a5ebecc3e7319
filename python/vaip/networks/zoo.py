"""The networks by name, and how one is built."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple, get_args

from onnx import ModelProto, NodeProto

from vaip.networks.classic import squeezenet1_1, vgg16
from vaip.networks.convnext import convnext_tiny
from vaip.networks.densenet import densenet121
from vaip.networks.efficientnet import SCALING, efficientnet
from vaip.networks.graph import GraphBuilder, Tensor
from vaip.networks.inception import googlenet, inception_v3
from vaip.networks.mobilenet import mnasnet1_0, mobilenet_v2, mobilenet_v3_large, mobilenet_v3_small
from vaip.networks.normalization import settle
from vaip.networks.npu_rewrites import imitate_npu, prepare
from vaip.networks.quantization import UNCALIBRATED_RANGE, quantize
from vaip.networks.regnet import DESIGNS, regnet
from vaip.networks.resnet import BASIC_BLOCKS, BOTTLENECK_BLOCKS, resnet
from vaip.networks.shufflenet import shufflenet_v2_x1_0
from vaip.networks.yolov8 import DECODE, SCALES, yolov8

Precision = Literal["float", "xint8", "a8w8"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)


class Network(NamedTuple):
    layers: Callable[..., list[Tensor]]
    resolution: int = 224  # that it was published for


NETWORKS: dict[str, Network] = {
    **{name: Network(resnet) for name in (*BASIC_BLOCKS, *BOTTLENECK_BLOCKS)},
    "mobilenet_v2": Network(mobilenet_v2),
    "mobilenet_v3_small": Network(mobilenet_v3_small),
    "mobilenet_v3_large": Network(mobilenet_v3_large),
    **{n: Network(efficientnet, size) for n, size in zip(SCALING, (224, 240, 260, 300), strict=True)},
    **{name: Network(yolov8, 640) for name in SCALES},
    "vgg16": Network(vgg16),
    "densenet121": Network(densenet121),
    "squeezenet1_1": Network(squeezenet1_1),
    "inception_v3": Network(inception_v3, 299),
    "googlenet": Network(googlenet),
    "mnasnet1_0": Network(mnasnet1_0),
    "shufflenet_v2_x1_0": Network(shufflenet_v2_x1_0),
    **{name: Network(regnet) for name in DESIGNS},
    "convnext_tiny": Network(convnext_tiny),
}


def topology(
    name: str, *, batch: int = 1, resolution: int | None = None, decode: bool = False, seed: int = 0
) -> ModelProto:
    """The float network with random weights as they were drawn, its normalizations not settled yet."""
    return _draw(name, batch, resolution, decode, seed)


def _draw(
    name: str, batch: int, resolution: int | None, decode: bool, seed: int, quantized_weights: bool = False
) -> ModelProto:
    if name not in NETWORKS:
        raise ValueError(f"no network '{name}'; there are {', '.join(NETWORKS)}")
    if decode and name not in SCALES:
        raise ValueError(f"decode is the box decoding of a YOLOv8; '{name}' has none")
    network = NETWORKS[name]
    size = resolution or network.resolution
    if name in SCALES and size % 32:
        raise ValueError(f"{name} takes resolutions that are multiples of 32, not {size}")
    builder = GraphBuilder(name, seed, quantized_weights=quantized_weights)
    image = builder.input(batch, 3, size, size)
    return builder.model(*network.layers(builder, image, **({"decode": True} if decode else {})))


def build(
    name: str,
    precision: Precision = "xint8",
    *,
    batch: int = 1,
    resolution: int | None = None,
    decode: bool = False,
    seed: int = 0,
    calibrated: bool = True,
) -> ModelProto:
    """A network that runs: every layer of it alive, and quantized unless `precision` is "float".

    decode: with the box decoding of a YOLOv8, which stays float, as AMD recommends. calibrated=False saves the run of
    the float network that scales and normalizations come from: the graph is the same, and so is its timing, but it
    computes nothing of sense. Many times faster to build.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"no precision '{precision}'; there are {', '.join(PRECISIONS)}")
    model = _draw(name, batch, resolution, decode, seed, quantized_weights=not calibrated and precision != "float")
    values = (*model.graph.input, *model.graph.value_info, *model.graph.output)
    ranges = settle(model, seed) if calibrated else dict.fromkeys((v.name for v in values), UNCALIBRATED_RANGE)
    if precision == "float":
        return model
    shapes = {v.name: tuple(d.dim_value for d in v.type.tensor_type.shape.dim) for v in values}
    prepare(model, _stays_float)
    quantized = quantize(model, ranges, precision, _stays_float)
    if precision == "xint8":
        imitate_npu(quantized, shapes, _stays_float)
    return quantized


def _stays_float(node: NodeProto) -> bool:
    return node.name.startswith(f"{DECODE}/")
