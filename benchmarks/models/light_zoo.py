"""Classic CNNs as quantized ONNX models without a download: topologies from the onnx package, seeded random weights.

The onnx package ships the graphs of nine networks (onnx/backend/test/data/light), weights replaced by constants. Here
each gets random weights of sensible scale (He initialization, batch normalization close to the identity), is converted
to opset 17, has its batch normalization folded by onnxruntime, and is quantized to QDQ form. Speed, partition and
agreement depend on shapes and types only, so random weights serve; accuracy on a data set is not what these are for.

    python light_zoo.py resnet50 squeezenet --out models/ [--power-of-two] [--float]
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import ModelProto, NodeProto, numpy_helper, version_converter
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from power_of_two import to_power_of_two

LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
NAMES = tuple(sorted(p.stem.removeprefix("light_") for p in LIGHT.glob("light_*.onnx")))
OPSET = 17


def float_model(name: str, seed: int = 0) -> ModelProto:
    """The float32 network in opset 17, shapes inferred, batch normalization folded."""
    path = LIGHT / f"light_{name}.onnx"
    if not path.exists():
        raise ValueError(f"no light model '{name}'; there are {', '.join(NAMES)}")
    model = onnx.load(path)
    _fill_weights(model, np.random.default_rng(seed))
    model.ir_version = 8
    return _fold(version_converter.convert_version(model, OPSET))


def quantized_model(name: str, *, power_of_two: bool = False, seed: int = 0, images: int = 3) -> ModelProto:
    """U8S8 per-channel QDQ by onnxruntime's quantize_static; power_of_two: every scale, as in XINT8."""
    model = float_model(name, seed)
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "quantized.onnx"
        quantize_static(
            model,
            path,
            _RandomImages(model, seed, images),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
        quantized = onnx.load(path)
    return to_power_of_two(quantized) if power_of_two else quantized


def sample_inputs(model: ModelProto, seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    shapes = {i.name: [d.dim_value for d in i.type.tensor_type.shape.dim] for i in model.graph.input}
    return {name: rng.standard_normal(shape, np.float32) for name, shape in shapes.items()}


class _RandomImages(CalibrationDataReader):
    def __init__(self, model: ModelProto, seed: int, count: int) -> None:
        self._feeds: Iterator[dict[str, np.ndarray]] = iter(
            [sample_inputs(model, seed * 1000 + i) for i in range(count)]
        )

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self._feeds, None)


def _fill_weights(model: ModelProto, rng: np.random.Generator) -> None:
    """Random initializers in place of the constants, each scaled for the operator that reads it."""
    graph = model.graph
    constants = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    shapes = {name: a.shape for name, a in constants.items() if a.dtype == np.float32 and a.ndim > 0}
    for node in graph.node:
        if node.op_type == "ConstantOfShape":
            shapes[node.output[0]] = tuple(int(d) for d in constants[node.input[0]])
    # DenseNet and Inception write a channel's scale and shift as Mul and Add of unsqueezed vectors; Inception v1
    # reshapes its last weights.
    views = [n for n in graph.node if n.op_type in ("Unsqueeze", "Reshape") and n.input[0] in shapes]
    aliases = {n.output[0]: n.input[0] for n in views}
    weights: dict[str, np.ndarray] = {}
    for node in graph.node:
        for position, read in enumerate(node.input):
            name = aliases.get(read, read)
            if name in shapes and node not in views and name not in weights:
                weights[name] = _random_weight(node, position, shapes[name], rng)
    for node in [n for n in graph.node if n.op_type == "ConstantOfShape"]:
        graph.node.remove(node)
    kept = [t for t in graph.initializer if t.name not in weights and _is_read(graph, t.name)]
    del graph.initializer[:]
    graph.initializer.extend([*kept, *(numpy_helper.from_array(a, n) for n, a in weights.items())])
    names = {t.name for t in graph.initializer}
    real_inputs = [i for i in graph.input if i.name not in names and _is_read(graph, i.name)]
    del graph.input[:]
    graph.input.extend(real_inputs)


def _is_read(graph: onnx.GraphProto, name: str) -> bool:
    return any(name in node.input for node in graph.node)


def _random_weight(node: NodeProto, position: int, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    near_one, near_zero = rng.uniform(0.8, 1.2, shape), rng.normal(0.0, 0.05, shape)
    if node.op_type == "Conv" and position == 1:
        values = rng.normal(0.0, np.sqrt(2.0 / np.prod(shape[1:])), shape)
    elif node.op_type == "Gemm" and position == 1:
        values = rng.normal(0.0, 1.0 / np.sqrt(shape[-1]), shape)  # transB; small logits keep Softmax from saturating
    elif node.op_type == "Mul" or (node.op_type == "BatchNormalization" and position in (1, 4)):
        values = near_one  # scale, variance
    else:
        values = near_zero  # biases, means
    return values.astype(np.float32)


def _fold(model: ModelProto) -> ModelProto:
    """onnxruntime's basic optimizations: what a deployed model has behind it before it is quantized."""
    with tempfile.TemporaryDirectory() as directory:
        options = ort.SessionOptions()
        options.log_severity_level = 3
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(Path(directory) / "folded.onnx")
        ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        return onnx.load(options.optimized_model_filepath)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="+", choices=NAMES, metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--out", type=Path, default=Path(), help="directory for the models")
    parser.add_argument("--power-of-two", action="store_true", help="round every scale up to a power of two (XINT8)")
    parser.add_argument("--float", action="store_true", help="also write the float32 models")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name in arguments.names:
        suffix = "xint8" if arguments.power_of_two else "int8"
        path = arguments.out / f"{name}_{suffix}.onnx"
        onnx.save(quantized_model(name, power_of_two=arguments.power_of_two, seed=arguments.seed), path)
        print(path)
        if arguments.float:
            path = arguments.out / f"{name}_fp32.onnx"
            onnx.save(float_model(name, arguments.seed), path)
            print(path)


if __name__ == "__main__":
    main()
