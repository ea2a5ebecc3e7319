"""Names that people and command lines can use, instead of those that exporters number."""

from __future__ import annotations

from collections.abc import Sequence

import onnx

from vaip.importing.errors import ModelImportError


def name_outputs(model: onnx.ModelProto, names: Sequence[str]) -> None:
    """Gives the outputs these names, in order."""
    graph = model.graph
    if len(names) != len(graph.output):
        raise ModelImportError(f"{len(names)} names for {len(graph.output)} outputs: {', '.join(names)}")
    inner = {name for node in graph.node for name in (*node.input, *node.output)} - {o.name for o in graph.output}
    taken = inner | {value.name for value in graph.input}
    for name in names:
        if name in taken or list(names).count(name) > 1:
            raise ModelImportError(f"an output cannot be named '{name}': the model has another tensor of that name")
    new = {value.name: name for value, name in zip(graph.output, names, strict=True)}
    for node in graph.node:
        node.input[:] = [new.get(name, name) for name in node.input]
        node.output[:] = [new.get(name, name) for name in node.output]
    for value in (*graph.output, *graph.value_info):
        value.name = new.get(value.name, value.name)


def name_dimensions(model: onnx.ModelProto) -> None:
    """Dynamic dimensions that an exporter only numbered: the first is the batch, another has its tensor's name."""
    for value in (*model.graph.input, *model.graph.output):
        for axis, dim in enumerate(value.type.tensor_type.shape.dim):
            if dim.WhichOneof("value") is None or dim.dim_param.startswith("unk__"):
                dim.dim_param = "batch" if axis == 0 else f"{value.name}_{axis}"


def default_outputs(count: int) -> list[str]:
    return ["output"] if count == 1 else [f"output_{i}" for i in range(count)]
