"""One network by one quantizer on VitisAIEP: what is claimed, and how the numbers compare. For coverage.py.

python coverage_cell.py NETWORK QUANTIZER --models DIR runs as a process of its own: quantizers print, leak and may die.
The last line of standard output is a JSON object.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import re
import sys
import tempfile
import time
import traceback
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import vaip
from numpy.typing import NDArray
from onnx import ModelProto, numpy_helper

sys.path.insert(0, str(Path(__file__).parent / "models"))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "python"))

from cached import float_model, quantized_model
from collection import NETWORKS, PARITY_NETWORKS, PARITY_QUANTIZER
from layerwise import (
    Boundary,
    boundaries,
    cut,
    difference,
    exposed,
    feeds_of,
    layer,
    output_steps,
    with_standard_names,
    works_on_integers,
)
from oracle import evaluate
from qoperator import to_qdq
from quantizers import QUANTIZERS, custom_operators_library

JsonObject = dict[str, Any]
Arrays = dict[str, NDArray[Any]]

TEST_SEED = 77
# Layers on which the oracle decides who is right, those with the most differing elements: it is slow.
REFEREED_LAYERS = 8
LIKE_AMD = {"vaip": {"compatibility": "amd"}}
CUSTOM_DOMAIN = "com.amd.quark"
# What onnxruntime's session.x64quantprecision says of some models in which layers share an int8 weight.
SHARED_WEIGHT = "Attempt to replace the existing tensor"


class CellError(Exception):
    """What a row says instead of figures."""

    def __init__(self, stage: str, message: str) -> None:
        super().__init__(f"{stage}: {message}")
        self.stage, self.message = stage, message


def measure(
    network: str,
    quantizer: str,
    directory: Path,
    threads: int,
    *,
    run: bool = True,
    publish: Callable[[JsonObject], None] = lambda _: None,
) -> JsonObject:
    """publish: told of what is known before the model is run, which may end the process."""
    started = time.perf_counter()
    result: JsonObject = {"network": network, "quantizer": quantizer}
    try:
        path, inputs = quantized(network, quantizer, directory)
        model = onnx.load(path)
        partitioned, claimed_nodes = partition(model, threads)
        result |= partitioned
        if network in PARITY_NETWORKS and quantizer == PARITY_QUANTIZER:
            like_amd, _ = partition(model, threads, LIKE_AMD)
            result["like_amd"] = {key: like_amd[key] for key in ("nodes", "claimed", "clusters", "reasons")}
        publish(result)
        if run:
            result |= agreement(model, inputs, claimed_nodes, threads)
    except CellError as failure:
        result["error"] = {"stage": failure.stage, "message": failure.message}
    return result | {"seconds": round(time.perf_counter() - started, 1)}


def quantized(network: str, quantizer: str, directory: Path) -> tuple[Path, Arrays]:
    """The model's file, made on first use, and an input that it was not calibrated with."""
    source = NETWORKS.get(network) or PARITY_NETWORKS[network]
    float_path = float_model(network, source, directory)
    try:
        path = quantized_model(network, source, quantizer, directory)
    except Exception as error:
        traceback.print_exc()
        raise CellError("quantization", _brief(error)) from error
    return path, source.inputs(onnx.load(float_path), TEST_SEED)


def partition(model: ModelProto, threads: int, config: JsonObject | None = None) -> tuple[JsonObject, list[str]]:
    """The report's figures, and the names of the claimed nodes."""
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "vaip_config.json"
        file.write_text(json.dumps(config or {}))
        session = _session(
            model, vaip.get_ep_name(), threads, provider_options={"config_file": str(file)} if config else {}
        )
    report = vaip.reports()[-1]
    assigned = session.get_provider_graph_assignment_info()
    claimed = [node.name for part in assigned if part.ep_name == vaip.get_ep_name() for node in part.get_nodes()]
    del session
    reasons: dict[tuple[str, str], list[str]] = defaultdict(list)
    for node in report.unclaimed:
        reasons[node.op, general(node.reason)].append(node.name)
    return {
        "device": report.device,
        "nodes": report.nodes.total,
        "claimed": report.nodes.ipu,
        "clusters": report.subgraphs,
        "latency_ms": report.latency_ms,
        "operators": report.operators,
        "reasons": [
            {"op": op, "reason": reason, "count": len(nodes), "nodes": nodes[:3]}
            for (op, reason), nodes in sorted(reasons.items(), key=lambda item: -len(item[1]))
        ],
    }, claimed


def general(reason: str) -> str:
    """A reason without what is particular to a node, so that reasons can be counted."""
    reason = re.sub(r"`[^`]*`", "`…`", reason)
    reason = re.sub(r"'[^']*'", "'…'", reason)
    return re.sub(r"\[[^\]]*\d[^\]]*\]|\b\d+(x\d+)+\b", "[…]", reason)


def agreement(model: ModelProto, inputs: Arrays, claimed_nodes: list[str], threads: int) -> JsonObject:
    names = [value.name for value in model.graph.output]
    ours = dict(zip(names, _session(model, vaip.get_ep_name(), threads).run(None, inputs), strict=True))
    theirs = dict(zip(names, _session(model, "CPU", threads).run(None, inputs), strict=True))
    gc.collect()
    constants = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    steps = output_steps(model, constants, names)
    result: JsonObject = {"outputs": [_whole_model(n, ours[n], theirs[n], steps.get(n)) for n in names]}

    by_us = set(claimed_nodes)
    claimed = [b for b in boundaries(model) if b.node in by_us]
    shown = exposed(model)
    session = _session(shown, vaip.get_ep_name(), threads)
    tensors = dict(zip([o.name for o in shown.graph.output], session.run(None, inputs), strict=True))
    del session
    # A tensor more among the outputs must not change what is computed.
    result["exposed_equal"] = all(np.array_equal(tensors[n], ours[n], equal_nan=True) for n in names)
    pieces = cut(model, tensors)
    # Without optimizations Q/DQ layers are computed in float32; operators on integers need one not to saturate.
    session = _session(pieces, "CPU", threads, optimize=works_on_integers(model))
    feeds = feeds_of(pieces, inputs, tensors)
    judged = dict(zip([o.name for o in pieces.graph.output], session.run(None, feeds), strict=True))
    del session
    return result | {"layers": _layers(claimed, tensors, judged)} | _refereed(pieces, claimed, feeds, tensors, judged)


