"""Networks of end-to-end rows: where their ONNX models lie, and what they would take on the device."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from tempfile import TemporaryDirectory

from vaip._core import Error
from vaip.description import Device


def cache_directory() -> Path:
    """Where models are looked for without --models."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "vaip" / "models"


def find_model(name: str, precision: str, models: Path | None) -> Path:
    """NAME_precision.onnx, whatever the case and punctuation of NAME. Raises vaip.Error that says how to make it."""
    directory = models or cache_directory()
    wanted = _canonical(f"{name}{precision}")
    for path in sorted(directory.glob("*.onnx")) if directory.is_dir() else ():
        if _canonical(path.stem) == wanted:
            return path
    raise Error(
        f"no model {_file_name(name)}_{precision}.onnx in {directory}; make it with VAIP's source tree: "
        f"python benchmarks/models/networks.py {_file_name(name)} --out {directory}"
    )


def predict_network(
    name: str,
    precision: str,
    *,
    models: Path | None,
    device: str | Device,
    config: Path | None,
    stack: Path | None,
    columns: int | None,
    host: bool,
) -> tuple[float, str]:
    """Microseconds and the bound that most of them go into."""
    from vaip.inputs import make_inputs
    from vaip.sessions import NpuSession

    path = find_model(name, precision, models)
    with TemporaryDirectory(prefix="vaip-") as scratch:
        if config is None:
            settings: dict[str, object] = {"columns": columns} if columns else {}
            if stack is not None:
                settings["stack"] = str(stack.resolve())
            if settings:
                config = Path(scratch) / "vaip_config.json"
                config.write_text(json.dumps({"vaip": settings}), encoding="utf-8")
        session = NpuSession(path, device=device, config=config)
        report = session.report()
        if any(cluster.programs == 0 for cluster in report.clusters):  # dynamic shapes: timed once they are known
            session.onnxruntime.run(None, make_inputs(session.onnxruntime))
            report = session.report()
    if not report.clusters:
        raise Error(f"{path}: no node of it is claimed")
    us = report.latency_ms * 1e3
    if not host:
        us -= sum(cluster.host_cycles for cluster in report.clusters) / (report.clock_ghz * 1e3)
    spent: dict[str, float] = {}
    for layer in report.layers:
        spent[layer.bound] = spent.get(layer.bound, 0.0) + layer.cycles
    return us, max(spent, key=lambda bound: spent[bound], default="")


def _file_name(name: str) -> str:
    """ "MobileNetV2" as mobilenet_v2, "ResNet50" as resnet50."""
    return re.sub(r"(?<=[a-z])([A-Z])(?=\d)", r"_\1", name).lower()


def _canonical(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
