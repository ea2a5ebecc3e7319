"""ResNet-50 (slow: eight more CNNs) as onnxruntime quantizes it: its partition, and every quantized tensor."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from models import expose_quantized
from oracle import evaluate
from sessions import Tally, claimed_nodes, run, vaip_session

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks" / "models"))

from light_zoo import NAMES, quantized_model, sample_inputs
from power_of_two import to_power_of_two

ModelFile = Callable[[str], Path]


@pytest.fixture(scope="module")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> ModelFile:
    """Path of a quantized network, made once per test session. A suffix .xint8 rounds its scales to powers of two."""
    directory = tmp_path_factory.mktemp("light_zoo")

    def path(name: str) -> Path:
        file = directory / f"{name}.onnx"
        if not file.exists():
            network, _, kind = name.partition(".")
            if kind == "xint8":
                onnx.save(to_power_of_two(onnx.load(path(network))), file)
            else:
                onnx.save(quantized_model(network), file)
        return file

    return path


def test_at_least_99_percent_in_one_cluster(model_file: ModelFile) -> None:
    import vaip

    gc.collect()  # sessions of other tests
    session = vaip_session(str(model_file("resnet50")), fallback=True)
    report = vaip.reports()[-1]
    assert report.nodes.total == report.nodes.ipu + report.nodes.cpu
    assert report.nodes.total > 300
    assert report.nodes.ipu >= 0.99 * report.nodes.total, report.unclaimed
    assert report.subgraphs == 1
    assert len(claimed_nodes(session)) == report.nodes.ipu, "the report and onnxruntime count the same nodes"
    assert claimed_nodes(session).count("Conv") == 53
    assert report.ipu_cycles > 0
    assert all(reason.reason for reason in report.unclaimed)


def quantized_elsewhere(model: onnx.ModelProto) -> set[str]:
    """Quantized tensors of the newest session whose float values the CPU EP computed, in float32."""
    import vaip

    unclaimed = {node.name for node in vaip.reports()[-1].unclaimed}
    floats = {output for node in model.graph.node if node.name in unclaimed for output in node.output}
    return {n.output[0] for n in model.graph.node if n.op_type == "QuantizeLinear" and n.input[0] in floats}


def check_network(path: Path, *, equal: bool, inputs: int, least_claimed: float) -> None:
    """Each quantized tensor against the oracle, judged on the tensors that its layer was given."""
    model = onnx.load(path)
    exposed = expose_quantized(model)
    names = [o.name for o in exposed.graph.output]
    quantized = [n.output[0] for n in model.graph.node if n.op_type == "QuantizeLinear"]
    assert set(quantized) <= set(names)
    session, exposed_session = vaip_session(str(path), fallback=True), vaip_session(exposed, fallback=True)
    assert len(claimed_nodes(exposed_session)) >= least_claimed * len(model.graph.node)
    foreign = quantized_elsewhere(model)
    tally = Tally()
    for seed in range(inputs):
        feeds = sample_inputs(model, 7000 + seed)
        observed = dict(zip(names, run(exposed_session, feeds), strict=True))
        # What is not `observed` is expected from end to end.
        expected = evaluate(exposed, feeds, {n: observed[n] for n in foreign} if equal else observed)
        for name in quantized:
            assert np.unique(observed[name]).size > 1, f"{name} is constant: nothing is tested"
            tally.add(expected[name], observed[name], name, equal=equal and name not in foreign)
        for output, got in zip(model.graph.output, run(session, feeds), strict=True):
            np.testing.assert_array_equal(got, observed[output.name])
    assert tally.elements > 800_000  # AlexNet has the fewest
    tally.check()


def test_every_tensor_of_u8s8(model_file: ModelFile) -> None:
    check_network(model_file("resnet50"), equal=False, inputs=2, least_claimed=0.99)


def test_every_tensor_of_power_of_two_scales_is_equal(model_file: ModelFile) -> None:
    check_network(model_file("resnet50.xint8"), equal=True, inputs=1, least_claimed=0.99)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["int8", "xint8"])
@pytest.mark.parametrize("name", [n for n in NAMES if n != "resnet50"])
def test_other_networks(model_file: ModelFile, name: str, kind: str) -> None:
    path = model_file(name if kind == "int8" else f"{name}.xint8")
    # AlexNet, ZFNet and Inception v1 have a float LRN in the middle.
    check_network(path, equal=kind == "xint8", inputs=1, least_claimed=0.85)
