"""Instructions that a run of a small model executes on this host, whatever else it does: to see a regression by.

python instructions.py [MODEL] [--runs N] [--against FILE] [--json] > baseline.json

Counted by valgrind's callgrind on one thread, in a process of VAIP's core without onnxruntime: once with a few runs,
once with N more. The difference, divided by N, is a run's; loading the model and whatever only the first runs do
cancels out. By how much two loads differ is divided by N, too: large models need fewer runs than small ones. The model
is that of `vaip demo` where none is given; all its nodes must be claimed, and dynamic dimensions are 1. Needs valgrind
(Debian: apt install valgrind).

valgrind knows AVX2, but neither AVX-512 nor AMX: oneDNN and VAIP's own kernels choose their AVX2 code, whatever the CPU
has. The figure watches that code. It says nothing about time on memory.

--against: a file that --json printed. The exit status is 1 where a run executes more instructions than there by more
than --tolerance percent.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import vaip
from vaip import _core

DEMO = Path(vaip.__file__).parent / "demo" / "data" / "digits_int8.onnx"
WARM_UPS = 2
SHOWN = 10
GENERATED = "(generated code: oneDNN's kernels)"
NOTE = "valgrind has no AVX-512 and no AMX: the AVX2 code was counted"
# The extension module alone: with the package would come onnxruntime, which valgrind takes a minute to load.
DRIVER = """
import importlib.util, sys
import numpy as np
spec = importlib.util.spec_from_file_location("_core", sys.argv[1])
core = importlib.util.module_from_spec(spec)
spec.loader.exec_module(core)
model = core.Model.from_file(sys.argv[2], {"num_threads": "1"})
random = np.random.default_rng(0)
arrays = []
for name, kind, shape in model.inputs:
    shape = [1 if size < 0 else size for size in shape]  # dynamic dimensions
    kind = {"float": "float32", "double": "float64"}.get(kind, kind)
    floating = kind.startswith("float")
    arrays.append((random.standard_normal(shape) if floating else random.integers(0, 2, shape)).astype(kind))
for _ in range(int(sys.argv[3])):
    model.run(arrays)
"""


class CountingError(Exception):
    """Tells the user what to do."""


def count(model: Path, runs: int) -> dict[str, Any]:
    """Instructions of one run, in all and by function."""
    if shutil.which("valgrind") is None:
        raise CountingError("valgrind is not installed: apt install valgrind")
    few, many = (_profile(model, times) for times in (WARM_UPS, WARM_UPS + runs))
    by_function = {name: (many[name] - few[name]) / runs for name in many if many[name] != few[name]}
    return {
        "model": model.name,
        "sha256": hashlib.sha256(model.read_bytes()).hexdigest(),
        "runs": runs,
        "vaip": vaip.__version__,
        "valgrind": _version(),
        "note": NOTE,
        "instructions": round((many.total() - few.total()) / runs),
        "functions": [
            {"name": name, "instructions": round(share)}
            for name, share in sorted(by_function.items(), key=lambda item: -item[1])[:SHOWN]
        ],
    }


def _version() -> str:
    return subprocess.run(["valgrind", "--version"], capture_output=True, text=True, check=True).stdout.strip()


def _profile(model: Path, times: int) -> Counter[str]:
    with tempfile.TemporaryDirectory() as directory:
        out = Path(directory) / "callgrind.out"
        command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", sys.executable, "-c", DRIVER]
        # numpy's own threads would wait beside the run, and Python's dictionaries differ each time.
        environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}
        done = subprocess.run(
            [*command, _core.__file__, str(model), str(times)],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            said = [text for text in done.stderr.splitlines() if text.strip() and not text.startswith("==")]
            raise CountingError(f"{model.name} did not run under valgrind: {said[-1] if said else done.returncode}")
        with out.open(encoding="utf-8", errors="replace") as lines:
            return self_costs(lines)


def self_costs(lines: Iterable[str]) -> Counter[str]:
    """Instructions in each function itself, from a file in callgrind's format."""
    names: dict[str, str] = {}  # a name is written once, then called by its number
    costs: Counter[str] = Counter()
    function, inclusive = "", False
    for text in lines:
        if text.startswith("fn="):
            number, name = re.match(r"fn=(\(\d+\))?\s*(.*)", text).groups()  # type: ignore[union-attr]
            name = name.strip()
            if number is not None:
                name = names.setdefault(number, name)
            function = GENERATED if re.match(r"0x[0-9a-f]+$", name) else name
        elif text.startswith("cfn="):
            number, name = re.match(r"cfn=(\(\d+\))?\s*(.*)", text).groups()  # type: ignore[union-attr]
            if number is not None and name:
                names.setdefault(number, name.strip())
        elif text.startswith("calls="):
            inclusive = True  # the next line is the callee's cost, which it has itself, too
        elif text[:1] in "+-*0123456789" and text.strip():
            if not inclusive:
                costs[function] += int(text.split()[1])
            inclusive = False
    return costs


def compared(now: Mapping[str, Any], then: Mapping[str, Any]) -> float:
    """By how many percent there are more instructions now."""
    if now["sha256"] != then["sha256"]:
        raise CountingError(f"the baseline is of another model ({then['model']}), or of another version of it")
    return 100.0 * (now["instructions"] / then["instructions"] - 1.0)


def show(result: Mapping[str, Any]) -> None:
    print(
        f"{result['model']}: {result['instructions']:,} instructions in a run ({result['valgrind']}; {result['note']})"
    )
    for function in result["functions"]:
        share = 100.0 * function["instructions"] / result["instructions"]
        print(f"{share:5.1f} % {function['instructions']:15,}  {function['name'][:140]}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", type=Path, default=DEMO)
    parser.add_argument("--runs", type=int, default=100, help="runs that are counted; default: %(default)s")
    parser.add_argument("--against", type=Path, metavar="FILE", help="a baseline: what --json printed")
    parser.add_argument("--tolerance", type=float, default=1.0, metavar="PERCENT", help="default: %(default)s")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if arguments.runs < 1:
        parser.error("--runs must be at least 1")
    try:
        then = None if arguments.against is None else json.loads(arguments.against.read_text(encoding="utf-8"))
        result = count(arguments.model, arguments.runs)
        if then is not None:
            result["against"] = {"instructions": then["instructions"], "more_percent": compared(result, then)}
    except (CountingError, OSError, ValueError) as error:
        parser.exit(2, f"error: {error}\n")
    if arguments.json:
        print(json.dumps(result, indent=2))
    else:
        show(result)
    if then is None:
        return
    more = result["against"]["more_percent"]
    print(f"{more:+.2f} % against {then['instructions']:,} in {arguments.against}", file=sys.stderr)
    sys.exit(1 if more > arguments.tolerance else 0)


if __name__ == "__main__":
    main()
