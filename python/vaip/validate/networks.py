"""Networks of end-to-end rows: their ONNX models, given or built, and what they would take on the device."""

from __future__ import annotations

import difflib
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from vaip import _core
from vaip._core import Error
from vaip.report import Report

if TYPE_CHECKING:
    from vaip.networks import Precision


def cache_directory() -> Path:
    """Where models are looked for without --models."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "vaip" / "models"


def canonical(name: str) -> str:
    """Equal for "MobileNetV2" and "mobilenet_v2"."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


class ModelLibrary:
    """Models of networks: those of a directory, else those that vaip.networks builds. Each is read or built once."""

    def __init__(self, directory: Path | None = None) -> None:
        self._directory = directory or cache_directory()
        self._models: dict[tuple[str, str], _core.Model] = {}

    def model(self, name: str, precision: Precision) -> _core.Model:
        """Raises vaip.Error for a network that is neither there nor known."""
        key = (canonical(name), precision)
        if key not in self._models:
            path = self.file(name, precision)
            self._models[key] = _core.Model.from_file(str(path)) if path else self._build(name, precision)
        return self._models[key]

    def file(self, name: str, precision: str) -> Path | None:
        """NAME_precision.onnx of the directory, whatever the case and punctuation of NAME."""
        wanted = canonical(f"{name}{precision}")
        paths = sorted(self._directory.glob("*.onnx")) if self._directory.is_dir() else []
        return next((path for path in paths if canonical(path.stem) == wanted), None)

    def _build(self, name: str, precision: Precision) -> _core.Model:
        from vaip.networks import NAMES, build

        known = {canonical(each): each for each in NAMES}
        if canonical(name) not in known:
            (nearest,) = difflib.get_close_matches(canonical(name), known, n=1, cutoff=0.0)
            raise Error(
                f"VAIP builds no network '{name}' (the nearest is {known[nearest]}), and {self._directory} has no "
                f"{name}_{precision}.onnx"
            )
        model = build(known[canonical(name)], precision, calibrated=False)
        return _core.Model.from_bytes(model.SerializeToString())


def predict_network(
    model: _core.Model, *, device: str, config: Path | None, stack: str | None, columns: int | None, host: bool
) -> tuple[float, str]:
    """Microseconds and the bound that most of them go into; without `host`, of the array alone.

    `device` is a description as JSON. Raises vaip.Error where the model's time is not that of the device alone.
    """
    options: dict[str, str] = {"config_file": str(config)} if config else {}
    if stack is not None:
        options["stack"] = stack
    if columns is not None:
        options["columns"] = str(columns)
    with _file(device) as path:
        text = model.with_options({**options, "device": str(path)}).predict_json(_shapes(model))
    report = Report.from_dict(json.loads(text))
    if not report.clusters:
        raise Error("no node of the model is claimed")
    if host and report.unclaimed:
        first = report.unclaimed[0]
        raise Error(
            f"{report.nodes.cpu} of the model's {report.nodes.total} nodes run on the CPU, whose time is not "
            f"predicted; the first is {first.name} ({first.op}): {first.reason}"
        )
    us = report.latency_ms * 1e3
    if not host:
        us -= sum(cluster.host_cycles for cluster in report.clusters) / (report.clock_ghz * 1e3)
    spent: dict[str, float] = {}
    for layer in report.layers:
        spent[layer.bound] = spent.get(layer.bound, 0.0) + layer.cycles
    return us, max(spent, key=lambda bound: spent[bound], default="")


@contextmanager
def _file(description: str) -> Iterator[Path]:
    with TemporaryDirectory(prefix="vaip-") as scratch:
        path = Path(scratch) / "device.json"
        path.write_text(description, encoding="utf-8")
        yield path


def _shapes(model: _core.Model) -> list[list[int]]:
    """Dynamic dimensions are 1, as a latency is that of one image."""
    shapes = [shape for _, _, shape in model.inputs]
    if all(size >= 0 for shape in shapes for size in shape):
        return []
    return [[max(size, 1) for size in shape] for shape in shapes]
