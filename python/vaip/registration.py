"""Registers the plugin EP's library with onnxruntime. `import vaip` does it; doing it again is harmless."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType

EP_NAME = "VitisAIEP"
MINIMUM_ONNXRUNTIME = (1, 25)  # older ones ignore a plugin EP that is named in providers=[...] and run on the CPU


def get_library_path() -> str:
    """The shared library of the plugin EP: what onnxruntime loads, from Python or from any other language."""
    directory = Path(__file__).resolve().parent
    found = sorted(directory.glob("libvaip_ep.*"))
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "none"
        raise RuntimeError(
            f"expected one libvaip_ep.* in {directory}, found {names}: "
            "install VAIP again (pip install --force-reinstall .)"
        )
    return str(found[0])


def get_ep_name() -> str:
    return EP_NAME


def get_ep_names() -> list[str]:
    return [EP_NAME]


def import_onnxruntime() -> ModuleType:
    """onnxruntime, or an error that says which one to install."""
    needed = ".".join(map(str, MINIMUM_ONNXRUNTIME))
    try:
        import onnxruntime
    except ImportError as error:
        raise ImportError(
            f"VAIP runs inside onnxruntime {needed} or newer, which cannot be imported ({error}): "
            f"pip install 'onnxruntime>={needed}'"
        ) from error
    match = re.match(r"(\d+)\.(\d+)", onnxruntime.__version__)
    if match is None or (int(match[1]), int(match[2])) < MINIMUM_ONNXRUNTIME:
        raise RuntimeError(
            f"VAIP needs onnxruntime {needed} or newer, but {onnxruntime.__version__} is installed: "
            f"pip install 'onnxruntime>={needed}'"
        )
    module: ModuleType = onnxruntime
    return module


def register(name: str = EP_NAME) -> None:
    """Registers the EP library under `name`; does nothing where it is registered already."""
    onnxruntime = import_onnxruntime()
    try:
        onnxruntime.register_execution_provider_library(name, get_library_path())
    except Exception as error:
        if "already registered" not in str(error):
            raise RuntimeError(
                f"onnxruntime {onnxruntime.__version__} did not load VAIP's EP library: {error}"
            ) from error


def unregister(name: str = EP_NAME) -> None:
    """Takes the EP out of onnxruntime: new sessions cannot use it, those that are alive go on."""
    onnxruntime = import_onnxruntime()
    try:
        onnxruntime.unregister_execution_provider_library(name)
    except Exception as error:
        if "not registered" not in str(error):
            raise
