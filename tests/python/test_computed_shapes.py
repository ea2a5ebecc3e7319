"""Targets of Reshape, Expand, Slice and Tile that models with dynamic axes compute from shapes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
import onnx
import pytest
import vaip
from encoder_models import small_encoder, tokens
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from sessions import claimed_nodes, cpu_session, vaip_session

CHANNELS = 12
# Of batch and sequence; in some the two are equal, or equal to a constant dimension.
SHAPES = ((1, 5), (3, 7), (4, 4), (12, 12), (2, 1), (1, 1), (3, 4))


class Movement:
    """x, uint8 [batch, sequence, CHANNELS], moved as floats between its DequantizeLinear and a QuantizeLinear."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.quantization = [self.constant(np.float32(0.25)), self.constant(np.uint8(7))]
        self.x = self.op("DequantizeLinear", "x", *self.quantization)

    def op(self, op_type: str, *inputs: str, **attributes: object) -> str:
        name = f"{op_type.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op_type, list(inputs), [name], name, **attributes))
        return name

    def constant(self, value: np.ndarray | np.generic) -> str:
        name = f"c_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def ints(self, *values: int) -> str:
        return self.constant(np.array(values, np.int64))

    def scalar(self, value: int) -> str:
        return self.constant(np.int64(value))

    def size(self, axis: int) -> str:
        """A scalar."""
        return self.op("Gather", self.op("Shape", self.x), self.scalar(axis))

    def list_of(self, *parts: str | int) -> str:
        """Of scalars and numbers."""
        given = [self.ints(p) if isinstance(p, int) else self.op("Unsqueeze", p, self.ints(0)) for p in parts]
        return self.op("Concat", *given, axis=0)

    def model(self, moved: str) -> onnx.ModelProto:
        # A Relu that changes nothing here is the layer worth a trip to the device.
        self.nodes.append(helper.make_node("Relu", [moved], ["positive"], "positive"))
        self.nodes.append(helper.make_node("QuantizeLinear", ["positive", *self.quantization], ["y"], "q"))
        graph = helper.make_graph(
            self.nodes,
            "movement",
            [helper.make_tensor_value_info("x", TensorProto.UINT8, ["batch", "sequence", CHANNELS])],
            [helper.make_tensor_value_info("y", TensorProto.UINT8, None)],
            self.constants,
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def split_channels(m: Movement) -> str:
    return m.op("Reshape", m.x, m.list_of(m.size(0), m.size(1), 3, -1))


def merge_batch(m: Movement) -> str:
    return m.op("Reshape", m.x, m.list_of(m.op("Mul", m.size(0), m.size(1)), CHANNELS))


def transposed_shape(m: Movement) -> str:
    """What onnxruntime's transpose optimizer makes of a Shape behind a Transpose, and exporters of attention."""
    shape = m.op("Gather", m.op("Shape", split_channels(m)), m.ints(0, 2, 1, 3))
    outer = m.op("Slice", shape, m.ints(np.iinfo(np.int64).min), m.ints(-2))
    rows, columns = m.op("Slice", shape, m.ints(-2), m.ints(-1)), m.op("Slice", shape, m.ints(-1), m.ints(2**62))
    moved = m.op("Transpose", split_channels(m), perm=[0, 2, 1, 3])
    flat = m.op("Transpose", m.op("Reshape", moved, m.op("Concat", m.ints(-1), rows, columns, axis=0)), perm=[0, 2, 1])
    return m.op("Reshape", flat, m.op("Concat", outer, columns, rows, axis=0))


def copied_dimension(m: Movement) -> str:
    """A zero in a computed target copies the input's dimension."""
    return m.op("Reshape", m.x, m.list_of(0, m.op("Mul", m.size(1), m.scalar(2)), CHANNELS // 2))


def expand(m: Movement) -> str:
    wide = m.op("Unsqueeze", m.x, m.ints(1))
    target = m.list_of(m.size(0), 3, m.size(1), CHANNELS)
    known = m.op("Equal", target, m.ints(-1, -1, -1, -1))  # as PyTorch's x.expand() writes it
    return m.op("Expand", wide, m.op("Where", known, m.ints(1, 1, 1, 1), target))


def expand_to_square(m: Movement) -> str:
    column = m.op("Slice", m.x, m.ints(0), m.ints(1), m.ints(2))
    return m.op("Expand", column, m.list_of(1, m.size(1), m.size(0)))


def all_but_last(m: Movement) -> str:
    end = m.op("Add", m.size(1), m.scalar(-1))
    return m.op("Slice", m.x, m.ints(0), m.list_of(end), m.ints(1), m.ints(1))


def second_half(m: Movement) -> str:
    start = m.list_of(m.op("Div", m.size(1), m.scalar(2)))
    return m.op("Slice", m.x, start, m.list_of(m.size(1)), m.ints(1))


def tile(m: Movement) -> str:
    return m.op("Tile", m.x, m.list_of(1, m.size(0), m.op("Div", m.op("Mul", m.size(0), m.scalar(2)), m.size(0))))


def reversed_sequence(m: Movement) -> str:
    """Indices that are computed from a Range."""
    steps = m.op("Range", m.scalar(0), m.size(1), m.scalar(1))
    last = m.op("Sub", m.size(1), m.scalar(1))
    return m.op("Gather", m.x, m.op("Max", m.op("Sub", last, steps), m.scalar(0)), axis=1)


def repeated_first(m: Movement) -> str:
    """Indices from ConstantOfShape."""
    zero = m.op("ConstantOfShape", m.list_of(m.size(1)), value=numpy_helper.from_array(np.zeros(1, np.int64)))
    return m.op("Gather", m.x, zero, axis=0)


def as_many_as_elements(m: Movement) -> str:
    return m.op("Reshape", m.x, m.list_of(m.op("Size", m.x)))


MOVEMENTS = [
    split_channels,
    merge_batch,
    transposed_shape,
    copied_dimension,
    expand,
    expand_to_square,
    all_but_last,
    second_half,
    tile,
    reversed_sequence,
    repeated_first,
    as_many_as_elements,
]


@pytest.mark.parametrize("optimize", [False, True])
@pytest.mark.parametrize("movement", MOVEMENTS)
def test_movement(movement: Callable[[Movement], str], optimize: bool) -> None:
    """Every node is claimed, and every shape gives what the CPU gives."""
    m = Movement()
    model = m.model(movement(m))
    session, reference = vaip_session(model, optimize=optimize), cpu_session(model)
    rng = np.random.default_rng(0)
    for batch, length in SHAPES:
        x = rng.integers(7, 256, (batch, length, CHANNELS), np.uint8)
        got, expected = session.run(None, {"x": x})[0], reference.run(None, {"x": x})[0]
        np.testing.assert_array_equal(got, expected, err_msg=f"{batch} x {length}")


def test_shapes_computed_in_another_cluster() -> None:
    """The elements of the target cross from one cluster to the next, and are read when it compiles."""
    m = Movement()
    target = m.list_of(m.size(1), m.size(0), CHANNELS)
    first = m.op("Sigmoid", m.x)
    first = m.op("DequantizeLinear", m.op("QuantizeLinear", first, *m.quantization), *m.quantization)
    outside = m.op("Cosh", first)
    second = m.op("DequantizeLinear", m.op("QuantizeLinear", outside, *m.quantization), *m.quantization)
    model = m.model(m.op("Reshape", second, target))
    session, reference = vaip_session(model, fallback=True), cpu_session(model)
    assert "Cosh" not in claimed_nodes(session)
    assert "Reshape" in claimed_nodes(session)
    rng = np.random.default_rng(0)
    for batch, length in ((2, 6), (6, 2), (3, 4), (2, 6), (4, 3)):
        x = rng.integers(0, 256, (batch, length, CHANNELS), np.uint8)
        np.testing.assert_array_equal(session.run(None, {"x": x})[0], reference.run(None, {"x": x})[0])


def test_a_target_that_depends_on_data_is_not_claimed() -> None:
    m = Movement()
    target = m.op("Cast", m.op("ReduceMax", m.x, axes=[0, 1, 2], keepdims=0), to=TensorProto.INT64)
    model = m.model(m.op("Expand", m.x, m.list_of(target, 1, 1, 1)))
    session = vaip_session(model, fallback=True)
    reasons = {node.op: node.reason for node in vaip.reports()[-1].unclaimed}
    del session
    assert "is computed at run time" in reasons["Expand"]


class Sentences(CalibrationDataReader):
    def __init__(self) -> None:
        self.feeds = iter([tokens(2, length, seed=length) for length in (4, 9, 16)])

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self.feeds, None)


def test_a_quantized_encoder_of_any_length(tmp_path: object) -> None:
    path = f"{tmp_path}/quantized.onnx"
    quantize_static(
        small_encoder(),
        path,
        Sentences(),
        quant_format=QuantFormat.QDQ,
        activation_type=QuantType.QInt16,
        weight_type=QuantType.QInt8,
    )
    model = onnx.load(path)
    session, reference = vaip_session(model, fallback=True), cpu_session(model)
    claimed = Counter(claimed_nodes(session))
    assert claimed["MatMul"] == 16
    assert claimed["Reshape"] == 8
    for batch, length in ((1, 5), (3, 7), (4, 4), (2, 1), (1, 32)):
        feeds = tokens(batch, length, seed=length)
        got, expected = session.run(None, feeds)[0], reference.run(None, feeds)[0]
        np.testing.assert_allclose(got, expected, atol=2e-3)
