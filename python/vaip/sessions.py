"""onnxruntime sessions: on VitisAIEP, with the report that the EP keeps of them, and on the CPU to compare with."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from vaip import _core
from vaip._core import Error
from vaip.description import Device
from vaip.operators import add_quark_operators, uses_quark_operators
from vaip.overrides import flatten, to_json
from vaip.registration import EP_NAME, get_library_path, import_onnxruntime, register
from vaip.report import Report
from vaip.session_constructor import ALLOW_SPINNING

if TYPE_CHECKING:
    import onnx
    import onnxruntime

    Model = str | os.PathLike[str] | bytes | onnx.ModelProto


class NpuSession:
    """An InferenceSession on VitisAIEP, with unclaimed nodes on onnxruntime's CPU provider."""

    def __init__(
        self,
        model: Model,
        *,
        device: str | Device | None = None,
        config: str | os.PathLike[str] | None = None,
        options: Mapping[str, Any] | None = None,
        threads: int = 0,
    ) -> None:
        register()
        tag = uuid4().hex
        with _device_file(device) as device_name:
            provider_options = self.options = _provider_options(device_name, config, options, threads)
            _core.resolve_options(provider_options)  # onnxruntime would only log what is wrong and run on the CPU
            providers = [(EP_NAME, provider_options), "CPUExecutionProvider"]
            config_entries = {_core.SESSION_TAG: tag, ALLOW_SPINNING: "0"}
            self.onnxruntime = _inference_session(model, providers, threads, config_entries)
            self.onnxruntime.disable_fallback()
        self._id = _core.find_session(get_library_path(), tag)
        if not self._id:
            raise Error(f"{EP_NAME} took no part in the session: see onnxruntime's messages above")

    def report(self) -> Report:
        return Report.from_dict(json.loads(_core.session_report(get_library_path(), self._id)))


def cpu_session(
    model: Model, *, threads: int = 0, precise: bool = False, optimize: bool = True
) -> onnxruntime.InferenceSession:
    """A session on onnxruntime's CPU provider; `precise` keeps 8-bit kernels from saturating (see cpu_saturates).

    Without `optimize` every operator between Q and DQ is computed in float32.
    """
    # Where onnxruntime makes one operator of 4-bit weights and their product, activations stay float as in the model.
    config = {"session.qdq_matmulnbits_accuracy_level": "1"}
    if precise:
        config["session.x64quantprecision"] = "1"
    # Its errors are raised; printed as well they would stand between bench's lines.
    return _inference_session(model, ["CPUExecutionProvider"], threads, config, optimize=optimize, severity=4)


def cpu_saturates() -> bool:
    """Whether onnxruntime's u8·s8 kernels may saturate 16-bit sums here: x86 without VNNI adds pairs of products so."""
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    except OSError:
        return platform.machine() in ("x86_64", "AMD64")
    lines = [line.split(":", 1)[1].split() for line in flags.splitlines() if line.startswith("flags")]
    return bool(lines) and not {"avx512_vnni", "avx_vnni"} & set(lines[0])


def _inference_session(
    model: Model,
    providers: list[Any],
    threads: int,
    config: Mapping[str, str] | None = None,
    *,
    optimize: bool = True,
    severity: int = 3,  # errors; what the user should know is in the report
) -> onnxruntime.InferenceSession:
    ort = import_onnxruntime()
    settings = ort.SessionOptions()
    settings.log_severity_level = severity
    settings.intra_op_num_threads = threads
    # Sessions that are timed in turns must not spin while the other one works.
    settings.add_session_config_entry("session.force_spinning_stop", "1")
    for key, value in (config or {}).items():
        settings.add_session_config_entry(key, value)
    if not optimize:
        settings.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    with _path_or_bytes(model) as source:
        if uses_quark_operators(source):
            add_quark_operators(settings)
        return ort.InferenceSession(source, settings, providers=providers)


@contextmanager
def _path_or_bytes(model: Model) -> Iterator[str | bytes]:
    if isinstance(model, bytes):
        yield model
    elif isinstance(model, (str, os.PathLike)):
        path = os.fspath(model)
        if not os.path.isfile(path):
            raise Error(f"{path}: no such model file")
        yield path
    else:
        from vaip.onnx_files import session_source  # onnx is not imported before somebody has a model of it

        with session_source(model) as source:
            yield source


def _provider_options(
    device: str | None, config: str | os.PathLike[str] | None, options: Mapping[str, Any] | None, threads: int
) -> dict[str, str]:
    merged: dict[str, str] = {}
    if config is not None:
        merged["config_file"] = os.fspath(config)
    if device is not None:
        merged["device"] = device
    if threads:
        merged["num_threads"] = str(threads)
    for name, value in (options or {}).items():
        merged[name] = _option_text(value)
    return merged


def _option_text(value: Any) -> str:
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, Mapping):  # overrides
        return to_json(flatten(value))
    return os.fspath(value) if isinstance(value, os.PathLike) else str(value)


@contextmanager
def _device_file(device: str | Device | None) -> Iterator[str | None]:
    """The name or path to give to the EP; an edited description goes through a file."""
    if not isinstance(device, Device):
        yield device
        return
    with TemporaryDirectory(prefix="vaip-") as directory:
        path = Path(directory) / "device.json"
        device.to_json(path)
        yield str(path)
