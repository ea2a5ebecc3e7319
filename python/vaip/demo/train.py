"""Trains the demo's network and writes python/vaip/demo/data: FP32 model, INT8 model, images.

    pip install '.[train]' && python python/vaip/demo/train.py

The data is shipped, so nobody needs to run this: it documents where the files came from. Everything is seeded; another
version of PyTorch or another CPU may move single weights by a rounding, and the accuracies by a few images.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import load_digits
from torch import nn

SEED = 2024
HELD_OUT = 600  # of 1797 images
EPOCHS = 80
OPSET = 17
CALIBRATION_IMAGES = 256

Array = NDArray[Any]


class DigitsNet(nn.Module):
    """8x8 digits: two convolutions, a depthwise-separable residual block, pooling, a convolution, a classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 3, padding=1)
        self.conv2 = nn.Conv2d(16, 32, 3, padding=1)
        self.depthwise = nn.Conv2d(32, 32, 3, padding=1, groups=32)
        self.pointwise = nn.Conv2d(32, 32, 1)
        self.conv3 = nn.Conv2d(32, 64, 3, padding=1)
        self.classifier = nn.Linear(64, 10)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.conv1(image))
        x = torch.relu(self.conv2(x))
        x = torch.relu(x + self.pointwise(torch.relu(self.depthwise(x))))
        x = torch.max_pool2d(x, 2)
        x = torch.relu(self.conv3(x))
        return self.classifier(x.mean(dim=(2, 3)))  # type: ignore[no-any-return]


def train(images: Array, labels: Array) -> DigitsNet:
    torch.manual_seed(SEED)
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(1)
    network = DigitsNet()
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3, weight_decay=1e-3)
    steps = EPOCHS * (len(images) // 64)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    order = np.random.default_rng(SEED)
    for _ in range(EPOCHS):
        shuffled = order.permutation(len(images))
        for first in range(0, len(images) - 63, 64):
            rows = shuffled[first : first + 64]
            dy, dx = order.integers(-1, 2, size=2)
            shifted = np.roll(np.pad(images[rows], ((0, 0), (0, 0), (1, 1), (1, 1))), (dy, dx), (2, 3))[:, :, 1:9, 1:9]
            loss = nn.functional.cross_entropy(
                network(torch.from_numpy(shifted.copy())), torch.from_numpy(labels[rows]), label_smoothing=0.05
            )
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
    network.eval()
    return network


def export_fp32(network: DigitsNet) -> onnx.ModelProto:
    """The network as ONNX, operator by operator, with a dynamic batch."""
    weights = {name: value.detach().numpy() for name, value in network.state_dict().items()}
    nodes = []

    def add(op: str, name: str, inputs: list[str], **attributes: Any) -> str:
        nodes.append(helper.make_node(op, inputs, [name], name=name, **attributes))
        return name

    def conv(name: str, x: str, kernel: int, group: int = 1) -> str:
        pad = kernel // 2
        inputs = [x, f"{name}.weight", f"{name}.bias"]
        return add("Conv", name, inputs, kernel_shape=[kernel, kernel], pads=[pad] * 4, strides=[1, 1], group=group)

    x = add("Relu", "relu1", [conv("conv1", "image", 3)])
    trunk = add("Relu", "relu2", [conv("conv2", x, 3)])
    branch = add("Relu", "relu_depthwise", [conv("depthwise", trunk, 3, group=32)])
    x = add("Add", "residual", [trunk, conv("pointwise", branch, 1)])
    x = add("MaxPool", "pool", [add("Relu", "relu_residual", [x])], kernel_shape=[2, 2], strides=[2, 2])
    x = add("Relu", "relu3", [conv("conv3", x, 3)])
    x = add("Flatten", "flatten", [add("GlobalAveragePool", "average", [x])], axis=1)
    nodes.append(
        helper.make_node("Gemm", [x, "classifier.weight", "classifier.bias"], ["logits"], name="classifier", transB=1)
    )
    graph = helper.make_graph(
        nodes,
        "digits",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 1, 8, 8])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 10])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    return _model(graph)


def _model(graph: onnx.GraphProto) -> onnx.ModelProto:
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8, producer_name="vaip.demo.train"
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def power_of_two_exponent(values: Array) -> int:
    """The e of the int8 scale 2^e with the least squared error among five candidates around the largest magnitude."""
    base = int(np.ceil(np.log2(max(float(np.abs(values).max()), 2.0**-20) / 127)))

    def squared_error(exponent: int) -> float:
        scale = 2.0**exponent
        return float(np.sum((np.clip(np.rint(values / scale), -128, 127) * scale - values) ** 2))

    return min(range(base + 1, base - 4, -1), key=squared_error)


def record_activations(model: onnx.ModelProto, images: Array) -> dict[str, Array]:
    observed = onnx.ModelProto()
    observed.CopyFrom(model)
    names = [node.output[0] for node in model.graph.node]
    del observed.graph.output[:]
    observed.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names)
    session = ort.InferenceSession(observed.SerializeToString(), providers=["CPUExecutionProvider"])
    return {"image": images} | dict(zip(names, session.run(names, {"image": images}), strict=True))


