"""Inputs for a model by what it declares: seeded random tensors, or arrays from files."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vaip._core import Error

if TYPE_CHECKING:
    import onnxruntime

Arrays = dict[str, NDArray[Any]]

_DTYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(int8)": np.int8,
    "tensor(uint8)": np.uint8,
    "tensor(int16)": np.int16,
    "tensor(uint16)": np.uint16,
    "tensor(int32)": np.int32,
    "tensor(uint32)": np.uint32,
    "tensor(int64)": np.int64,
    "tensor(uint64)": np.uint64,
    "tensor(bool)": np.bool_,
}


def make_inputs(
    session: onnxruntime.InferenceSession,
    given: Mapping[str, NDArray[Any]] | None = None,
    *,
    dims: Mapping[str, int] | None = None,
    seed: int = 0,
) -> Arrays:
    """One array per input of the session: the given one, or else a random one.

    Symbolic dimensions take their size from `dims`, from the given arrays, or are 1. Floating point is standard normal,
    8 and 16 bit integers cover their range, wider ones are 0 or 1 (legal as token, index and mask alike).
    """
    given = dict(given or {})
    declared = {value.name: value for value in session.get_inputs()}
    _reject_unknown("input", given, declared)
    symbols = {dim for value in declared.values() for dim in value.shape if isinstance(dim, str)}
    _reject_unknown("dynamic dimension", dims or {}, symbols)
    sizes = dict(dims or {})
    for name, array in given.items():
        _check(name, array, declared[name].type, declared[name].shape, sizes)
    random = np.random.default_rng(seed)
    arrays: Arrays = {}
    for name, value in declared.items():
        if name in given:
            arrays[name] = given[name]
        else:
            shape = [dim if isinstance(dim, int) else sizes.get(dim, 1) for dim in value.shape]
            arrays[name] = _random(random, name, value.type, shape)
    return arrays


def load_array(path: str | os.PathLike[str]) -> NDArray[Any]:
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise Error(f"{os.fspath(path)}: cannot be read as a .npy file: {error}") from error
    if not isinstance(array, np.ndarray):
        raise Error(f"{os.fspath(path)}: holds several arrays; a .npy file of one array is expected")
    return array


def _random(random: np.random.Generator, name: str, onnx_type: str, shape: list[int]) -> NDArray[Any]:
    dtype = _DTYPES.get(onnx_type)
    if dtype is None:
        raise Error(f"input '{name}' is a {onnx_type}: random values are not made for it, give the input itself")
    if dtype is np.bool_:
        return random.integers(0, 2, shape).astype(np.bool_)
    if np.issubdtype(dtype, np.floating):
        return random.standard_normal(shape).astype(dtype)
    if np.dtype(dtype).itemsize <= 2:
        limits = np.iinfo(dtype)
        return random.integers(limits.min, limits.max, shape, dtype, endpoint=True)
    return random.integers(0, 2, shape, dtype)


def _check(
    name: str, array: NDArray[Any], onnx_type: str, declared: list[int | str | None], sizes: dict[str, int]
) -> None:
    """Checks a given array against the declaration, and lets it fix symbolic dimensions that `sizes` does not name."""
    dtype = _DTYPES.get(onnx_type)
    if dtype is not None and array.dtype != dtype:
        raise Error(f"input '{name}' must be {np.dtype(dtype).name}, the given array is {array.dtype.name}")
    fits = array.ndim == len(declared)
    for wanted, actual in zip(declared, array.shape, strict=False):
        if isinstance(wanted, str):
            wanted = sizes.setdefault(wanted, actual)
        fits = fits and wanted in (None, actual)
    if not fits:
        shown = [sizes.get(dim, dim) if isinstance(dim, str) else dim for dim in declared]
        raise Error(f"input '{name}' must have shape {shown}, the given array has {list(array.shape)}")


def _reject_unknown(what: str, names: Iterable[str], known: Iterable[str]) -> None:
    listed = sorted(known)
    for name in names:
        if name not in listed:
            raise Error(f"the model has no {what} '{name}'; it has: {', '.join(listed) or 'none'}")
