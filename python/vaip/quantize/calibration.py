"""Calibration data: what a quantizer looks at to choose its scales.

From a folder of images with a declared preprocessing, a .npz or .npy file, or a Python object `module:object` that
gives batches. Every batch is checked against the model's inputs when it is loaded.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from vaip._core import Error
from vaip.inputs import Arrays
from vaip.python_objects import load_object
from vaip.quantize.errors import QuantizeError
from vaip.quantize.images import Preprocessing, image_files, read_images
from vaip.quantize.signature import ModelInput, model_inputs

Model = str | os.PathLike[str] | onnx.ModelProto


class CalibrationData:
    """Batches, each a dict of one array per input of the model."""

    def __init__(self, batches: Iterable[Mapping[str, NDArray[Any]]], source: str = "calibration data") -> None:
        self.batches: list[Arrays] = [dict(batch) for batch in batches]
        self.source = source
        if not self.batches:
            raise QuantizeError(f"{source}: empty; quantization needs at least one batch")

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[Arrays]:
        return iter(self.batches)

    @property
    def names(self) -> list[str]:
        return list(self.batches[0])

    @classmethod
    def load(
        cls,
        source: str | os.PathLike[str],
        model: Model,
        *,
        preprocessing: Preprocessing | None = None,
        batch_size: int = 1,
        limit: int | None = None,
        seed: int = 0,
    ) -> CalibrationData:
        """Data for `model` from a folder of images, a .npz or .npy file, or `module:object`.

        `batch_size` is that of a model whose batch is dynamic. `limit` is how many samples are taken; which ones, the
        seed decides. Samples left over after the last whole batch are not used.
        """
        text = os.fspath(source)
        inputs = model_inputs(_graph_of(model))
        if not inputs:
            raise QuantizeError("the model has no inputs: there is nothing to calibrate")
        path = Path(text)
        if limit is not None and limit < 1:
            raise QuantizeError(f"the number of samples must be at least 1, not {limit}")
        if preprocessing is not None and not path.is_dir():
            raise QuantizeError(f"{text}: preprocessing is for a folder of images")
        if path.is_dir():
            batches = _from_images(path, inputs, preprocessing or Preprocessing(), batch_size, limit, seed)
        elif path.suffix in (".npz", ".npy"):
            batches = _from_arrays(_read_arrays(path, inputs), inputs, batch_size, limit, seed, text)
        elif ":" in text:
            batches = _from_object(text, limit)
        else:
            raise QuantizeError(
                f"{text}: calibration data is a folder of images, a .npz or .npy file, or module:object"
            )
        data = cls(batches, text)
        data.check(inputs)
        return data

    def check(self, inputs: Sequence[ModelInput]) -> None:
        """Names, number formats and shapes as the model declares them, and nothing but numbers."""
        for index, batch in enumerate(self.batches):
            where = f"{self.source}: batch {index}"
            wanted, given = {value.name for value in inputs}, set(batch)
            if wanted != given:
                takes = ", ".join(value.shown() for value in inputs)
                raise QuantizeError(f"{where} has {_quoted(given)}; the model takes {takes}")
            for value in inputs:
                _check_array(batch[value.name], value, where)


def _check_array(array: Any, value: ModelInput, where: str) -> None:
    if not isinstance(array, np.ndarray):
        raise QuantizeError(f"{where}: input '{value.name}' must be a numpy array, not {type(array).__name__}")
    if array.dtype != value.dtype:
        raise QuantizeError(f"{where}: the model takes {value.shown()}, the data is {array.dtype.name}")
    if not _fits(array.shape, value):
        shape = "x".join(map(str, array.shape)) or "scalar"
        raise QuantizeError(f"{where}: the model takes {value.shown()}, the data has shape {shape}")
    if array.size == 0:
        raise QuantizeError(f"{where}: input '{value.name}' has no elements")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        kind = "NaN" if np.isnan(array).any() else "infinite values"
        raise QuantizeError(f"{where}: input '{value.name}' has {kind}: scales cannot be chosen from it")


def _fits(shape: Sequence[int], value: ModelInput) -> bool:
    if value.shape is None:
        return True
    return len(shape) == len(value.shape) and all(
        not isinstance(declared, int) or declared == size for declared, size in zip(value.shape, shape, strict=True)
    )


def _graph_of(model: Model) -> onnx.ModelProto:
    return model if isinstance(model, onnx.ModelProto) else onnx.load(model, load_external_data=False)


def _from_images(
    directory: Path,
    inputs: list[ModelInput],
    preprocessing: Preprocessing,
    batch_size: int,
    limit: int | None,
    seed: int,
) -> list[Arrays]:
    if len(inputs) != 1:
        takes = ", ".join(value.shown() for value in inputs)
        raise QuantizeError(f"{directory}: a folder of images feeds one input, the model takes {takes}")
    chosen = _chosen(len(files := image_files(directory)), limit, seed)
    images = read_images([files[i] for i in chosen], preprocessing.fitted_to(inputs[0]), inputs[0])
    return _from_arrays({inputs[0].name: images}, inputs, batch_size, None, seed, str(directory))


def _read_arrays(path: Path, inputs: list[ModelInput]) -> Arrays:
    try:
        content = np.load(path, allow_pickle=False)
        if isinstance(content, np.ndarray):
            if len(inputs) != 1:
                names = _quoted(value.name for value in inputs)
                raise QuantizeError(f"{path}: one array, the model takes {names}: give a .npz with these names")
            return {inputs[0].name: content}
        with content:
            arrays = {name: content[name] for name in content.files}
    except (OSError, ValueError, EOFError) as error:
        if isinstance(error, QuantizeError):
            raise
        raise QuantizeError(f"{path}: cannot be read as calibration data: {error}") from error
    missing = [value.name for value in inputs if value.name not in arrays]
    if missing:
        raise QuantizeError(f"{path}: has {_quoted(arrays)}, the model also takes {_quoted(missing)}")
    return {value.name: arrays[value.name] for value in inputs}  # labels and the like may lie beside the inputs


def _from_arrays(
    arrays: Arrays, inputs: list[ModelInput], batch_size: int, limit: int | None, seed: int, source: str
) -> list[Arrays]:
    """Samples along the first axis put into batches; an array with one axis more than the input has whole batches."""
    counts = {name: array.shape[0] if array.ndim else 0 for name, array in arrays.items()}
    if len(set(counts.values())) != 1:
        shown = ", ".join(f"'{name}' {count}" for name, count in counts.items())
        raise QuantizeError(f"{source}: the inputs have different numbers of samples: {shown}")
    count = next(iter(counts.values()))
    if count == 0:
        raise QuantizeError(f"{source}: empty; quantization needs at least one sample")
    chosen = _chosen(count, limit, seed)
    stacked = all(value.shape is not None and arrays[value.name].ndim == len(value.shape) + 1 for value in inputs)
    if stacked:
        return [{name: array[i] for name, array in arrays.items()} for i in chosen]
    size = _batch_of(inputs, batch_size, source)
    if len(chosen) < size:
        raise QuantizeError(f"{source}: {len(chosen)} samples, the model's batch is {size}")
    starts = range(0, len(chosen) - size + 1, size)
    return [{name: array[chosen[at : at + size]] for name, array in arrays.items()} for at in starts]


def _batch_of(inputs: list[ModelInput], batch_size: int, source: str) -> int:
    fixed = {value.shape[0] for value in inputs if value.shape and isinstance(value.shape[0], int)}
    if len(fixed) > 1:
        raise QuantizeError(f"{source}: the model's inputs have batches of {sorted(fixed)}: give whole batches")
    return fixed.pop() if fixed else batch_size


def _chosen(count: int, limit: int | None, seed: int) -> list[int]:
    if limit is None or limit >= count:
        return list(range(count))
    return sorted(int(i) for i in np.random.default_rng(seed).choice(count, limit, replace=False))


def _from_object(text: str, limit: int | None) -> list[Arrays]:
    """Batches of an iterable, of a reader with get_next(), or of a function or class that gives one."""
    try:
        given = load_object(text)
    except Error as error:
        raise QuantizeError(str(error)) from error
    if callable(given):
        given = given()
    batches: Iterable[Any]
    if hasattr(given, "get_next"):
        batches = iter(given.get_next, None)
    elif isinstance(given, Iterable) and not isinstance(given, Mapping):
        batches = given
    else:
        raise QuantizeError(
            f"{text}: gives {type(given).__name__}, not batches (dicts of arrays) or a reader with get_next()"
        )
    taken: list[Arrays] = []
    for batch in batches:
        if not isinstance(batch, Mapping):
            raise QuantizeError(f"{text}: batch {len(taken)} is {type(batch).__name__}, not a dict of arrays")
        taken.append({str(name): array for name, array in batch.items()})
        if limit is not None and len(taken) == limit:
            break
    return taken


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f"'{name}'" for name in sorted(names)) or "nothing"
