"""The networks by name, and how one is built."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple, get_args

from onnx import ModelProto, NodeProto

from networks.classic import squeezenet1_1, vgg16
from networks.convnext import convnext_tiny
from networks.densenet import densenet121
from networks.efficientnet import SCALING, efficientnet
from networks.graph import GraphBuilder, Tensor
from networks.inception import googlenet, inception_v3
from networks.mobilenet import mnasnet1_0, mobilenet_v2, mobilenet_v3_large, mobilenet_v3_small
from networks.normalization import settle
from networks.npu_rewrites import imitate_npu, prepare
from networks.quantization import quantize
from networks.regnet import DESIGNS, regnet
from networks.resnet import BASIC_BLOCKS, BOTTLENECK_BLOCKS, resnet
from networks.shufflenet import shufflenet_v2_x1_0
from networks.yolov8 import DECODE, SCALES, yolov8

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
    if name not in NETWORKS:
        raise ValueError(f"no network '{name}'; there are {', '.join(NETWORKS)}")
    if decode and name not in SCALES:
        raise ValueError(f"decode is the box decoding of a YOLOv8; '{name}' has none")
    network = NETWORKS[name]
    size = resolution or network.resolution
    if name in SCALES and size % 32:
        raise ValueError(f"{name} takes resolutions that are multiples of 32, not {size}")
    builder = GraphBuilder(name, seed)
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
) -> ModelProto:
    """A network that runs: every layer of it alive, and quantized unless `precision` is "float".

    decode: with the box decoding of a YOLOv8, which stays float, as AMD recommends.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"no precision '{precision}'; there are {', '.join(PRECISIONS)}")
    model = topology(name, batch=batch, resolution=resolution, decode=decode, seed=seed)
    ranges = settle(model, seed)
    if precision == "float":
        return model
    values = (*model.graph.input, *model.graph.value_info, *model.graph.output)
    shapes = {v.name: tuple(d.dim_value for d in v.type.tensor_type.shape.dim) for v in values}
    prepare(model, _stays_float)
    quantized = quantize(model, ranges, precision, _stays_float)
    if precision == "xint8":
        imitate_npu(quantized, shapes, _stays_float)
    return quantized


def _stays_float(node: NodeProto) -> bool:
    return node.name.startswith(f"{DECODE}/")
