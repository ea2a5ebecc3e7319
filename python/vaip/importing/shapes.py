"""Inputs as the user declares them: NAME=SIZE,SIZE,... with a name for a size that stays dynamic."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vaip.importing.errors import ModelImportError

DTYPES = ("float32", "float16", "float64", "int64", "int32", "int16", "int8", "uint8", "bool")


@dataclass(frozen=True)
class InputShape:
    name: str
    dims: tuple[int | str, ...]
    dtype: str = "float32"

    @classmethod
    def parse(cls, text: str) -> InputShape:
        """image=1,3,224,224 or ids=batch,128:int64."""
        name, separator, rest = text.partition("=")
        sizes, _, dtype = rest.partition(":")
        dims = tuple(int(size) if size.isdecimal() else size for size in sizes.split(",") if size)
        if not name or not separator or any(isinstance(d, str) and not re.fullmatch(r"[A-Za-z_]\w*", d) for d in dims):
            raise ModelImportError(
                f"'{text}' is not NAME=SIZE,SIZE,...; a size is a number, or the name of a dynamic one"
            )
        if 0 in dims:
            raise ModelImportError(f"'{text}': a size is at least 1")
        if dtype and dtype not in DTYPES:
            raise ModelImportError(f"'{text}': '{dtype}' is none of {', '.join(DTYPES)}")
        return cls(name, dims, dtype or "float32")

    def example(self, rng: np.random.Generator, dynamic: int) -> NDArray[Any]:
        """Random values, dynamic sizes all the same: standard normal, or 0 and 1, legal as indices and masks alike."""
        sizes = tuple(dynamic if isinstance(dim, str) else dim for dim in self.dims)
        if self.dtype.startswith("float"):
            return rng.standard_normal(sizes).astype(self.dtype)
        return rng.integers(0, 2, sizes).astype(self.dtype)


def parse_shapes(texts: Sequence[str]) -> list[InputShape]:
    shapes = [InputShape.parse(text) for text in texts]
    names = [shape.name for shape in shapes]
    for name in names:
        if names.count(name) > 1:
            raise ModelImportError(f"input '{name}' has two shapes")
    return shapes
