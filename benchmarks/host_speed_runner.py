"""Measures the cases of host_speed.py and keeps what is measured: a run that was stopped goes on."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import vaip
from host_speed_cases import Case
from vaip.cli.bench import measure
from vaip.files import write_text

JsonObject = dict[str, Any]
Say = Callable[[str], None]

MODEL_SCRIPT = Path(__file__).with_name("host_speed_model.py")
# What decides on the integer and bfloat16 kernels that onnxruntime and oneDNN have for a CPU.
CPU_FEATURES = ("avx2", "avx512f", "avx_vnni", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16")
# They change what threads do while they wait, and how many there are.
VARIABLES = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "OMP_NUM_THREADS", "OMP_PROC_BIND", "KMP_BLOCKTIME")


def host() -> JsonObject:
    """Where and with what is measured."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    fields = dict(reversed([[part.strip() for part in line.split(":", 1)] for line in lines if ":" in line]))
    flags = fields.get("flags", "").split()
    return {
        "cpu": fields.get("model name") or platform.processor() or platform.machine(),
        "cpus": os.cpu_count(),
        "features": [feature for feature in CPU_FEATURES if feature in flags],
        "vnni": bool({"avx_vnni", "avx512_vnni"} & set(flags)),
        "amx": "amx_int8" in flags,
        "vaip": vaip.__version__,
        "library": hashlib.sha256(Path(vaip.get_library_path()).read_bytes()).hexdigest()[:16],
        "onnxruntime": onnxruntime.__version__,
        "environment": {name: os.environ[name] for name in VARIABLES if name in os.environ},
    }


class Runner:
    """The results so far, in a file that is there whole or not at all."""

    def __init__(self, models: Path, results: Path, runs: int, *, fresh: bool = False) -> None:
        self.models, self.path, self.runs = models, results, runs
        self.host = host()
        self.kept: list[JsonObject] = []
        if results.exists() and not fresh:
            known = json.loads(results.read_text(encoding="utf-8"))
            if known["host"] == self.host:  # else another library's figures, or another machine's
                self.kept = known["results"]

    def run(self, cases: Sequence[Case], threads: Sequence[int], say: Say) -> JsonObject:
        """All results of these cases, those that were kept among them, and the models that there are none of."""
        results, missing = [], []
        for case in cases:
            wanted = [self._found(case, count) or count for count in threads]
            counts = [count for count in wanted if isinstance(count, int)]
            made = self._make(case) if counts else {}
            reason = "skipped" if "skipped" in made else "failed"
            if reason in made:
                say(f"{case.name} {reason}: {made[reason]}")
                missing.append({"name": case.name, "bar": case.bar, reason: made[reason]})
            for entry in wanted:
                if isinstance(entry, dict):
                    results.append(entry)
                elif reason not in made:
                    try:
                        results.append(self._measured(case, entry, made))
                        say(line(results[-1]))
                    except Exception as error:  # of onnxruntime or VitisAIEP; the other models are measured still
                        why = f"{type(error).__name__}: {error}".splitlines()[0][:300]
                        say(f"{case.name}, {threads_text(entry)}, failed: {why}")
                        missing.append({"name": case.name, "bar": case.bar, "threads": entry, "failed": why})
        return {"host": self.host, "results": results, "missing": missing}

    def _found(self, case: Case, threads: int) -> JsonObject | None:
        for result in self.kept:
            if (result["name"], result["threads"]) == (case.name, threads) and result["runs"] >= self.runs:
                return result | {"bar": case.bar}
        return None

    def _make(self, case: Case) -> JsonObject:
        self.models.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, str(MODEL_SCRIPT), case.network, case.quantizer, "--models", str(self.models)]
        log = self.models / f"{case.name}.making.log"
        with log.open("w") as errors:
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=errors, text=True, check=False)
        lines = done.stdout.splitlines()
        if done.returncode == 0 and lines:
            made: JsonObject = json.loads(lines[-1])
            return made
        return {"failed": f"its process ended with {done.returncode}: see {log}"}

    def _measured(self, case: Case, threads: int, made: JsonObject) -> JsonObject:
        with np.load(made["inputs"]) as arrays:
            given = {name: arrays[name] for name in arrays}
        started, load = time.time(), os.getloadavg()[0]
        measured = measure(Path(made["model"]), runs=self.runs, threads=threads, given=given)
        result = {
            "name": case.name,
            "network": case.network,
            "quantizer": case.quantizer,
            "bar": case.bar,
            "threads": threads,
            "runs": self.runs,
            "date": time.strftime("%Y-%m-%d", time.gmtime(started)),
            "load": round(load, 2),  # of the machine just before; above 0, somebody else computed, too
            **measured,
        }
        self.kept = [r for r in self.kept if (r["name"], r["threads"]) != (case.name, threads)] + [result]
        write_text(self.path, json.dumps({"host": self.host, "results": self.kept}, indent=1) + "\n")
        return result


def line(result: JsonObject) -> str:
    """One measurement, in words."""
    bar = "" if result["bar"] is None else f" (bar {result['bar']:g})"
    cpu, ours = result["cpu"]["median_ms"], result["vaip"]["median_ms"]
    times = f"CPU {cpu:.2f} ms, VitisAIEP {ours:.2f} ms, ratio {result['ratio']:.2f}"
    return f"{result['name']}, {threads_text(result['threads'])}: {times}{bar}"


def threads_text(count: int) -> str:
    return f"{count} thread{'s' if count > 1 else ''}"
