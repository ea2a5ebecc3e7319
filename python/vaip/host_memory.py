"""How much of this host's memory a session takes, Python and all libraries included."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vaip._core import Error

_FIELDS = {"VmRSS": "resident_bytes", "VmHWM": "peak_bytes"}


@dataclass(frozen=True)
class HostMemory:
    """Of a process: resident now, and at most since it began."""

    resident_bytes: int
    peak_bytes: int

    @classmethod
    def of_this_process(cls) -> HostMemory:
        """As Linux counts it."""
        lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
        fields = dict(line.split(":", 1) for line in lines if ":" in line)
        return cls(**{ours: 1024 * int(fields[name].split()[0]) for name, ours in _FIELDS.items()})


@dataclass(frozen=True)
class SessionMemory:
    """Of a process that does nothing but load a model and run it."""

    loaded_bytes: int  # resident once the session exists
    peak_bytes: int  # at most, loading and runs included

    def to_dict(self) -> dict[str, int]:
        return asdict(self)


# What a user of the provider would write, and nothing else: the CPU provider needs no `import vaip`.
_PROCESS = """
import json, sys
task = json.load(sys.stdin)
import numpy as np
import onnxruntime as ort
if task["imports_vaip"]:
    import vaip
def memory(name):
    with open("/proc/self/status") as file:
        return 1024 * int(next(line for line in file if line.startswith(name + ":")).split()[1])
settings = ort.SessionOptions()
settings.intra_op_num_threads = task["threads"]
settings.log_severity_level = 3
if task["operators"]:
    settings.register_custom_ops_library(task["operators"])
inputs = dict(np.load(task["inputs"]))
session = ort.InferenceSession(task["model"], settings, providers=task["providers"])
loaded = memory("VmRSS")
for _ in range(3):
    session.run(None, inputs)
print(json.dumps({"loaded_bytes": loaded, "peak_bytes": memory("VmHWM")}))
"""


def measure(
    model: Path,
    providers: list[Any],
    inputs: Mapping[str, NDArray[Any]],
    *,
    threads: int,
    operators: str | None = None,
    imports_vaip: bool = True,
) -> SessionMemory:
    """In a process of its own. `operators`: a library of custom operators that the model needs."""
    with tempfile.TemporaryDirectory(prefix="vaip-") as directory:
        saved = Path(directory) / "inputs.npz"
        named: dict[str, Any] = dict(inputs)
        np.savez(saved, **named)
        task = {
            "model": str(model.resolve()),
            "providers": providers,
            "inputs": str(saved),
            "threads": threads,
            "operators": operators,
            "imports_vaip": imports_vaip,
        }
        done = subprocess.run(
            [sys.executable, "-c", _PROCESS], input=json.dumps(task), capture_output=True, text=True, check=False
        )
    if done.returncode != 0:
        raise Error(f"{model}: measuring its memory in another process failed: {done.stderr.strip()}")
    return SessionMemory(**json.loads(done.stdout.splitlines()[-1]))
