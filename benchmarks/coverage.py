"""Which nodes of quantized models VitisAIEP claims, why not the others, and how its numbers compare: docs/coverage.md.

python coverage.py [--only NETWORK] [--quantizer NAME] [--models DIR] [--jobs N] [--json]

Every network of models/collection.py by every quantizer of models/quantizers.py. DIR keeps the float and quantized
models (some 5 GB) and, for as long as the VitisAIEP library is the same, the results: a run that was stopped goes on. A
whole run writes the page; one of a part does where --out names a file. Needs AMD Quark and PyTorch: pip install
'vaip[quark]'.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from rich.console import Console

sys.path.insert(0, str(Path(__file__).parent / "models"))

from collection import NETWORKS, PARITY_NETWORKS, PARITY_QUANTIZER
from coverage_page import page, summary
from coverage_runner import Cell, Runner, run_all
from quantizers import QUANTIZERS

PAGE = Path(__file__).parents[1] / "docs" / "coverage.md"


def all_cells() -> list[Cell]:
    cells = [
        (network, name)
        for network, source in NETWORKS.items()
        for name, quantizer in QUANTIZERS.items()
        if source.transformer or not quantizer.transformers_only
    ]
    return cells + [(network, PARITY_QUANTIZER) for network in PARITY_NETWORKS if network not in NETWORKS]


def default_directory() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "vaip" / "coverage"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    networks = tuple(dict.fromkeys((*NETWORKS, *PARITY_NETWORKS)))
    parser.add_argument(
        "--only", action="append", choices=networks, metavar="NETWORK", help=f"one of {', '.join(networks)}; repeatable"
    )
    parser.add_argument(
        "--quantizer", action="append", choices=QUANTIZERS, metavar="NAME", help=f"one of {', '.join(QUANTIZERS)}"
    )
    parser.add_argument("--models", type=Path, default=default_directory(), help="default: %(default)s")
    parser.add_argument("--jobs", type=int, default=1, help="cells at a time")
    parser.add_argument("--threads", type=int, default=1, help="of each session")
    parser.add_argument("--timeout", type=int, default=1800, help="seconds for a cell")
    parser.add_argument("--claims", action="store_true", help="only what is claimed: no model is run, no page written")
    parser.add_argument("--fresh", action="store_true", help="measure again what was measured with this library")
    parser.add_argument("--out", type=Path, help="the page; default for a whole run: docs/coverage.md")
    parser.add_argument("--json", action="store_true", help="print all results as one JSON object")
    arguments = parser.parse_args()

    cells = [
        (network, quantizer)
        for network, quantizer in all_cells()
        if network in (arguments.only or networks) and quantizer in (arguments.quantizer or QUANTIZERS)
    ]
    runner = Runner(
        arguments.models, arguments.threads, arguments.timeout, fresh=arguments.fresh, claims=arguments.claims
    )
    results = list(run_all(runner, cells, arguments.jobs))
    out = arguments.out or (PAGE if len(cells) == len(all_cells()) and not arguments.claims else None)
    if out is not None:
        out.write_text(page(results), encoding="utf-8")
    if arguments.json:
        print(json.dumps({"cells": results}, indent=1))
    else:
        Console().print(summary(results))


if __name__ == "__main__":
    main()