def _whole_model(name: str, ours: NDArray[Any], theirs: NDArray[Any], step: float | None) -> JsonObject:
    """Largest difference in steps where the output is quantized; always as a part of the largest magnitude."""
    wide, reference = ours.astype(np.float64), theirs.astype(np.float64)
    apart = float(np.max(np.abs(wide - reference), initial=0.0))
    result: JsonObject = {"name": name, "elements": ours.size, "equal": int(np.count_nonzero(ours == theirs))}
    if ours.dtype.kind != "f":
        step = 1.0
    if step is not None:
        result["largest_steps"] = round(apart / step)
    result["largest_relative"] = apart / (float(np.max(np.abs(reference), initial=0.0)) or 1.0)
    return result


def _layers(claimed: list[Boundary], tensors: Arrays, judged: Arrays) -> JsonObject:
    totals = {"count": len(claimed), "elements": 0, "different": 0, "largest_steps": 0, "constant": 0}
    by_operator: dict[str, JsonObject] = {}
    for boundary in claimed:
        tensor = tensors[boundary.tensor]
        found = difference(tensor, judged[boundary.tensor])
        if tensor.size > 1 and np.all(tensor == tensor.reshape(-1)[0]):
            totals["constant"] += 1  # compared, but a comparison that says little
        row = by_operator.setdefault(boundary.op, {"count": 0, "elements": 0, "different": 0, "largest_steps": 0})
        row["count"] += 1
        for sums in (totals, row):
            sums["elements"] += found.elements
            sums["different"] += found.different
            sums["largest_steps"] = max(sums["largest_steps"], found.largest)
    return totals | {"operators": by_operator}


def _refereed(
    pieces: ModelProto, claimed: list[Boundary], feeds: Arrays, tensors: Arrays, judged: Arrays
) -> JsonObject:
    """The layers that differ most, computed once more by the tests' oracle in float64."""
    found = [(difference(tensors[b.tensor], judged[b.tensor]).different, b) for b in claimed]
    differing = sorted((item for item in found if item[0]), key=lambda item: -item[0])
    referee: JsonObject = {"layers": 0, "elements": 0, "ours_different": 0, "theirs_different": 0, "largest_steps": 0}
    beyond: dict[str, str] = {}
    worst = []
    for _, boundary in differing:
        if referee["layers"] == REFEREED_LAYERS:
            break
        part = to_qdq(with_standard_names(layer(pieces, boundary.tensor)))
        try:
            exact = evaluate(part, {v.name: feeds[v.name] for v in part.graph.input})[boundary.tensor]
        except NotImplementedError as error:
            beyond[boundary.op] = str(error)
            continue
        ours, theirs = (difference(values[boundary.tensor], exact) for values in (tensors, judged))
        referee["layers"] += 1
        referee["elements"] += ours.elements
        referee["ours_different"] += ours.different
        referee["theirs_different"] += theirs.different
        referee["largest_steps"] = max(referee["largest_steps"], ours.largest)
        if ours.different:
            worst.append({"tensor": boundary.tensor, "op": boundary.op, **vars(ours)})
    return {"differing_layers": len(differing), "oracle": referee | {"not_covered": beyond, "worst": worst[:5]}}


def _session(
    model: ModelProto,
    provider: str,
    threads: int,
    *,
    optimize: bool = True,
    provider_options: dict[str, str] | None = None,
) -> ort.InferenceSession:
    providers: list[Any] = ["CPUExecutionProvider"]
    if provider != "CPU":
        providers.insert(0, (provider, provider_options or {}))
    source = model.SerializeToString()
    try:
        return ort.InferenceSession(
            source, _options(model, threads, precise=True, optimize=optimize), providers=providers
        )
    except Exception as error:
        if SHARED_WEIGHT not in str(error):
            raise CellError(f"session on {provider}", _brief(error)) from error
    # Nothing saturates in float32 either.
    ours = provider != "CPU"
    return ort.InferenceSession(source, _options(model, threads, precise=False, optimize=ours), providers=providers)


def _options(model: ModelProto, threads: int, *, precise: bool, optimize: bool) -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    # Where onnxruntime makes one operator of 4-bit weights and their product, activations stay float.
    options.add_session_config_entry("session.qdq_matmulnbits_accuracy_level", "1")
    if precise:
        options.add_session_config_entry("session.x64quantprecision", "1")
    if not optimize:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    if any(node.domain == CUSTOM_DOMAIN for node in model.graph.node):
        options.register_custom_ops_library(custom_operators_library())
    return options


def _brief(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0] if lines else ''}"[:300]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network")
    parser.add_argument("quantizer", choices=QUANTIZERS)
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--claims", action="store_true", help="do not run the model")
    arguments = parser.parse_args()
    # Quantizers print to standard output, also from C++.
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def publish(result: JsonObject) -> None:
        print(json.dumps(result), file=answer, flush=True)

    cell = (arguments.network, arguments.quantizer, arguments.models, arguments.threads)
    publish(measure(*cell, run=not arguments.claims, publish=publish))
    answer.close()


if __name__ == "__main__":
    main()
