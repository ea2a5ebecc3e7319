"""Objects that the user's own code holds, named `module:object` on the command line."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from typing import Any

from vaip._core import Error


def load_object(name: str) -> Any:
    """`package.module:object` or `path/to/file.py:object`; modules of the current directory are found, too."""
    module_name, _, attribute = name.rpartition(":")
    if not module_name or not attribute:
        raise Error(f"'{name}' is not module:object")
    module = _from_file(Path(module_name)) if module_name.endswith(".py") else _from_name(module_name)
    found: Any = module
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise Error(f"'{name}': {module_name} has no '{attribute}'")
        found = getattr(found, part)
    return found


def _from_name(name: str) -> Any:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise Error(f"module '{name}' cannot be imported: {error}") from error


def _from_file(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise Error(f"{path}: no such Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(path.stem, module)  # so that what it defines can be pickled
    try:
        spec.loader.exec_module(module)
    except ImportError as error:
        raise Error(f"{path} cannot be imported: {error}") from error
    return module
