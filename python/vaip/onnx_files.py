"""ONNX models as files, also beyond what protobuf holds: large ones have their weights in a second file beside them.

Protobuf ends at 2 GiB, for messages in memory as well. What has to go through it (onnx's converter, its shape
inference, a session made of bytes) gets a large model without its weights, or by way of a file.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import onnx
from onnx import TensorProto

LARGEST_FILE = 1 << 30  # half of protobuf's limit: tools add to a model before they take from it
_SMALL = 1024  # bytes: shapes, axes and the like, which tools look into


def is_large(model: onnx.ModelProto) -> bool:
    """Whether the model's weights belong into a file of their own."""
    return sum(len(tensor.raw_data) for tensor in model.graph.initializer) > LARGEST_FILE


def without_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of a large model, its weights declared to be elsewhere; of another one the whole."""
    copy = onnx.ModelProto()
    if not is_large(model):
        copy.CopyFrom(model)
        return copy
    # Field by field: a copy of all would have the weights, and protobuf keeps the memory of what is cleared.
    for message, target in ((model, copy), (model.graph, copy.graph)):
        for field, value in message.ListFields():
            if field.name not in ("graph", "initializer"):
                _copy_field(target, field.name, value)
    for tensor in model.graph.initializer:
        if len(tensor.raw_data) <= _SMALL:
            copy.graph.initializer.add().CopyFrom(tensor)
        else:
            kept = copy.graph.initializer.add(name=tensor.name, dims=tensor.dims, data_type=tensor.data_type)
            _point_to(kept, "weights", 0, len(tensor.raw_data))
    return copy


def give_weights(model: onnx.ModelProto, source: onnx.ModelProto) -> None:
    """Back to what has been made of without_weights(source)."""
    weights = {tensor.name: tensor for tensor in source.graph.initializer}
    for tensor in model.graph.initializer:
        if tensor.data_location == TensorProto.EXTERNAL and tensor.name in weights:
            tensor.CopyFrom(weights[tensor.name])


def save(model: onnx.ModelProto, path: Path) -> None:
    """The model in one file, or a large one with its weights beside it in `path`.data."""
    written = without_weights(model) if is_large(model) else model
    if written is not model:
        data = path.with_name(f"{path.name}.data")
        with open(data, "wb") as file:
            for tensor, content in zip(written.graph.initializer, model.graph.initializer, strict=True):
                if tensor.data_location == TensorProto.EXTERNAL:
                    _point_to(tensor, data.name, file.tell(), len(content.raw_data))
                    file.write(content.raw_data)
    path.write_bytes(written.SerializeToString())


def save_whole(model: onnx.ModelProto, path: Path) -> None:
    """save() that leaves either both files complete or nothing."""
    with scratch_beside(path) as scratch:
        save(model, scratch / path.name)
        move(scratch / path.name, path)


@contextmanager
def scratch_beside(path: Path) -> Iterator[Path]:
    """A directory on the same file system, for files that bear their final names already and are moved at the end."""
    with tempfile.TemporaryDirectory(prefix=f".{path.stem}-", dir=path.resolve().parent) as directory:
        yield Path(directory)


def move(written: Path, target: Path) -> list[Path]:
    """Moves a model that is alone in its directory, and before it the file of weights that it names."""
    files = sorted(written.parent.iterdir(), key=lambda file: file == written)
    for file in files:
        file.replace(target.parent / file.name)
    return [target.parent / file.name for file in files]


@contextmanager
def session_source(model: onnx.ModelProto) -> Iterator[str | bytes]:
    """The model as onnxruntime takes it: as bytes, or a large one as a file."""
    if is_large(model):
        with tempfile.TemporaryDirectory(prefix="vaip-") as directory:
            path = Path(directory) / "model.onnx"
            save(model, path)
            yield str(path)
    else:
        yield model.SerializeToString()


def opset_of(model: onnx.ModelProto) -> int:
    """Of ONNX's own operators; 0 where the model names none."""
    return next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 0)


def size_of(path: Path) -> int:
    """Bytes of a model file and of what it keeps beside it."""
    names = {
        entry.value
        for tensor in onnx.load(path, load_external_data=False).graph.initializer
        for entry in tensor.external_data
        if entry.key == "location"
    }
    return sum(file.stat().st_size for file in (path, *(path.parent / name for name in names)))


def _copy_field(target: Any, name: str, value: Any) -> None:
    if isinstance(value, (str, bytes, int, float)):
        setattr(target, name, value)
    elif hasattr(value, "extend"):
        getattr(target, name).extend(value)
    else:
        getattr(target, name).CopyFrom(value)


def _point_to(tensor: TensorProto, location: str, offset: int, length: int) -> None:
    tensor.data_location = TensorProto.EXTERNAL
    tensor.ClearField("external_data")
    for key, value in (("location", location), ("offset", str(offset)), ("length", str(length))):
        tensor.external_data.add(key=key, value=value)
