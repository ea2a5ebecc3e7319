"""ONNX's own backend node tests: whatever passes on the CPU EP alone passes with VitisAIEP in front of it, too.

The suite holds few quantized models, and most of its nodes stay on the CPU; what it shows is that no model, type or
attribute of the specification upsets the EP, and that what the EP does take is right.
"""

from __future__ import annotations

import dataclasses
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from models import Edge, ModelBuilder, Style
from onnx import numpy_helper
from oracle import evaluate
from sessions import EP_NAME, Tally, claimed_nodes, cpu_session, run, vaip_options, vaip_session

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the suite overflows on purpose while it makes its data
    from onnx.backend.test.loader import load_model_tests
    from onnx.backend.test.runner import Runner


OPERATORS = (
    "Add", "ArgMax", "ArgMin", "AveragePool", "BatchNormalization", "Celu", "Clip", "Concat", "Conv",
    "ConvTranspose", "Cos", "DepthToSpace", "Expand", "Flatten", "Gather", "GatherElements", "GatherND", "Gemm",
    "GlobalAveragePool", "Greater", "GreaterOrEqual", "GroupNormalization", "HardSigmoid", "HardSwish", "Identity",
    "InstanceNormalization", "LayerNormalization", "LeakyRelu", "Less", "LessOrEqual", "LpNormalization", "MatMul",
    "MaxPool", "Mul", "PRelu", "Pad", "RMSNormalization", "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp",
    "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum", "ReduceSumSquare", "Relu", "Reshape",
    "Resize", "Selu", "Shrink", "Sigmoid", "Sin", "Slice", "Softmax", "Softsign", "SpaceToDepth", "Split",
    "Squeeze", "Sub", "Sum", "Tanh", "ThresholdedRelu", "Tile", "TopK", "Transpose", "Unsqueeze", "Where",
)  # fmt: skip


@dataclass
class Outcome:
    passed: bool
    problem: str = ""
    claimed: Counter[str] = field(default_factory=Counter)


def as_value(data: Any) -> Any:
    """What a session takes, from what the suite stores: protobuf tensors of some types, numpy scalars."""
    if isinstance(data, onnx.TensorProto):
        return numpy_helper.to_array(data)
    return np.asarray(data) if isinstance(data, np.generic) else data


def run_case(case: Any, model: bytes, providers: Sequence[str]) -> Outcome:
    try:
        session = ort.InferenceSession(model, vaip_options(fallback=True), providers=list(providers))
        session.disable_fallback()
        claimed = Counter(
            node.op_type
            for subgraph in session.get_provider_graph_assignment_info()
            if subgraph.ep_name == EP_NAME
            for node in subgraph.get_nodes()
        )
        names = [i.name for i in session.get_inputs()]
        for inputs, expected in case.data_sets:
            feeds = {name: as_value(value) for name, value in zip(names, inputs, strict=False) if value is not None}
            got = session.run(None, feeds)
            # onnx's own comparison: sequences, optionals, strings, tolerances
            Runner.assert_similar_outputs([as_value(e) for e in expected], got, rtol=case.rtol, atol=case.atol)
    except Exception as error:
        return Outcome(False, f"{type(error).__name__}: {error}")
    return Outcome(True, claimed=claimed)


def loaded(case: Any) -> Any:
    """The case with its model and data, which newer versions of onnx keep in files."""
    if case.model is not None or case.model_dir is None:
        return case
    folder = Path(case.model_dir)
    model = onnx.load(folder / "model.onnx")

    def read(path: Path, kind: onnx.TypeProto) -> Any:
        form = kind.WhichOneof("value")
        proto = {"sequence_type": onnx.SequenceProto, "optional_type": onnx.OptionalProto}.get(form, onnx.TensorProto)()
        proto.ParseFromString(path.read_bytes())
        if form == "sequence_type":
            return numpy_helper.to_list(proto)
        return numpy_helper.to_optional(proto) if form == "optional_type" else numpy_helper.to_array(proto)

    def values(folder: Path, stem: str, declared: Sequence[onnx.ValueInfoProto]) -> list[Any]:
        files = [(folder / f"{stem}_{i}.pb", value.type) for i, value in enumerate(declared)]
        return [read(path, kind) for path, kind in files if path.exists()]

    data_sets = [
        (values(data, "input", model.graph.input), values(data, "output", model.graph.output))
        for data in sorted(folder.glob("test_data_set_*"))
    ]
    return dataclasses.replace(case, model=model, data_sets=data_sets)


