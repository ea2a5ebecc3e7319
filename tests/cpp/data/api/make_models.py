"""Writes the models that test_api.cpp runs, with the onnx package: python make_models.py

The files are in the repository, so that the C++ tests need no Python.
"""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

HERE = Path(__file__).parent
FLOAT = TensorProto.FLOAT

CONSTANTS = [
    numpy_helper.from_array(np.float32(0.5), "sx"),
    numpy_helper.from_array(np.uint8(128), "zx"),
    numpy_helper.from_array(np.int8([[1, -2], [3, 0]]).reshape(2, 2, 1, 1), "w"),
    numpy_helper.from_array(np.float32(0.25), "sw"),
    numpy_helper.from_array(np.int8(0), "zw"),
    numpy_helper.from_array(np.int32([8, -16]), "b"),
    numpy_helper.from_array(np.float32(0.125), "sb"),
    numpy_helper.from_array(np.int32(0), "zb"),
    numpy_helper.from_array(np.float32(0.25), "sy"),
    numpy_helper.from_array(np.uint8(0), "zy"),
]


def conv(tag: str, source: str) -> list[onnx.NodeProto]:
    """source (dequantized) -> a convolution of 1x1 with bias, Relu, Q."""
    node = helper.make_node
    return [
        node("DequantizeLinear", ["w", "sw", "zw"], [f"{tag}_wd"], name=f"{tag}/w_dq"),
        node("DequantizeLinear", ["b", "sb", "zb"], [f"{tag}_bd"], name=f"{tag}/b_dq"),
        node("Conv", [source, f"{tag}_wd", f"{tag}_bd"], [f"{tag}_c"], name=f"{tag}/conv"),
        node("Relu", [f"{tag}_c"], [f"{tag}_r"], name=f"{tag}/relu"),
        node("QuantizeLinear", [f"{tag}_r", "sy", "zy"], [f"{tag}_q"], name=f"{tag}/q"),
    ]


def save(name: str, nodes: list[onnx.NodeProto], output: str, batch: int | str) -> None:
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes, "g", [value("x", FLOAT, [batch, 2, 2, 2])], [value(output, FLOAT, [batch, 2, 2, 2])], CONSTANTS
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    (HERE / name).write_bytes(onnx.shape_inference.infer_shapes(model).SerializeToString())


def main() -> None:
    node = helper.make_node
    edge = [
        node("QuantizeLinear", ["x", "sx", "zx"], ["xq"], name="q_in"),
        node("DequantizeLinear", ["xq", "sx", "zx"], ["xd"], name="dq_in"),
    ]
    dequantize = node("DequantizeLinear", ["a_q", "sy", "zy"], ["y"], name="dq_out")
    save("claimed.onnx", [*edge, *conv("a", "xd"), dequantize], "y", 1)
    save("dynamic.onnx", [*edge, *conv("a", "xd"), dequantize], "y", "N")

    # A node that VAIP does not know between two convolutions; its DequantizeLinear has another reader.
    between = [
        node("DequantizeLinear", ["a_q", "sy", "zy"], ["ad"], name="a/dq"),
        node("Tan", ["ad"], ["tan"], name="tan"),
        node("Add", ["ad", "tan"], ["sum"], name="add"),
        node("QuantizeLinear", ["sum", "sx", "zx"], ["sq"], name="sum_q"),
        node("DequantizeLinear", ["sq", "sx", "zx"], ["sd"], name="sum_dq"),
    ]
    out = node("DequantizeLinear", ["b2_q", "sy", "zy"], ["y"], name="dq_out")
    save("mixed.onnx", [*edge, *conv("a", "xd"), *between, *conv("b2", "sd"), out], "y", 1)
    save("mixed_dynamic.onnx", [*edge, *conv("a", "xd"), *between, *conv("b2", "sd"), out], "y", "N")


if __name__ == "__main__":
    main()
