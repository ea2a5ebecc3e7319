"""PyTorch modules through torch.onnx: a factory, or a checkpoint and the factory of its module."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from vaip.importing.errors import ModelImportError, missing
from vaip.importing.names import default_outputs, name_outputs
from vaip.importing.shapes import InputShape
from vaip.importing.source import Source
from vaip.inputs import Arrays
from vaip.python_objects import load_object

EXPORTERS = ("dynamo", "torchscript")
CHECKPOINTS = (".pt", ".pth", ".ckpt", ".bin")
DYNAMO_OPSET = 18  # the oldest that it writes itself; it converts to older ones


def from_factory(
    name: str,
    shapes: Sequence[InputShape],
    outputs: Sequence[str],
    *,
    checkpoint: Path | None,
    opset: int,
    exporter: str,
) -> Source:
    torch = _torch()
    module = load_module(name, checkpoint)
    if not shapes:
        raise ModelImportError(f"'{name}': PyTorch does not know its inputs: --shape image=1,3,224,224, one for each")
    model = _export(module, shapes, opset, exporter)
    name_outputs(model, outputs or default_outputs(len(model.graph.output)))

    def reference(arrays: Arrays) -> list[NDArray[Any]]:
        with torch.no_grad():
            result = module(*(torch.from_numpy(arrays[shape.name]) for shape in shapes))
        return [np.asarray(value.numpy()) for value in _flat(result)]

    return Source("PyTorch module", f"torch {torch.__version__}", model, reference)


def load_module(name: str, checkpoint: Path | None = None) -> Any:
    """The module that `module:factory` makes, with the weights of the checkpoint, in evaluation mode."""
    torch = _torch()
    made = load_object(name)
    if callable(made) and not isinstance(made, torch.nn.Module):
        made = made()
    if not isinstance(made, torch.nn.Module):
        raise ModelImportError(f"'{name}' gives {type(made).__name__}, not a torch.nn.Module")
    if checkpoint is not None:
        _load(made, checkpoint)
    return made.eval()


def _load(module: Any, checkpoint: Path) -> None:
    """The weights of a checkpoint; also where they lie in it under the names that training scripts use."""
    torch = _torch()
    try:
        state = torch.load(checkpoint, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ModelImportError(
            f"{checkpoint}: cannot be read as a checkpoint of weights: {str(error).splitlines()[0]}"
        ) from error
    for key in ("state_dict", "model_state_dict", "model"):
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
    if not isinstance(state, dict):
        raise ModelImportError(f"{checkpoint}: holds {type(state).__name__}, not the weights of a module")
    state = {name.removeprefix("module."): value for name, value in state.items()}  # of DataParallel
    try:
        module.load_state_dict(state)
    except RuntimeError as error:
        raise ModelImportError(f"{checkpoint}: does not fit the module: {' '.join(str(error).split())}") from error


def _export(module: Any, shapes: Sequence[InputShape], opset: int, exporter: str) -> onnx.ModelProto:
    torch = _torch()
    rng = np.random.default_rng(0)
    # Not 1: the exporter would take a dynamic size of 1 for a fixed one.
    examples = tuple(torch.from_numpy(shape.example(rng, dynamic=2)) for shape in shapes)
    names = [shape.name for shape in shapes]
    if exporter == "dynamo":
        try:
            import onnxscript  # noqa: F401 (torch's exporter needs it, and says so less clearly)
        except ImportError as error:
            raise missing("torch", error) from error
    try:
        with quiet_exporter():
            if exporter == "dynamo":
                program = torch.onnx.export(
                    module,
                    examples,
                    dynamo=True,
                    dynamic_shapes=_dynamic_shapes(shapes),
                    input_names=names,
                    opset_version=max(opset, DYNAMO_OPSET),
                    verbose=False,
                )
                proto: onnx.ModelProto = program.model_proto
                return proto
            axes = {
                shape.name: {axis: dim for axis, dim in enumerate(shape.dims) if isinstance(dim, str)}
                for shape in shapes
            }
            buffer = io.BytesIO()
            torch.onnx.export(
                module, examples, buffer, dynamo=False, dynamic_axes=axes, input_names=names, opset_version=opset
            )
            return onnx.load_from_string(buffer.getvalue())
    except Exception as error:
        other = EXPORTERS[1 - EXPORTERS.index(exporter)]
        raise ModelImportError(
            f"torch.onnx cannot export the module ({exporter}): {' '.join(str(error).split())[:400]}; "
            f"--exporter {other} may"
        ) from error


@contextlib.contextmanager
def quiet_exporter() -> Iterator[None]:
    """Without what the exporter says about its own steps, its deprecations and packages that it could use."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _dynamic_shapes(shapes: Sequence[InputShape]) -> Any:
    torch = _torch()
    names = sorted({dim for shape in shapes for dim in shape.dims if isinstance(dim, str)})
    if not names:
        return None
    dims = {name: torch.export.Dim(name) for name in names}
    return tuple({axis: dims[dim] for axis, dim in enumerate(shape.dims) if isinstance(dim, str)} for shape in shapes)


def _flat(result: Any) -> list[Any]:
    """The tensors of a module's result, as the exporter orders them."""
    if isinstance(result, dict):
        return [tensor for value in result.values() for tensor in _flat(value)]
    if isinstance(result, (list, tuple)):
        return [tensor for value in result for tensor in _flat(value)]
    return [] if result is None else [result]


def _torch() -> Any:
    try:
        import torch
        import torch.onnx
    except ImportError as error:
        raise missing("torch", error) from error
    return torch
