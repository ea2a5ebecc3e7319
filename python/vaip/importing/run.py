"""The import of a model: which kind of source it is, its ONNX model, cleaned, checked against the source, written."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vaip import onnx_files
from vaip.files import unwritable
from vaip.importing import check, cleaning, onnx_source, pytorch, tensorflow
from vaip.importing.errors import ModelImportError
from vaip.importing.shapes import InputShape, parse_shapes
from vaip.importing.source import Source
from vaip.onnx_files import opset_of

OPSET = 17  # what AMD recommends
Progress = Callable[[str, int, int], None]
_STEPS = 4


@dataclass(frozen=True)
class ImportResult:
    path: Path
    kind: str
    framework: str
    opset: int
    nodes: int
    inputs: dict[str, list[int | str]]
    outputs: dict[str, list[int | str]]
    simplified_by: str | None
    largest_difference: float | None  # from the source, relative; None: not checked

    def to_dict(self) -> dict[str, Any]:
        return asdict(self) | {"path": str(self.path)}


def import_model(
    source: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    factory: str | None = None,
    shapes: Sequence[str] = (),
    inputs: Sequence[str] = (),
    outputs: Sequence[str] = (),
    signature: str | None = None,
    dims: Mapping[str, int] | None = None,
    opset: int = OPSET,
    exporter: str = "dynamo",
    nchw: bool = False,
    simplify: bool = True,
    verify: bool = True,
    seed: int = 0,
    progress: Progress | None = None,
) -> ImportResult:
    """Writes the source as an ONNX model and says what it became. Raises ModelImportError and then writes nothing."""
    report = progress or (lambda step, done, total: None)
    target = Path(output)
    if reason := unwritable(target):
        raise ModelImportError(f"{target}: {reason}")
    report("loading", 0, _STEPS)
    declared = parse_shapes(shapes)
    found = _load(os.fspath(source), declared, factory, inputs, outputs, signature, opset, exporter, nchw)
    report("converting", 1, _STEPS)
    model = found.take_model()
    cleaning.fix_dimensions(model, dims or {})
    model = cleaning.converted(model, opset)
    tool = None
    if simplify:
        model, tool = cleaning.simplified(model)
    model = cleaning.finished(model)
    report("checking", 2, _STEPS)
    agreement = check.compare(model, found.reference, seed=seed) if verify else None
    report("writing", 3, _STEPS)
    try:
        onnx_files.save_whole(model, target)
    except OSError as error:
        raise ModelImportError(f"{target}: cannot be written: {error.strerror or error}") from error
    return ImportResult(
        path=target,
        kind=found.kind,
        framework=found.framework,
        opset=opset_of(model),
        nodes=len(model.graph.node),
        inputs=_shapes_of(model.graph.input),
        outputs=_shapes_of(model.graph.output),
        simplified_by=tool,
        largest_difference=None if agreement is None else agreement.largest_difference,
    )


def _load(
    source: str,
    shapes: list[InputShape],
    factory: str | None,
    inputs: Sequence[str],
    outputs: Sequence[str],
    signature: str | None,
    opset: int,
    exporter: str,
    nchw: bool,
) -> Source:
    path = Path(source)
    suffix = path.suffix.lower()
    if exporter not in pytorch.EXPORTERS:
        raise ModelImportError(f"exporter: '{exporter}' is none of {', '.join(pytorch.EXPORTERS)}")
    if not path.exists() and ":" in source:
        return pytorch.from_factory(source, shapes, outputs, checkpoint=None, opset=opset, exporter=exporter)
    if not path.exists():
        raise ModelImportError(f"{source}: no such file or directory")
    if path.is_dir():
        if not (path / "saved_model.pb").is_file():
            raise ModelImportError(f"{source}: is a directory without saved_model.pb, so no SavedModel")
        return tensorflow.from_saved_model(path, shapes, outputs, signature=signature, opset=opset, nchw=nchw)
    if suffix in pytorch.CHECKPOINTS:
        if factory is None:
            raise ModelImportError(
                f"{source}: a checkpoint has weights only: --factory module:function makes the module"
            )
        return pytorch.from_factory(factory, shapes, outputs, checkpoint=path, opset=opset, exporter=exporter)
    if suffix in tensorflow.KERAS_SUFFIXES:
        return tensorflow.from_keras(path, shapes, outputs, opset=opset, nchw=nchw)
    if suffix == ".pb":
        return tensorflow.from_frozen_graph(path, shapes, inputs, outputs, opset=opset, nchw=nchw)
    if suffix == ".onnx":
        if shapes:
            raise ModelImportError("the shapes of an ONNX model are its own; --dim NAME=SIZE fixes a dynamic one")
        return onnx_source.from_onnx(path, outputs)
    known = [".onnx", *tensorflow.KERAS_SUFFIXES, ".pb", *pytorch.CHECKPOINTS]
    raise ModelImportError(
        f"{source}: unknown kind of model; known are {', '.join(known)}, SavedModel directories and module:factory"
    )


def _shapes_of(values: Any) -> dict[str, list[int | str]]:
    return {
        value.name: [dim.dim_value or dim.dim_param or "?" for dim in value.type.tensor_type.shape.dim]
        for value in values
    }
