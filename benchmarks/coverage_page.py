"""The results of coverage.py as docs/coverage.md, and as a table for the terminal."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from collection import NETWORKS, PARITY_QUANTIZER
from quantizers import QUANTIZERS
from rich import box
from rich.table import Table

JsonObject = dict[str, Any]
AMD = Path(__file__).with_name("amd_operator_counts.json")

INTRODUCTION = """\
# Coverage

Which nodes of quantized models VitisAIEP claims, with what reasons for the rest, and how its numbers compare. The
models are what quantizers write, not graphs made to fit: nothing in them is edited, except that each node has a name.
`python benchmarks/coverage.py` makes the models and writes this page; here with {versions}.

The networks (`benchmarks/models/collection.py`) are the nine of the onnx package's light zoo (`light_...`), published
ones from `vaip.networks`, YOLOv8n with its box decoding and at 320x320, and what PyTorch's exporter makes of encoders,
a decoder and image-to-image networks. Weights are random but keep every layer alive; calibration is two random inputs.
Coverage depends on neither. Nodes are counted over the graph that ONNX Runtime hands over. Predicted times are for
`{device}` with the default configuration, and of what is claimed only.
"""

CLAIMS = """\
In percent; in parentheses the number of clusters where there is more than one. ORT is `onnxruntime.quantization`. What
quantizes matrix products alone is tried on transformers only.
"""

AGREEMENT = """\
Two comparisons with ONNX Runtime's CPU provider (`session.x64quantprecision=1`, so that it does not saturate):

- *model*: the outputs of the whole model, each provider by itself. Random weights amplify: in MobileNetV2 by A8W8, 21
  elements that differ by one step in the ninth of 66 tensors become differences of up to 14 steps in most outputs.
- *layers*: every claimed quantized tensor, each layer computed by the CPU provider in float32 from VitisAIEP's own
  tensors, so that differences do not grow. This is the figure to look at.

Where the two differ on a layer, the numpy oracle of the tests (integers and float64, no code in common with either)
says who is right: on up to eight layers of each model, those that differ on most elements. *Not exact* counts the
elements of these on which a provider differs from the oracle.
"""

NUMBERS = ("network", "claimed", "clusters", "ms", "model: equal %", "largest", "layers", "equal %", "largest, steps")
NUMBERS += ("with oracle", "VAIP not exact", "CPU not exact")

PARITY = """\
AMD publishes how many operators its own provider takes of networks that Quark quantized to XINT8. Beside it, the same
topologies by the same quantizer here. AMD counts operators on the NPU, on ONNX Runtime's CPU provider, and on the CPU
inside AMD's provider. `"compatibility": "amd"` stands for AMD's thresholds, which VitisAIEP applies only if a
configuration says so ([configuration.md](configuration.md)).

{table}

{more}

Where both totals are the same, so are the graphs. What AMD's provider leaves to the CPU and VitisAIEP claims:

- the Reshape or Flatten in front of a classifier with its Q/DQ (the 2 of the ResNets): AMD's compiler leaves data
  movement at the end of its graph to the CPU, as does `"compatibility": "amd"`;
- small subgraphs: `minimum_num_of_conv` leaves a model with fewer convolutions to the CPU, `dpu_subgraph_num` one of
  more subgraphs. DenseNet-121 has 63 subgraphs there, of which 5 ran (and a graph of more operators than here);
- what cuts a network into subgraphs: MobileNetV2 comes in 18, EfficientNet-B0 in 66. Here each is one program: no cut
  is needed where every layer has an exact kernel. A predicted time is then that of a compiler that takes it whole.
