"""Host speed of VitisAIEP against onnxruntime's CPU provider over all models: medians, ratios, bars beside them.

python host_speed.py [PATTERN ...] [--runs N] [--json FILE] [--plot FILE] [--markdown docs/host_speed.md]

Each model runs on both providers in turns in this process, as `vaip bench` does, once for each number of threads. The
ratio is CPU/VitisAIEP of the medians: above 1, VitisAIEP is faster. Bars are reported, not asserted: some need
instructions that not every CPU has. Results are kept for as long as library and machine are the same: a run that was
stopped goes on. PATTERN selects models by name: '*.quark_xint8', 'light_resnet50.*'.

DIR keeps the models and is the one of coverage.py, which makes most of them. Models of AMD Quark need pip install
'vaip[quark]', MiniLM 'vaip[transformers]', the other encoders torch; what is not installed is skipped with a line that
says so.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from coverage import default_directory
from host_speed_cases import CASES, selected
from host_speed_page import draw, shown, write_section
from host_speed_runner import Runner
from rich.console import Console
from vaip import Error
from vaip.sweep.plot import check

TABLE_WIDTH = 128  # also where the terminal is narrower: each row on one line


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("patterns", nargs="*", metavar="PATTERN", help=f"{CASES[0].name}, ...; default: all models")
    parser.add_argument("--barred", action="store_true", help="only models with a bar")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], metavar="N", help="default: 1 2")
    parser.add_argument("--runs", type=int, default=30, help="timed runs of each provider; default: %(default)s")
    parser.add_argument("--models", type=Path, default=default_directory(), metavar="DIR", help="default: %(default)s")
    parser.add_argument("--json", type=Path, metavar="FILE", help="all results; default: host_speed.json in DIR")
    parser.add_argument("--plot", type=Path, metavar="FILE", help=".png, .svg, .pdf or .html; needs 'vaip[plot]'")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="a page into which the results are written")
    parser.add_argument("--fresh", action="store_true", help="measure again what is kept")
    parser.add_argument("--list", action="store_true", help="only list the models and their bars")
    arguments = parser.parse_args()
    cases = selected(arguments.patterns, barred=arguments.barred)
    if not cases:
        parser.error("no model matches; --list shows them all")
    if arguments.runs < 1 or min(arguments.threads) < 1:
        parser.error("--runs and --threads must be at least 1")
    if arguments.list:
        for case in cases:
            print(case.name, "" if case.bar is None else f"{case.bar:g}")
        return
    if arguments.plot is not None:
        try:
            check(arguments.plot)
        except Error as error:
            parser.error(str(error))
    runner = Runner(
        arguments.models, arguments.json or arguments.models / "host_speed.json", arguments.runs, fresh=arguments.fresh
    )
    progress = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
    values = runner.run(cases, list(dict.fromkeys(arguments.threads)), progress.print)
    Console(width=max(Console().width, TABLE_WIDTH)).print(shown(values))
    if arguments.markdown is not None:
        write_section(values, arguments.markdown)
    if arguments.plot is not None:
        draw(values, arguments.plot)


if __name__ == "__main__":
    main()