@pytest.fixture(scope="module")
def cases() -> list[Any]:
    return [case for case in map(loaded, load_model_tests(kind="node")) if case.model is not None]


@pytest.mark.filterwarnings("ignore")
def test_node_tests_pass_as_on_the_cpu(cases: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    """As they are, and, where they quantize, also with their parameters constant, as a quantizer writes them."""
    import vaip  # noqa: F401  registers the EP

    models = [(case, case.model.SerializeToString()) for case in cases]
    models += [(fixed, fixed.model.SerializeToString()) for fixed in map(with_constants, cases) if fixed]
    on_cpu, on_vaip, failures = 0, 0, []
    claimed: Counter[str] = Counter()
    with np.errstate(all="ignore"):
        for case, model in models:
            if not run_case(case, model, ["CPUExecutionProvider"]).passed:
                continue
            on_cpu += 1
            outcome = run_case(case, model, [EP_NAME, "CPUExecutionProvider"])
            on_vaip += outcome.passed
            claimed.update(outcome.claimed)
            if not outcome.passed:
                failures.append(f"{case.name}: {outcome.problem[:300]}")
    with capsys.disabled():
        print(
            f"\n{len(models)} node tests; {on_cpu} pass on the CPU EP, {on_vaip} of them with VitisAIEP, "
            f"which claimed {claimed.total()} nodes: {dict(claimed.most_common())}"
        )
    assert not failures, "\n".join(failures)
    assert on_cpu > 1200, "the suite shrank"
    assert claimed.total() > 0


def with_constants(case: Any) -> Any | None:
    """A quantized case with all inputs but the first as initializers; None for other cases."""
    quantized = any("Linear" in node.op_type or "Integer" in node.op_type for node in case.model.graph.node)
    if not quantized or len(case.data_sets) != 1:
        return None
    values = [as_value(v) for v in case.data_sets[0][0]]
    if not all(isinstance(v, np.ndarray) for v in values):
        return None
    model = onnx.ModelProto()
    model.CopyFrom(case.model)
    graph = model.graph
    names = [i.name for i in graph.input]
    graph.initializer.extend(numpy_helper.from_array(v, n) for v, n in zip(values[1:], names[1:], strict=True))
    del graph.input[1:]
    return dataclasses.replace(
        case, name=f"{case.name}, constant parameters", model=model, data_sets=[(values[:1], case.data_sets[0][1])]
    )


# Float inputs that are parameters rather than data, and those that are weights.
PARAMETERS = {"Clip": {1, 2}, "Pad": {2}, "Resize": {1, 2}, "Conv": {2}, "Gemm": {2}}
PARAMETERS |= {f"{kind}Normalization": {1, 2, 3, 4} for kind in ("Batch", "Group", "Instance", "Layer", "RMS")}
WEIGHTS = {"Conv": {1}, "ConvTranspose": {1}, "Gemm": {1}}


def in_float32(data: Any) -> Any:
    """as_value(), with the numbers of the examples that are in float64 (ReduceLogSumExp) in float32."""
    value = as_value(data)
    return value.astype(np.float32) if isinstance(value, np.ndarray) and value.dtype == np.float64 else value


def in_qdq_form(case: Any) -> ModelBuilder | None:
    """The case's node between Q and DQ, with 8-bit data from its data set; None where that cannot be."""
    graph, node = case.model.graph, case.model.graph.node[0]
    written = case.model.opset_import[0].version
    opset = max(written, 10)  # with Q and DQ
    if len(graph.node) != 1 or node.op_type not in OPERATORS or len(node.output) != len(graph.output):
        return None
    training = any(a.name == "training_mode" and a.i == 1 for a in node.attribute)
    schemas = [onnx.defs.get_schema(node.op_type, version) for version in (written, opset)]
    if training or schemas[0].since_version != schemas[1].since_version:  # not inference; another operator there
        return None
    data = {i.name: in_float32(v) for i, v in zip(graph.input, case.data_sets[0][0], strict=False)}
    results = [in_float32(v) for v in case.data_sets[0][1]]
    if not all(isinstance(r, np.ndarray) and r.size > 0 for r in results):
        return None
    if any(r.dtype not in (np.float32, np.int64, np.bool_) or not np.isfinite(r).all() for r in results):
        return None
    builder = ModelBuilder(Style(opset=opset))
    inputs = []
    computed = False
    for position, name in enumerate(node.input):
        value = data.get(name)
        if value is None:
            inputs.append("")
        elif value.dtype != np.float32 or position in PARAMETERS.get(node.op_type, ()):
            inputs.append(builder.constant(value, value.dtype.name))
        elif value.size == 0 or not np.isfinite(value).all():
            return None
        else:
            quant = builder.quant_for(float(value.min()), float(value.max()))
            steps = np.rint(value / quant.scale) + quant.zero_point
            ints = np.clip(steps, 0, 255).astype(np.uint8)
            if position in WEIGHTS.get(node.op_type, ()):
                edge = Edge(builder.constant(ints, "uint8"), quant, value.shape)
            else:
                edge = builder.input(value.shape, quant)
                builder.samples[edge.name] = ints
                computed = True
            inputs.append(builder.dq(edge))
    if not computed:  # a node of integers, for example
        return None
    attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    # LayerNormalization's statistics have no place in a quantized model.
    count = 1 if node.op_type == "LayerNormalization" else len(results)
    outputs = builder.node(node.op_type, inputs, outputs=count, **attributes)
    for result, example in zip(outputs, results, strict=False):
        if example.dtype != np.float32:
            builder.plain_output(builder.plain(result))
            continue
        edge = builder.q(result)
        builder.output(edge)
        builder.output(builder.finish(builder.dq(edge), "LeakyRelu"))  # so that there is something to compute
    return builder


@pytest.mark.filterwarnings("ignore")
def test_node_tests_in_qdq_form(cases: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    """The specification's examples of each operator, quantized to 8 bits: one step at most from the oracle."""
    failures = []
    ran: Counter[str] = Counter()  # newer cases than onnxruntime's newest opset do not
    claimed: Counter[str] = Counter()
    for case in cases:
        try:
            builder = in_qdq_form(case)
            if builder is None:
                continue
            model, feeds = builder.build(), builder.feeds()
            expected = evaluate(model, feeds)
            run(cpu_session(model), feeds)  # onnxruntime does not take every opset and type of the suite
        except (NotImplementedError, RuntimeError, ort.capi.onnxruntime_pybind11_state.Fail):
            continue
        ran[case.model.graph.node[0].op_type] += 1
        try:
            session = vaip_session(model, fallback=True)
            claimed.update(claimed_nodes(session))
            for output, got in zip(model.graph.output, run(session, feeds), strict=True):
                Tally().add(expected[output.name], got, output.name, equal=False)
        except Exception as error:
            failures.append(f"{case.name}: {type(error).__name__}: {str(error)[:300]}")
    anchors = {op: n for op, n in claimed.items() if op in OPERATORS}
    with capsys.disabled():
        print(f"\n{ran.total()} node tests in QDQ form; VitisAIEP claimed {anchors}")
    assert not failures, "\n".join(failures)
    assert ran.total() > 180
    assert len(ran) > 0.8 * len(OPERATORS)
    assert set(ran) - set(claimed) <= {"Identity"}, "operators that were never claimed"