def quantize(model: onnx.ModelProto, calibration: Array) -> onnx.ModelProto:
    """XINT8-style: int8 symmetric, power-of-two scales, Q/DQ at every activation that Relu does not directly follow."""
    activations = record_activations(model, calibration)
    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    before_relu = {node.input[0] for node in model.graph.node if node.op_type == "Relu"}
    exponents: dict[str, int] = {}
    nodes: list[onnx.NodeProto] = []
    initializers: list[onnx.TensorProto] = []

    def constant(name: str, value: Array) -> str:
        initializers.append(numpy_helper.from_array(value, name))
        return name

    def parameters(name: str, exponent: int, dtype: type[np.integer[Any]]) -> list[str]:
        scale = constant(f"{name}.scale", np.array(2.0**exponent, np.float32))
        return [scale, constant(f"{name}.zero_point", np.array(0, dtype))]

    def quantize_activation(name: str, dequantized: str, exponent: int) -> None:
        exponents[name] = exponent
        pair = parameters(name, exponent, np.int8)
        quantized = f"{name}.quantized"
        nodes.append(helper.make_node("QuantizeLinear", [name, *pair], [quantized], name=f"{name}.q"))
        nodes.append(helper.make_node("DequantizeLinear", [quantized, *pair], [dequantized], name=f"{name}.dq"))

    def dequantize_constant(name: str, exponent: int, dtype: type[np.integer[Any]]) -> str:
        limits = np.iinfo(dtype)
        values = np.clip(np.rint(weights[name].astype(np.float64) / 2.0**exponent), limits.min, limits.max)
        inputs = [constant(f"{name}.quantized", values.astype(dtype)), *parameters(name, exponent, dtype)]
        nodes.append(helper.make_node("DequantizeLinear", inputs, [f"{name}.dequantized"], name=f"{name}.dq"))
        return f"{name}.dequantized"

    quantize_activation("image", "image.dequantized", power_of_two_exponent(activations["image"]))
    for node in model.graph.node:
        output = node.output[0]
        inputs = [f"{name}.dequantized" if name in exponents else name for name in node.input]
        exponent = power_of_two_exponent(activations[output]) if output not in before_relu else None
        if node.op_type in ("Conv", "Gemm"):
            x, weight, bias = node.input
            weight_exponent = power_of_two_exponent(weights[weight])
            inputs[1] = dequantize_constant(weight, weight_exponent, np.int8)
            inputs[2] = dequantize_constant(bias, exponents[x] + weight_exponent, np.int32)
        elif node.op_type in ("MaxPool", "Flatten"):
            exponent = exponents[node.input[0]]  # moves data: what comes out is on the grid of what went in
        result = output
        if output == "logits":  # the graph's output is the dequantized tensor and keeps its name
            result = "classifier.output"
        copy = helper.make_node(node.op_type, inputs, [result], name=node.name)
        copy.attribute.extend(node.attribute)
        nodes.append(copy)
        if exponent is not None:
            quantize_activation(result, "logits" if output == "logits" else f"{result}.dequantized", exponent)
    graph = helper.make_graph(nodes, "digits_int8", model.graph.input, model.graph.output, initializers)
    return _model(graph)


def accuracy(model: onnx.ModelProto, images: Array, labels: Array) -> float:
    options = ort.SessionOptions()
    options.add_session_config_entry("session.x64quantprecision", "1")
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    (logits,) = session.run(None, {"image": images})
    return float(np.mean(np.argmax(logits, axis=1) == labels))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output-dir", type=Path, default=Path(__file__).parent / "data")
    directory: Path = parser.parse_args().output_dir
    directory.mkdir(parents=True, exist_ok=True)

    digits = load_digits()
    pixels = digits.images.astype(np.uint8)  # 0..16
    images = (pixels[:, np.newaxis] / 16).astype(np.float32)
    labels = digits.target.astype(np.int64)
    shuffled = np.random.default_rng(SEED).permutation(len(images))
    held_out, training = shuffled[:HELD_OUT], shuffled[HELD_OUT:]

    fp32 = export_fp32(train(images[training], labels[training]))
    int8 = quantize(fp32, images[training[:CALIBRATION_IMAGES]])
    onnx.save(fp32, directory / "digits_fp32.onnx")
    onnx.save(int8, directory / "digits_int8.onnx")
    for name, rows in (("heldout", held_out), ("training", training)):
        np.savez_compressed(directory / f"digits_{name}.npz", pixels=pixels[rows], labels=labels[rows].astype(np.uint8))
    for name, model in (("FP32", fp32), ("INT8", int8)):
        print(
            f"{name} accuracy on {HELD_OUT} held-out images: {accuracy(model, images[held_out], labels[held_out]):.4f}"
        )


if __name__ == "__main__":
    main()
