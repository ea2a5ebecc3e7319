"""A quantized model on VitisAIEP, each layer that it took held against the oracle on the inputs that it got."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import vaip
from float_network import Arrays
from onnx import ModelProto
from oracle import evaluate
from sessions import EP_NAME, Tally, run, vaip_session

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from layerwise import boundaries, cut, exposed, feeds_of, layer, with_standard_names
from qoperator import to_qdq


def sort_nodes(model: ModelProto) -> None:
    """In topological order, which Quark's tools do not keep; with names for all, by which claims are told."""
    nodes = {i: node for i, node in enumerate(model.graph.node)}
    known = {t.name for t in model.graph.initializer} | {i.name for i in model.graph.input} | {""}
    result = []
    while nodes:
        ready = [i for i, node in nodes.items() if known.issuperset(node.input)]
        assert ready, "the graph has a cycle"
        for i in ready:
            node = nodes.pop(i)
            node.name = node.name or f"{node.op_type}_{i}"
            known.update(node.output)
            result.append(node)
    copies = ModelProto()
    copies.graph.node.extend(result)
    del model.graph.node[:]
    model.graph.node.extend(copies.graph.node)


def check_layers(name: str, model: ModelProto, feeds: Arrays) -> set[str]:
    """Each layer that VitisAIEP took against the oracle, on the inputs that it got; the operators that it did not take.

    Without onnxruntime's optimizations, which quantize what the quantizer left float (weights, biases) themselves.
    """
    sort_nodes(model)
    session = vaip_session(model, fallback=True, optimize=False)
    left = {node.op for node in vaip.reports()[-1].unclaimed} - {"QuantizeLinear", "DequantizeLinear"}
    parts = session.get_provider_graph_assignment_info()
    claimed = {node.name for part in parts if part.ep_name == EP_NAME for node in part.get_nodes()}
    outputs = run(session, feeds)

    shown = exposed(model)
    names = [o.name for o in shown.graph.output]
    tensors = dict(zip(names, run(vaip_session(shown, fallback=True, optimize=False), feeds), strict=True))
    for output, got in zip(model.graph.output, outputs, strict=True):
        np.testing.assert_array_equal(got, tensors[output.name], err_msg=output.name)
    pieces = cut(model, tensors)
    given = feeds_of(pieces, feeds, tensors)
    tally = Tally()
    for boundary in boundaries(model):
        part = layer(pieces, boundary.tensor)
        if any(node.name not in claimed for node in part.graph.node if node.op_type != "DequantizeLinear"):
            continue  # wholly or in part the CPU provider's
        expected = evaluate(to_qdq(with_standard_names(part)), {i.name: given[i.name] for i in part.graph.input})[
            boundary.tensor
        ]
        tally.add(expected, tensors[boundary.tensor], f"{name}: {boundary.op} -> {boundary.tensor}", equal=False)
    # Of some thousand elements one may be at a tie.
    assert tally.different <= max(1, 1e-4 * tally.elements), name
    return left
