"""TensorFlow through tf2onnx: Keras models, SavedModels, and frozen graphs of TensorFlow 1.

All become a frozen graph first: that is the one form in which tf2onnx does not depend on the version of Keras.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import onnx
from numpy.typing import NDArray

from vaip.importing.errors import ModelImportError, missing
from vaip.importing.names import default_outputs, name_dimensions
from vaip.importing.shapes import InputShape
from vaip.importing.source import Source
from vaip.inputs import Arrays

KERAS_SUFFIXES = (".keras", ".h5", ".hdf5")


def from_keras(path: Path, shapes: Sequence[InputShape], outputs: Sequence[str], *, opset: int, nchw: bool) -> Source:
    tf = _tensorflow()
    with _quiet():
        try:
            model = tf.keras.models.load_model(path, compile=False)
        except Exception as error:
            raise ModelImportError(f"{path}: Keras cannot load it: {_line(error)}") from error
        specs = _specs({value.name: value for value in model.inputs}, shapes, path)
        function = tf.function(lambda *inputs: model(list(inputs) if len(inputs) > 1 else inputs[0], training=False))
        concrete = function.get_concrete_function(*specs)
    return _from_concrete("Keras model", concrete, [spec.name for spec in specs], list(outputs), opset=opset, nchw=nchw)


def from_saved_model(
    path: Path, shapes: Sequence[InputShape], outputs: Sequence[str], *, signature: str | None, opset: int, nchw: bool
) -> Source:
    tf = _tensorflow()
    with _quiet():
        try:
            loaded = tf.saved_model.load(str(path))
        except Exception as error:
            raise ModelImportError(f"{path}: TensorFlow cannot load it: {_line(error)}") from error
        name = signature or "serving_default"
        if name not in loaded.signatures:
            known = ", ".join(loaded.signatures) or "none"
            raise ModelImportError(f"{path}: has no signature '{name}'; it has: {known}")
        serve = loaded.signatures[name]
        declared = serve.structured_input_signature[1]
        specs = _specs({key: declared[key] for key in sorted(declared)}, shapes, path)
        names = [spec.name for spec in specs]
        function = tf.function(lambda *inputs: serve(**dict(zip(names, inputs, strict=True))))
        concrete = function.get_concrete_function(*specs)
        chosen = list(outputs) or sorted(concrete.structured_outputs)
    return _from_concrete("SavedModel", concrete, names, chosen, opset=opset, nchw=nchw)


def from_frozen_graph(
    path: Path,
    shapes: Sequence[InputShape],
    inputs: Sequence[str],
    outputs: Sequence[str],
    *,
    opset: int,
    nchw: bool,
) -> Source:
    tf = _tensorflow()
    graph = tf.compat.v1.GraphDef()
    try:
        graph.ParseFromString(path.read_bytes())
    except Exception as error:
        raise ModelImportError(f"{path}: is not a frozen graph: {_line(error)}") from error
    nodes = {node.name: node for node in graph.node}
    placeholders = [node.name for node in graph.node if node.op == "Placeholder"]
    inputs = inputs or placeholders
    if not outputs:
        ends = _ends(graph)
        raise ModelImportError(f"{path}: name its outputs with --outputs; nodes that nothing reads: {', '.join(ends)}")
    tensors = {"input": [_tensor(name) for name in inputs], "output": [_tensor(name) for name in outputs]}
    for what, known in (("input", placeholders), ("output", _ends(graph))):
        for name in (tensor.partition(":")[0] for tensor in tensors[what]):
            if name not in nodes:
                raise ModelImportError(f"{path}: the graph has no {what} '{name}'; likely are: {', '.join(known)}")
    _set_shapes(nodes, tensors["input"], shapes, path)
    names = {name: name.partition(":")[0] for name in (*tensors["input"], *tensors["output"])}
    run = _runnable(graph, tensors["input"], tensors["output"])
    return _from_graph(
        "TensorFlow 1 graph", graph, run, tensors["input"], tensors["output"], names, opset=opset, nchw=nchw
    )


def _from_concrete(
    kind: str, concrete: Any, inputs: list[str], outputs: list[str], *, opset: int, nchw: bool
) -> Source:
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    with _quiet():
        frozen = convert_variables_to_constants_v2(concrete, lower_control_flow=False)
    graph = frozen.graph.as_graph_def()
    in_names, out_names = [t.name for t in frozen.inputs], [t.name for t in frozen.outputs]
    outputs = outputs or default_outputs(len(out_names))
    if len(outputs) != len(out_names):
        raise ModelImportError(f"{len(outputs)} names for {len(out_names)} outputs: {', '.join(outputs)}")
    renamed = dict(zip(in_names, inputs, strict=True)) | dict(zip(out_names, outputs, strict=True))
    return _from_graph(kind, graph, concrete, in_names, out_names, renamed, opset=opset, nchw=nchw)


def _from_graph(
    kind: str,
    graph: Any,
    run: Any,
    inputs: list[str],
    outputs: list[str],
    names: dict[str, str],
    *,
    opset: int,
    nchw: bool,
) -> Source:
    """tf2onnx on a frozen graph; `run` is the source as a function, which the result has to equal."""
    tf = _tensorflow()
    with _quiet():
        tf2onnx = _tf2onnx()
        ranks = [tensor.shape.rank for tensor in run.inputs]  # behind these are variables, where there are any
        turned = [name for name, rank in zip(inputs, ranks, strict=False) if nchw and rank == 4]
        try:
            model, _ = tf2onnx.convert.from_graph_def(
                graph,
                input_names=inputs,
                output_names=outputs,
                opset=opset,
                inputs_as_nchw=turned or None,
                tensors_to_rename=names,
            )
        except Exception as error:
            raise ModelImportError(f"tf2onnx cannot convert the graph: {_line(error)}") from error

    def reference(arrays: Arrays) -> list[NDArray[Any]]:
        given = [arrays[names[name]] for name in inputs]
        given = [a.transpose(0, 2, 3, 1) if name in turned else a for name, a in zip(inputs, given, strict=True)]
        results = run(*(tf.constant(array) for array in given))
        return [value.numpy() for value in tf.nest.flatten(results)]

    proto: onnx.ModelProto = model
    name_dimensions(proto)
    return Source(kind, f"tensorflow {tf.__version__}", proto, reference)


def _runnable(graph: Any, inputs: list[str], outputs: list[str]) -> Any:
    """The graph as a function of its inputs."""
    tf = _tensorflow()
    wrapped = tf.compat.v1.wrap_function(lambda: tf.compat.v1.import_graph_def(graph, name=""), [])
    return wrapped.prune([wrapped.graph.get_tensor_by_name(n) for n in inputs], [
        wrapped.graph.get_tensor_by_name(n) for n in outputs
    ])  # fmt: skip


def _specs(declared: dict[str, Any], shapes: Sequence[InputShape], path: Path) -> list[Any]:
    """What the function is traced for: the declared inputs, with the sizes that the user gives."""
    tf = _tensorflow()
    given = {shape.name: shape for shape in shapes}
    for name in given:
        if name not in declared:
            raise ModelImportError(f"{path}: has no input '{name}'; it has: {', '.join(declared)}")
    specs = []
    for name, value in declared.items():
        sizes = list(value.shape)
        if name in given:
            sizes = [dim if isinstance(dim, int) else None for dim in given[name].dims]
        specs.append(tf.TensorSpec(sizes, value.dtype, name=name))
    return specs


def _set_shapes(nodes: dict[str, Any], inputs: list[str], shapes: Sequence[InputShape], path: Path) -> None:
    """Gives the graph's placeholders the sizes that the user names."""
    tf = _tensorflow()
    known = {name.partition(":")[0] for name in inputs}
    for shape in shapes:
        name = shape.name.partition(":")[0]
        if name not in known:
            raise ModelImportError(f"{path}: has no input '{shape.name}'; it has: {', '.join(sorted(known))}")
        sizes = tf.TensorShape([dim if isinstance(dim, int) else None for dim in shape.dims])
        nodes[name].attr["shape"].shape.CopyFrom(sizes.as_proto())


def _ends(graph: Any) -> list[str]:
    """Names of nodes whose outputs nothing reads."""
    read = {name.lstrip("^").partition(":")[0] for node in graph.node for name in node.input}
    ends = [node.name for node in graph.node if node.name not in read and node.op not in ("Const", "NoOp")]
    return ends[-8:]


def _tensor(name: str) -> str:
    return name if ":" in name else f"{name}:0"


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:400] or type(error).__name__


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without what TensorFlow and tf2onnx print about devices, tracing and optimizing."""
    loggers = [logging.getLogger(name) for name in ("tensorflow", "tf2onnx", "absl")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _tensorflow() -> Any:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
    try:
        import tensorflow
    except ImportError as error:
        raise missing("tensorflow", error) from error
    return tensorflow


def _tf2onnx() -> Any:
    try:
        import tf2onnx
        import tf2onnx.convert
    except ImportError as error:
        raise missing("tensorflow", error) from error
    return tf2onnx