"""


def _installed(name: str) -> str:
    try:
        return f"{name} {version(name)}"
    except PackageNotFoundError:
        return f"no {name}"


def page(results: Sequence[JsonObject]) -> str:
    packages = ", ".join(_installed(name) for name in ("amd-quark", "onnxruntime", "onnx", "torch"))
    device = next((r["device"] for r in results if "device" in r), "strix")
    table, more = _parity(results)
    collected = [r for r in results if r["network"] in NETWORKS]
    parts = [
        INTRODUCTION.format(versions=packages, device=device),
        "## Claimed nodes\n\n" + CLAIMS,
        _claims(collected),
        _missing(collected),
        "\n## Numbers\n",
        AGREEMENT,
        *(_numbers(quantizer, collected) for quantizer in QUANTIZERS),
        "## What is not claimed, and why\n",
        _reasons(collected),
        "\n## Models that could not be made or run\n",
        _errors(collected),
        "\n## AMD's own coverage\n",
        PARITY.format(table=table, more=more),
    ]
    return "\n".join(parts)


def summary(results: Sequence[JsonObject]) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    for column in ("network", "quantizer"):
        table.add_column(column)
    for column in ("nodes", "claimed", "%", "clusters", "ms", "layers equal %", "steps", "exact %"):
        table.add_column(column, justify="right")
    for r in results:
        if "nodes" not in r:
            table.add_row(r["network"], r["quantizer"], f"{r['error']['stage']}: {r['error']['message']}"[:60])
            continue
        claims = [r["nodes"], r["claimed"], _percent(r["claimed"], r["nodes"], 1), r["clusters"]]
        numbers = [f"{r['latency_ms']:.2f}"]
        if "layers" in r:
            layers, oracle = r["layers"], r["oracle"]
            numbers.append(_percent(layers["elements"] - layers["different"], layers["elements"], 4))
            numbers.append(str(layers["largest_steps"]))
            numbers.append(_percent(oracle["elements"] - oracle["ours_different"], oracle["elements"], 4))
        table.add_row(r["network"], r["quantizer"], *map(str, claims), *numbers)
    return table


def _percent(part: int, whole: int, digits: int) -> str:
    """Rounded down: 100 is said of the whole only."""
    if not whole:
        return "-"
    scale = 10**digits
    text = f"{100 * part * scale // whole / scale:.{digits}f}"
    return "100" if part == whole else text


def _markdown(header: Sequence[str], rows: Iterable[Sequence[object]], right: int = 1) -> str:
    """Columns from `right` on are numbers."""
    lines = [f"| {' | '.join(header)} |", f"|{'|'.join('---:' if i >= right else '---' for i in range(len(header)))}|"]
    lines += [f"| {' | '.join(str(cell).replace('|', '¦') for cell in row)} |" for row in rows]
    return "\n".join(lines) + "\n"


def _claims(results: Sequence[JsonObject]) -> str:
    by_cell = {(r["network"], r["quantizer"]): r for r in results}
    titles = [QUANTIZERS[q].title for q in QUANTIZERS]
    rows = []
    for network in NETWORKS:
        cells = []
        for quantizer in QUANTIZERS:
            r = by_cell.get((network, quantizer), {})
            clusters = f" ({r['clusters']})" if r.get("clusters", 0) > 1 else ""
            cells.append(_percent(r["claimed"], r["nodes"], 1) + clusters if "nodes" in r else "failed" if r else "")
        rows.append([network, *cells])
    return _markdown(["network", *titles], rows)


def _missing(results: Sequence[JsonObject]) -> str:
    """What a run of a part, or without running the models, leaves open."""
    claimed = {(r["network"], r["quantizer"]) for r in results}
    ran = {(r["network"], r["quantizer"]) for r in results if "layers" in r or "error" in r}
    lines = []
    for known, what in ((claimed, "Not tried yet"), (ran, "Claims only, numbers not compared yet")):
        open_cells: dict[str, list[str]] = defaultdict(list)
        for network, source in NETWORKS.items():
            for name, quantizer in QUANTIZERS.items():
                expected = source.transformer or not quantizer.transformers_only
                if expected and (network, name) not in known and (known is claimed or (network, name) in claimed):
                    open_cells[network].append(name)
        if open_cells:
            cells = "; ".join(f"{n} ({', '.join(names)})" for n, names in open_cells.items())
            lines.append(f"{what}: {cells}.\n")
    return "\n".join(lines)


def _numbers(quantizer: str, results: Sequence[JsonObject]) -> str:
    rows = []
    for r in results:
        if r["quantizer"] != quantizer or "layers" not in r:
            continue
        layers, oracle, outputs = r["layers"], r["oracle"], r["outputs"]
        steps = [o.get("largest_steps") for o in outputs]
        apart = (
            f"{max(steps)} steps" if None not in steps else f"{100 * max(o['largest_relative'] for o in outputs):.3g} %"
        )
        rows.append(
            [
                r["network"],
                f"{r['claimed']} of {r['nodes']}",
                r["clusters"],
                f"{r['latency_ms']:.2f}" if r["claimed"] else "-",
                _percent(sum(o["equal"] for o in outputs), sum(o["elements"] for o in outputs), 1),
                apart,
                layers["count"],
                _percent(layers["elements"] - layers["different"], layers["elements"], 4),
                layers["largest_steps"],
                oracle["layers"],
                oracle["ours_different"] if oracle["layers"] else "",
                oracle["theirs_different"] if oracle["layers"] else "",
            ]
        )
    changed = [r["network"] for r in results if r["quantizer"] == quantizer and not r.get("exposed_equal", True)]
    note = f"\nWith all tensors among the outputs these give other numbers: {', '.join(changed)}.\n" if changed else ""
    return f"### {QUANTIZERS[quantizer].title}\n\n{_markdown(NUMBERS, rows)}{note}"


def _reasons(results: Sequence[JsonObject]) -> str:
    counts: Counter[tuple[str, str]] = Counter()
    seen: dict[tuple[str, str], dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for r in results:
        for reason in r.get("reasons", []):
            key = (reason["op"], reason["reason"])
            counts[key] += reason["count"]
            seen[key][r["quantizer"]].add(r["network"])
    if not counts:
        return "Every node is claimed.\n"
    rows = [
        [count, op, reason, "; ".join(f"{q}: {', '.join(sorted(n))}" for q, n in seen[op, reason].items())]
        for (op, reason), count in counts.most_common()
    ]
    return _markdown(["nodes", "operator", "reason", "where"], rows, right=9)


def _errors(results: Sequence[JsonObject]) -> str:
    rows = [[r["network"], r["quantizer"], r["error"]["stage"], r["error"]["message"]] for r in results if "error" in r]
    return _markdown(["network", "quantizer", "stage", "error"], rows, right=9) if rows else "None.\n"


def _parity(results: Sequence[JsonObject]) -> tuple[str, str]:
    """The table, and a sentence on who takes more."""
    xint8 = {r["network"]: r for r in results if r["quantizer"] == PARITY_QUANTIZER and "like_amd" in r}
    rows, more, fewer = [], [], []
    for line in json.loads(AMD.read_text())["networks"]:
        parts = [line["npu"], line["cpu"], line["ep_cpu"]]
        amd = [sum(parts) if None not in parts else None, *parts, line["subgraphs"]]
        mine: list[object] = [""] * 4
        ours = xint8.get(line.get("ours", line["name"]))
        if ours:
            mine = [ours["nodes"], ours["claimed"], ours["clusters"], ours["like_amd"]["claimed"]]
            (more if ours["claimed"] > line["npu"] else fewer).append(line["name"])
        name = line["name"] + (f" (here {line['ours']})" if "ours" in line else "")
        rows.append([name, *("" if value is None else value for value in amd), *mine])
    header = ["network", "AMD: all", "NPU", "CPU", "CPU in the provider", "subgraphs"]
    header += ["VitisAIEP: all", "claimed", "clusters", 'claimed with `"compatibility": "amd"`']
    sentence = f"VitisAIEP takes more of {', '.join(more)}." if more else "VitisAIEP takes more of none."
    return _markdown(header, rows), sentence + (f" It takes no more of {', '.join(fewer)}." if fewer else "")
