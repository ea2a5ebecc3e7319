"""Writes the models that test_protobuf_import.cpp reads, with the onnx package: python make_onnx_models.py

The C++ reader shares no code with it. The files are in the repository, so that the tests need no Python.
"""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

HERE = Path(__file__).parent


def save(name: str, graph: onnx.GraphProto, opsets: list[tuple[str, int]]) -> None:
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid(d, v) for d, v in opsets], ir_version=8)
    model.producer_name, model.doc_string = "vaip tests", "a doc string that the reader skips"
    (HERE / name).write_bytes(model.SerializeToString())


def qdq_conv() -> None:
    """Float in, Q, DQ -> Conv -> Relu -> Q, DQ, and an If that reads an outer value."""
    weight = np.arange(-27, 27, dtype=np.int8).reshape(2, 3, 3, 3)
    initializers = [
        numpy_helper.from_array(np.float32(0.5), "s"),
        numpy_helper.from_array(np.uint8(128), "zp"),
        numpy_helper.from_array(weight, "w"),
        numpy_helper.from_array(np.float32([0.25, 0.125]), "ws"),
        numpy_helper.from_array(np.int8([0, 0]), "wzp"),
    ]
    value = helper.make_tensor_value_info
    then_branch = helper.make_graph(
        [helper.make_node("Neg", ["y"], ["t"])], "then", [], [value("t", TensorProto.FLOAT, [None] * 4)]
    )
    else_branch = helper.make_graph(
        [helper.make_node("Identity", ["own"], ["e"])],
        "else",
        [],
        [value("e", TensorProto.FLOAT, [None] * 4)],
        [numpy_helper.from_array(np.ones((1, 1, 1, 1), np.float32), "own")],
    )
    nodes = [
        helper.make_node("Constant", [], ["bias"], value_floats=[1.5, -2.5]),
        helper.make_node("QuantizeLinear", ["x", "s", "zp"], ["xq"], name="q_in"),
        helper.make_node("DequantizeLinear", ["xq", "s", "zp"], ["xd"], name="dq_in"),
        helper.make_node("DequantizeLinear", ["w", "ws", "wzp"], ["wd"], name="dq_w", axis=-4),
        helper.make_node(
            "Conv", ["xd", "wd", "bias"], ["c"], name="conv", pads=[1, 1, 1, 1], auto_pad="NOTSET", group=1
        ),
        helper.make_node("Relu", ["c"], ["r"], name="relu"),
        helper.make_node("QuantizeLinear", ["r", "s", "zp"], ["rq"], name="q_out"),
        helper.make_node("DequantizeLinear", ["rq", "s", "zp"], ["y"], name="dq_out"),
        helper.make_node("If", ["cond"], ["z"], name="if", then_branch=then_branch, else_branch=else_branch),
    ]
    inputs = [
        value("x", TensorProto.FLOAT, ["N", 3, 5, 6]),
        value("cond", TensorProto.BOOL, []),
        value("w", TensorProto.INT8, [2, 3, 3, 3]),  # an initializer that is listed as an input, too
    ]
    outputs = [value("y", TensorProto.FLOAT, ["N", 2, 5, 6]), value("z", TensorProto.FLOAT, [None] * 4)]
    save(
        "qdq_conv.onnx", helper.make_graph(nodes, "g", inputs, outputs, initializers), [("", 17), ("com.microsoft", 1)]
    )


def tensor_fields() -> None:
    """Each element type in the typed field that onnx.proto gives it, and attributes of each kind."""
    tensors = [
        helper.make_tensor("f32", TensorProto.FLOAT, [2], [1.5, -2.0]),
        helper.make_tensor("f64", TensorProto.DOUBLE, [1], [0.1]),
        helper.make_tensor("s8", TensorProto.INT8, [3], [-128, 0, 127]),
        helper.make_tensor("u8", TensorProto.UINT8, [2], [0, 255]),
        helper.make_tensor("s16", TensorProto.INT16, [2], [-32768, 32767]),
        helper.make_tensor("u16", TensorProto.UINT16, [1], [65535]),
        helper.make_tensor("s32", TensorProto.INT32, [2], [-(2**31), 2**31 - 1]),
        helper.make_tensor("s64", TensorProto.INT64, [2], [-(2**63), 2**63 - 1]),
        helper.make_tensor("u32", TensorProto.UINT32, [1], [2**32 - 1]),
        helper.make_tensor("u64", TensorProto.UINT64, [1], [2**64 - 1]),
        helper.make_tensor("bool", TensorProto.BOOL, [2], [True, False]),
        helper.make_tensor("f16", TensorProto.FLOAT16, [1], [1.0]),
        helper.make_tensor("string", TensorProto.STRING, [1], [b"text"]),
        helper.make_tensor("scalar", TensorProto.INT32, [], [7]),
        helper.make_tensor("empty", TensorProto.FLOAT, [0], []),
    ]
    node = helper.make_node(
        "Any",
        ["x", "", "f32"],
        ["y"],
        domain="custom",
        i=-3,
        f=0.5,
        s="text",
        ints=[1, -2],
        floats=[1.0, 2.0],
        strings=["a", "b"],
        t=helper.make_tensor("t", TensorProto.INT8, [1], [-5]),
    )
    constants = [
        helper.make_node("Constant", [], ["c_int"], value_int=42),
        helper.make_node("Constant", [], ["c_ints"], value_ints=[1, 2, 3]),
        helper.make_node("Constant", [], ["c_float"], value_float=2.5),
        helper.make_node(
            "Constant", [], ["c_tensor"], value=helper.make_tensor("v", TensorProto.UINT8, [2, 1], [3, 4])
        ),
        helper.make_node("Constant", [], ["c_string"], value_string="text"),
    ]
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        [*constants, node],
        "g",
        [
            info("x", TensorProto.UINT8, [1, None, "n"]),
            helper.make_tensor_sequence_value_info("seq", TensorProto.FLOAT, None),
        ],
        [info("y", TensorProto.FLOAT, None)],
        tensors,
    )
    save("tensor_fields.onnx", graph, [("ai.onnx", 21), ("custom", 3)])


def external_data() -> None:
    tensor = TensorProto(name="w", data_type=TensorProto.INT16, dims=[2, 2], data_location=TensorProto.EXTERNAL)
    for key, text in {"location": "external_data.bin", "offset": "4", "length": "8"}.items():
        tensor.external_data.add(key=key, value=text)
    (HERE / "external_data.bin").write_bytes(b"skip" + np.int16([1, -2, 3, -4]).tobytes() + b"tail")
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Identity", ["w"], ["y"])], "g", [], [info("y", TensorProto.INT16, [2, 2])], [tensor]
    )
    save("external_data.onnx", graph, [("", 21)])


if __name__ == "__main__":
    qdq_conv()
    tensor_fields()
    external_data()
