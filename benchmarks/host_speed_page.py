"""What host_speed.py measured as a table, as a section of a page, and as a plot."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from host_speed_cases import Case
from host_speed_runner import threads_text
from rich import box
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text
from vaip.cli.bench import PRECISE_NOTE
from vaip.files import write_text, written_whole
from vaip.sweep.plot import PAGES

if TYPE_CHECKING:
    import matplotlib.figure
    import plotly.graph_objects

JsonObject = dict[str, Any]

BEGIN, END = "<!-- results: written by host_speed.py -->", "<!-- end of results -->"
HEADINGS = ("CPU EP", "VitisAIEP", "ratio")


def about(host: Mapping[str, Any]) -> str:
    """The machine in a line."""
    has = [f"{'' if host[key] else 'no '}{key.upper()}" for key in ("vnni", "amx")]
    features = ", ".join(host["features"]) or "none of the known features"
    variables = "".join(f", {name}={value}" for name, value in host["environment"].items())
    versions = f"vaip {host['vaip']}, onnxruntime {host['onnxruntime']}"
    return f"{host['cpu']}, {host['cpus']} CPUs, {', '.join(has)} ({features}); {versions}{variables}"


def rows(values: Mapping[str, Any]) -> tuple[list[int], list[tuple[Case, dict[int, JsonObject]]]]:
    """The thread counts, and for each case its results by them."""
    by_case: dict[Case, dict[int, JsonObject]] = {}
    for result in values["results"]:
        by_case.setdefault(Case(result["network"], result["quantizer"]), {})[result["threads"]] = result
    return sorted({result["threads"] for result in values["results"]}), list(by_case.items())


def bar_of(results: Mapping[int, JsonObject]) -> float | None:
    bar: float | None = next(iter(results.values()))["bar"]
    return bar


def reached(values: Mapping[str, Any]) -> str:
    barred = [result for result in values["results"] if result["bar"] is not None]
    met = sum(result["ratio"] >= result["bar"] for result in barred)
    return f"{met} of {len(barred)} ratios with a bar reach it."


def shown(values: Mapping[str, Any]) -> RenderableType:
    counts, cases = rows(values)
    table = Table(title="Median host time in ms", title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("network", no_wrap=True)
    table.add_column("quantizer", no_wrap=True)
    table.add_column("bar", justify="right", no_wrap=True)
    for count in counts:
        for heading in HEADINGS:
            table.add_column(f"{heading}\n{threads_text(count)}", justify="right", no_wrap=True)
    for case, results in cases:
        bar = bar_of(results)
        cells = [escape(case.network), case.title, "" if bar is None else f"{bar:g}"]
        for count in counts:
            if count not in results:
                cells += ["", "", ""]
                continue
            cpu, ours, ratio = _figures(results[count])
            colour = "" if bar is None else "[green]" if results[count]["ratio"] >= bar else "[red]"
            cells += [cpu, ours, f"{colour}{ratio}"]
        table.add_row(*cells)
    notes = [f"{entry['name']}: {_why_missing(entry)}" for entry in values["missing"]]
    return Group(Text(about(values["host"])), table, Text(reached(values)), *(Text(note) for note in notes))


def write_section(values: Mapping[str, Any], page: Path) -> None:
    """Puts the results between the two marks of the page; makes a page of nothing else where there is none."""
    text = page.read_text(encoding="utf-8") if page.exists() else f"{BEGIN}\n{END}\n"
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"error: {page} has no lines {BEGIN} and {END}, between which the results would stand")
    write_text(page, f"{before}{BEGIN}\n{markdown(values)}{END}{after}")


def markdown(values: Mapping[str, Any]) -> str:
    counts, cases = rows(values)
    dates = sorted({result["date"] for result in values["results"]})
    runs = sorted({result["runs"] for result in values["results"]})
    days = "" if not dates else f"{dates[0]}{'' if dates[0] == dates[-1] else ' to ' + dates[-1]}; "
    loads = sorted(result["load"] for result in values["results"])
    load = f", load average {loads[0]:.1f} to {loads[-1]:.1f} before each" if loads else ""
    lines = [
        "",
        f"{days}{about(values['host'])}. Medians in ms of {' or '.join(map(str, runs))} runs{load}. {reached(values)}",
        "",
        "| network | quantizer | bar | "
        + " | ".join(f"{h}, {threads_text(c)}" for c in counts for h in HEADINGS)
        + " |",
        "|---|---|---:|" + "---:|" * (len(HEADINGS) * len(counts)),
    ]
    for case, results in cases:
        bar = bar_of(results)
        cells = [case.network, case.title, "" if bar is None else f"{bar:g}"]
        for count in counts:
            cpu, ours, ratio = _figures(results[count]) if count in results else ("", "", "")
            missed = count in results and bar is not None and results[count]["ratio"] < bar
            cells += [cpu, ours, f"{ratio} (below)" if missed else ratio]
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", *(f"Not measured: {entry['name']}, {_why_missing(entry)}." for entry in values["missing"])]
    if any(PRECISE_NOTE in result["notes"] for result in values["results"]):
        lines += ["ONNX Runtime's default 8-bit kernels saturate on this CPU; they are what is timed.", ""]
    return "\n".join(lines) + "\n"


def draw(values: Mapping[str, Any], path: Path) -> None:
    with written_whole(path) as temporary:
        if path.suffix.lower() in PAGES:
            _page(values).write_html(temporary, include_plotlyjs=True)
        else:
            _picture(values).savefig(temporary, dpi=150)


RATIO = "time on the CPU EP / time on VitisAIEP"


def _picture(values: Mapping[str, Any]) -> matplotlib.figure.Figure:
    from matplotlib.figure import Figure

    counts, cases = rows(values)
    figure = Figure(figsize=(9, 1.5 + 0.32 * len(cases)), layout="constrained")
    axes = figure.subplots()
    height = 0.8 / max(1, len(counts))
    for index, count in enumerate(counts):
        at = [row + index * height for row, (_, results) in enumerate(cases) if count in results]
        ratios = [results[count]["ratio"] for _, results in cases if count in results]
        axes.barh(at, ratios, height, label=threads_text(count))
    barred = [(row, bar_of(results)) for row, (_, results) in enumerate(cases) if bar_of(results) is not None]
    reach = height * len(counts)
    lows, highs = [row - height / 2 for row, _ in barred], [row - height / 2 + reach for row, _ in barred]
    axes.vlines([bar for _, bar in barred], lows, highs, color="black", label="bar")
    axes.axvline(1.0, color="0.6", linewidth=0.8)
    axes.set_yticks([row + (len(counts) - 1) * height / 2 for row in range(len(cases))])
    axes.set_yticklabels([case.name for case, _ in cases], fontsize="small")
    axes.invert_yaxis()
    axes.set(xlabel=RATIO, title=values["host"]["cpu"])
    axes.legend()
    axes.grid(axis="x", alpha=0.3)
    return figure


def _page(values: Mapping[str, Any]) -> plotly.graph_objects.Figure:
    import plotly.graph_objects as go

    counts, cases = rows(values)
    figure = go.Figure()
    for count in counts:
        present = [(case, results) for case, results in cases if count in results]
        figure.add_bar(
            y=[case.name for case, _ in present],
            x=[results[count]["ratio"] for _, results in present],
            text=[" / ".join(_figures(results[count])[:2]) + " ms" for _, results in present],
            orientation="h",
            name=threads_text(count),
        )
    barred = [(case.name, bar_of(results)) for case, results in cases if bar_of(results) is not None]
    marker = {"symbol": "line-ns", "size": 16, "line": {"width": 2, "color": "black"}}
    figure.add_scatter(y=[name for name, _ in barred], x=[bar for _, bar in barred], mode="markers", marker=marker)
    figure.data[-1].name = "bar"
    figure.update_yaxes(autorange="reversed")
    figure.update_layout(
        title=values["host"]["cpu"], xaxis_title=RATIO, template="plotly_white", height=200 + 36 * len(cases)
    )
    return figure


def _figures(result: Mapping[str, Any]) -> tuple[str, str, str]:
    return f"{result['cpu']['median_ms']:.2f}", f"{result['vaip']['median_ms']:.2f}", f"{result['ratio']:.2f}"


def _why_missing(entry: Mapping[str, Any]) -> str:
    if "skipped" in entry:
        return f"skipped: {entry['skipped']}"
    threads = f"{threads_text(entry['threads'])}, " if "threads" in entry else ""
    return f"{threads}failed: {entry['failed']}"
