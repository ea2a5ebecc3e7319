"""The demo: does it keep what README promises, and are its data what their README says?"""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import onnx
import pytest
import vaip
from conftest import CommandLine
from onnx import numpy_helper
from vaip.demo import DemoResult, run_demo
from vaip.demo.digits import FP32_MODEL, INT8_MODEL, held_out_images


@pytest.fixture(scope="module")
def result() -> DemoResult:
    return run_demo()


class TestResult:
    def test_accuracy(self, result: DemoResult) -> None:
        fp32, int8_cpu, int8_npu = result.accuracies
        assert (fp32.model, int8_cpu.model, int8_npu.model) == ("FP32", "INT8", "INT8")
        assert (fp32.provider, int8_npu.provider) == ("CPUExecutionProvider", "VitisAIEP")
        assert fp32.percent >= 97
        assert abs(int8_npu.percent - fp32.percent) <= 1
        assert int8_npu.correct == int8_cpu.correct

    def test_agreement_with_the_cpu(self, result: DemoResult) -> None:
        assert result.images == 600
        assert result.elements == 6000
        assert result.equal_elements == result.elements, "power-of-two scales: both compute the same numbers"
        assert result.equal_labels == result.images

    def test_whole_network_is_on_the_npu(self, result: DemoResult) -> None:
        assert result.report.nodes.cpu == 0
        assert result.report.subgraphs == 1
        assert {"Conv", "Add", "MaxPool", "GlobalAveragePool", "Gemm"} <= {layer.op for layer in result.report.layers}

    def test_predictions_for_every_device(self, result: DemoResult) -> None:
        assert [row.device for row in result.predictions] == vaip.devices()
        for row in result.predictions:
            assert 1 < row.latency_us < 10_000
            assert row.images_per_second == pytest.approx(1e6 / row.latency_us)

    def test_json(self, result: DemoResult) -> None:
        value = json.loads(json.dumps(result.to_dict()))
        assert value["accuracy"][0]["percent"] == result.accuracies[0].percent
        assert value["agreement"]["labels_equal"] == 600
        assert value["report"]["layers"]


class TestCommand:
    def test_writes_report_and_timeline_in_time(self, vaip_command: CommandLine) -> None:
        start = time.monotonic()
        value = vaip_command.json("demo", "--device", "krackan")
        assert time.monotonic() - start < 15
        report = json.loads((vaip_command.directory / value["report_file"]).read_text())
        assert value["report_file"] == str(Path("vaip_demo") / "report.json")
        assert report["device"] == "krackan"
        assert json.loads((vaip_command.directory / value["trace_file"]).read_text())["traceEvents"]

    def test_table(self, vaip_command: CommandLine) -> None:
        done = vaip_command("demo", "--output-dir", "elsewhere")
        for part in ("FP32", "INT8", "600 of 600 labels equal", "nodes (100.00 %) on the NPU", "phoenix", "images/s"):
            assert part in done.stdout
        assert (vaip_command.directory / "elsewhere" / "report.json").is_file()
        assert done.stderr == ""


class TestData:
    def test_images(self) -> None:
        images, labels = held_out_images()
        assert images.shape == (600, 1, 8, 8)
        assert (images.min(), images.max()) == (0, 1)
        assert np.bincount(labels).min() > 30, "every digit is there"

    def test_shipped_files_are_small(self, demo_data: Path) -> None:
        assert sum(path.stat().st_size for path in demo_data.iterdir()) < 400_000

    def test_models_are_valid_and_dynamic(self) -> None:
        for path in (FP32_MODEL, INT8_MODEL):
            model = onnx.load(path)
            onnx.checker.check_model(model, full_check=True)
            assert model.opset_import[0].version == 17
            assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"

    def test_quantization_is_what_the_readme_says(self) -> None:
        graph = onnx.load(INT8_MODEL).graph
        constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
        kinds = set()
        for node in graph.node:
            if node.op_type not in ("QuantizeLinear", "DequantizeLinear"):
                continue
            scale, zero_point = constants[node.input[1]], constants[node.input[2]]
            assert np.log2(scale) == np.round(np.log2(scale)), f"{node.name}: not a power of two"
            assert zero_point == 0
            kinds.add(zero_point.dtype.name)
        assert kinds == {"int8", "int32"}
