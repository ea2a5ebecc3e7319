"""The Python API: registration, devices, simulation, reports, the model without onnxruntime."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import vaip
from onnx import TensorProto, helper
from vaip import _core

RunPython = Callable[[str], "subprocess.CompletedProcess[str]"]


@pytest.fixture
def digits(digits_int8: Path) -> ort.InferenceSession:
    return ort.InferenceSession(str(digits_int8), providers=["VitisAIEP", "CPUExecutionProvider"])


@pytest.fixture
def float_model(tmp_path: Path) -> Path:
    """Nothing in it is quantized: no node for the NPU."""
    graph = helper.make_graph(
        [helper.make_node("Softmax", ["x"], ["y"], name="softmax")],
        "float",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 8])],
    )
    path = tmp_path / "float.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


class TestRegistration:
    def test_import_registers_the_provider(self) -> None:
        assert vaip.get_ep_name() == "VitisAIEP"
        assert vaip.get_ep_names() == ["VitisAIEP"]
        assert "VitisAIEP" in ort.get_available_providers()
        assert Path(vaip.get_library_path()).is_file()

    def test_registering_again_is_harmless(self) -> None:
        before = ort.get_available_providers()
        vaip.register()
        vaip.register()
        assert ort.get_available_providers() == before

    def test_version(self) -> None:
        from importlib.metadata import version

        assert vaip.__version__ == version("vaip")

    def test_import_does_not_load_onnx(self, run_python: RunPython) -> None:
        done = run_python(
            "import sys, vaip; print([m for m in ('onnx', 'rich', 'typer', 'torch') if m in sys.modules])"
        )
        assert done.stdout.strip() == "[]", done.stderr

    def test_unregistering_twice_and_registering_again(self, run_python: RunPython) -> None:
        done = run_python(
            "import vaip, onnxruntime as ort\n"
            "vaip.unregister(); vaip.unregister()\n"
            "assert 'VitisAIEP' not in ort.get_available_providers()\n"
            "vaip.register()\n"
            "assert 'VitisAIEP' in ort.get_available_providers()\n"
        )
        assert done.returncode == 0, done.stderr

    def test_another_registration_name(self, run_python: RunPython) -> None:
        done = run_python(
            "import vaip, onnxruntime as ort\n"
            "vaip.unregister(); vaip.register('mine'); vaip.register('mine')\n"
            "assert 'VitisAIEP' in ort.get_available_providers()\n"
            "vaip.unregister('mine')\n"
        )
        assert done.returncode == 0, done.stderr

    @pytest.mark.parametrize("delete_first", [False, True])
    def test_sessions_survive_unregistering_and_the_exit(
        self, run_python: RunPython, digits_int8: Path, delete_first: bool
    ) -> None:
        done = run_python(
            "import vaip, numpy as np, onnxruntime as ort\n"
            f"s = ort.InferenceSession({str(digits_int8)!r}, providers=['VitisAIEP', 'CPUExecutionProvider'])\n"
            "x = {'image': np.ones((1, 1, 8, 8), np.float32)}\n"
            "first = s.run(None, x)[0]\n"
            "vaip.unregister()\n"
            "assert (s.run(None, x)[0] == first).all()\n"
            "assert len(vaip.reports()) == 1\n" + ("del s\n" if delete_first else "")
        )
        assert done.returncode == 0, f"{done.returncode}\n{done.stderr}"

    def test_live_session_at_exit(self, run_python: RunPython, digits_int8: Path) -> None:
        done = run_python(
            "import vaip, onnxruntime as ort\n"
            f"s = ort.InferenceSession({str(digits_int8)!r}, providers=['VitisAIEP', 'CPUExecutionProvider'])\n"
        )
        assert done.returncode == 0, done.stderr

    @pytest.mark.parametrize(
        ("fake", "error", "message"),
        [
            (None, "ImportError", "pip install 'onnxruntime>=1.25'"),
            ("1.24.4", "RuntimeError", "VAIP needs onnxruntime 1.25 or newer, but 1.24.4 is installed"),
        ],
    )
    def test_missing_or_old_onnxruntime(
        self, run_python: RunPython, fake: str | None, error: str, message: str
    ) -> None:
        module = "None" if fake is None else f"types.SimpleNamespace(__version__={fake!r})"
        done = run_python(f"import sys, types\nsys.modules['onnxruntime'] = {module}\nimport vaip\n")
        last = done.stderr.strip().splitlines()[-1]
        assert last.startswith(f"{error}: ")
        assert message in last


class TestDevices:
    def test_names(self) -> None:
        assert {"phoenix", "hawk_point", "strix", "krackan"} <= set(vaip.devices())

    @pytest.mark.parametrize("name", vaip.devices())
    def test_description_round_trip(self, name: str, tmp_path: Path) -> None:
        device = vaip.device(name)
        assert device.name == name
        assert device.clock_ghz > 0.5
        assert device.matmul["int8_int8"].macs_per_cycle >= 256
        assert "dram.read_gbps" in device.sources
        text = device.to_json(tmp_path / "device.json")
        assert json.loads(text) == json.loads(_core.device_json(name)), "no field may be lost or changed on the way"
        assert vaip.device(tmp_path / "device.json") == device

    def test_edited_number_says_so(self) -> None:
        device = vaip.device("strix")
        source = device.sources["dram.write_gbps"]
        device.dram.read_gbps *= 2
        assert device.sources["dram.read_gbps"] == "edited in Python"
        assert device.sources["dram.write_gbps"] == source
        assert json.loads(device.to_json())["dram"]["read_gbps"]["value"] == device.dram.read_gbps
        assert vaip.device("strix").dram.read_gbps * 2 == device.dram.read_gbps, "the packaged one stays as it is"

    def test_unknown_name_lists_the_known(self) -> None:
        with pytest.raises(vaip.Error, match=r"unknown device 'stricks'.*strix"):
            vaip.device("stricks")

    def test_impossible_value_is_named(self) -> None:
        device = vaip.device("strix")
        device.array.rows = 0
        with pytest.raises(vaip.Error, match=r"device 'strix'.*/array/rows"):
            device.to_json()

    def test_error_is_a_value_error(self) -> None:
        assert issubclass(vaip.Error, ValueError)


class TestSimulate:
    def test_report_of_the_demo_network(self, digits_int8: Path) -> None:
        report = vaip.simulate(digits_int8)
        assert report.device == "strix"
        assert report.nodes.cpu == 0
        assert report.nodes.total == report.nodes.ipu > 0
        assert report.subgraphs == 1
        assert report.latency_ms > 0
        assert report.latency_ms == pytest.approx(report.ipu_cycles / (report.clock_ghz * 1e6), rel=1e-3)
        # macs of each convolution and of the Gemm by hand: 8x8 images, 3x3 kernels, channels 1-16-32-(32)-32-64-10
        convolutions = 64 * 9 * (1 * 16 + 16 * 32 + 32) + 64 * 32 * 32 + 16 * 9 * 32 * 64
        assert sum(layer.macs for layer in report.layers if layer.op in ("Conv", "Gemm")) == convolutions + 64 * 10
        assert {layer.bound for layer in report.layers} <= {"compute", "l1", "l2", "ddr", "dispatch"}

    def test_model_as_path_bytes_and_proto(self, digits_int8: Path) -> None:
        kinds: list[Any] = [digits_int8, str(digits_int8), digits_int8.read_bytes(), onnx.load(digits_int8)]
        cycles = {vaip.simulate(model).ipu_cycles for model in kinds}
        assert len(cycles) == 1

    def test_bigger_batch_takes_longer(self, digits_int8: Path) -> None:
        one = vaip.simulate(digits_int8)
        many = vaip.simulate(digits_int8, {"image": np.zeros((64, 1, 8, 8), np.float32)})
        assert many.clusters[0].input_shapes[0][0] == 64
        assert many.ipu_cycles > one.ipu_cycles
        assert sum(layer.macs for layer in many.layers) == 64 * sum(layer.macs for layer in one.layers)

    def test_edited_device_is_used(self, digits_int8: Path) -> None:
        device = vaip.device("strix")
        device.clock_ghz /= 2
        slow, fast = vaip.simulate(digits_int8, device=device), vaip.simulate(digits_int8)
        assert slow.device == "strix"
        assert slow.clock_ghz == fast.clock_ghz / 2
        assert slow.latency_ms > fast.latency_ms

    def test_nothing_claimed(self, float_model: Path) -> None:
        report = vaip.simulate(float_model)
        assert (report.nodes.ipu, report.nodes.cpu, report.latency_ms) == (0, 1, 0)
        assert report.unclaimed[0].name == "softmax"
        assert report.unclaimed[0].reason
        assert "softmax" in str(report)

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"inputs": {"image": np.zeros((1, 1, 8, 8), np.uint8)}}, "input 'image' must be float32"),
            (
                {"inputs": {"image": np.zeros((1, 3, 8, 8), np.float32)}},
                r"input 'image' must have shape \[1, 1, 8, 8\]",
            ),
            ({"inputs": {"picture": np.zeros(1)}}, "the model has no input 'picture'; it has: image"),
            ({"options": {"devise": "strix"}}, "devise.*device"),
            ({"options": {"num_threads": "many"}}, "num_threads"),
            ({"device": "stricks"}, "stricks.*strix"),
            ({"config": "missing.json"}, "missing.json"),
        ],
    )
    def test_errors_name_what_is_wrong(self, digits_int8: Path, arguments: dict[str, Any], message: str) -> None:
        with pytest.raises(vaip.Error, match=message):
            vaip.simulate(digits_int8, **arguments)

    def test_missing_model(self, tmp_path: Path) -> None:
        with pytest.raises(vaip.Error, match=r"nothing\.onnx: no such model file"):
            vaip.simulate(tmp_path / "nothing.onnx")


class TestReports:
    def test_newest_last_and_gone_with_the_session(self, digits_int8: Path) -> None:
        before = len(vaip.reports())
        providers = [("VitisAIEP", {"device": "phoenix"}), "CPUExecutionProvider"]
        first = ort.InferenceSession(str(digits_int8), providers=providers)
        second = ort.InferenceSession(str(digits_int8), providers=["VitisAIEP", "CPUExecutionProvider"])
        assert [report.device for report in vaip.reports()[before:]] == ["phoenix", "strix"]
        del first
        assert [report.device for report in vaip.reports()[before:]] == ["strix"]
        del second
        assert len(vaip.reports()) == before

    def test_dynamic_model_is_timed_once_it_ran(self, digits: ort.InferenceSession) -> None:
        assert vaip.reports()[-1].latency_ms == 0
        digits.run(None, {"image": np.zeros((2, 1, 8, 8), np.float32)})
        assert vaip.reports()[-1].latency_ms > 0

    def test_report_can_be_read_while_sessions_run(self, digits: ort.InferenceSession) -> None:
        from concurrent.futures import ThreadPoolExecutor

        image = {"image": np.ones((1, 1, 8, 8), np.float32)}
        expected = digits.run(None, image)[0]
        with ThreadPoolExecutor(4) as pool:
            runs = [pool.submit(digits.run, None, image) for _ in range(50)]
            reading = [pool.submit(vaip.reports) for _ in range(50)]
        assert all((run.result()[0] == expected).all() for run in runs)
        assert all(len(read.result()) >= 1 for read in reading)

    def test_sessions_of_many_threads_keep_their_own(self, digits_int8: Path) -> None:
        from concurrent.futures import ThreadPoolExecutor
        from threading import Barrier

        from vaip.sessions import NpuSession

        start = Barrier(8)

        def create(i: int) -> tuple[str, str]:
            device = ("phoenix", "strix")[i % 2]
            start.wait()
            if i >= 6:  # sessions that are not created through VAIP, in between
                ort.InferenceSession(str(digits_int8), providers=[("VitisAIEP", {"device": "krackan"})])
                return device, device
            return device, NpuSession(digits_int8, device=device).report().device

        for _ in range(10):
            with ThreadPoolExecutor(8) as pool:
                for wanted, reported in pool.map(create, range(8)):
                    assert reported == wanted

    def test_a_tag_finds_its_session(self, digits_int8: Path) -> None:
        options = ort.SessionOptions()
        options.add_session_config_entry(_core.SESSION_TAG, "mine")
        session = ort.InferenceSession(str(digits_int8), options, providers=["VitisAIEP", "CPUExecutionProvider"])
        library = vaip.get_library_path()
        assert _core.find_session(library, "mine") == _core.session_ids(library)[-1]
        assert _core.find_session(library, "yours") == 0
        del session
        assert _core.find_session(library, "mine") == 0

    def test_foreign_library_is_refused(self) -> None:
        with pytest.raises(vaip.Error, match="nothing"):
            _core.session_ids("/nowhere/nothing.so")


class TestEstimateGemm:
    def test_macs_and_latency(self) -> None:
        timing = vaip.estimate_gemm(1024, 1024, 1024)
        assert timing.macs == 1024**3
        assert timing.latency_us == pytest.approx(timing.cycles / (timing.clock_ghz * 1e3))
        device = vaip.device("strix")
        peak = device.matmul["int8_int8"].macs_per_cycle * device.array.rows * device.array.columns
        assert timing.cycles >= 1024**3 / peak, "no faster than the array can multiply"
        assert timing.ddr_read_bytes >= 2 * 1024**2
        assert timing.ddr_write_bytes >= 1024**2

    def test_smaller_array_is_slower(self) -> None:
        sizes = (2048, 2048, 2048)
        whole = vaip.estimate_gemm(*sizes)
        part = vaip.estimate_gemm(*sizes, rows=2, cols=2)
        assert part.cycles > whole.cycles
        assert part.layers[0].array == [2, 2]

    def test_wider_types_are_slower(self) -> None:
        cycles = [vaip.estimate_gemm(2048, 2048, 2048, a=t, b=t, out=t).cycles for t in ("int8", "bf16")]
        assert cycles[0] < cycles[1]

    def test_edited_device(self) -> None:
        device = vaip.device("strix")
        device.dram.read_gbps = device.dram.write_gbps = device.dram.combined_gbps = 1.0
        assert vaip.estimate_gemm(512, 512, 512, device=device).cycles > vaip.estimate_gemm(512, 512, 512).cycles

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"M": -1}, "M is -1"),
            ({"a": "int7"}, "int7.*int8"),
            ({"rows": 99}, "rows"),
            ({"b_layout": "diagonal"}, "diagonal"),
            ({"tile": (1, 2)}, "tile"),
            ({"stack": "none"}, "none.*vitisai"),
        ],
    )
    def test_errors(self, arguments: dict[str, Any], message: str) -> None:
        with pytest.raises(vaip.Error, match=message):
            vaip.estimate_gemm(**({"M": 64, "K": 64, "N": 64} | arguments))


class TestModelWithoutOnnxruntime:
    """vaip._core.Model: the C++ API with numpy arrays."""

    def test_equal_to_the_execution_provider(
        self, digits_int8: Path, digits: ort.InferenceSession, tmp_path: Path
    ) -> None:
        model = _core.Model.from_file(str(digits_int8), {"device": "phoenix"})
        assert model.inputs == [("image", "float", [-1, 1, 8, 8])]
        images = np.random.default_rng(0).random((5, 1, 8, 8), np.float32)
        (ours,) = model.run([images])
        assert ours.dtype == np.float32
        np.testing.assert_array_equal(ours, digits.run(None, {"image": images})[0])
        report = vaip.Report.from_dict(json.loads(model.report_json([[5, 1, 8, 8]])))
        assert report.device == "phoenix"
        assert report.latency_ms * 1e3 == pytest.approx(model.latency_us([[5, 1, 8, 8]]))
        report.trace(tmp_path / "trace.json")
        assert len(json.loads((tmp_path / "trace.json").read_text())["traceEvents"]) > len(report.layers)
        assert json.loads(model.partition_json())["nodes"]["cpu"] == 0

    def test_from_bytes(self, digits_int8: Path) -> None:
        model = _core.Model.from_bytes(digits_int8.read_bytes())
        assert model.outputs[0][0] == "logits"

    @pytest.mark.parametrize(
        ("inputs", "message"),
        [
            ([], "has 1 inputs, 0 were given"),
            ([np.zeros((1, 1, 8, 8), np.float64)], "'image' must be float32, the given array is float64"),
            ([np.zeros((1, 1, 9, 8), np.float32)], "image"),
        ],
    )
    def test_wrong_inputs(self, digits_int8: Path, inputs: list[Any], message: str) -> None:
        model = _core.Model.from_file(str(digits_int8))
        with pytest.raises(vaip.Error, match=message):
            model.run(inputs)

    def test_broken_model(self) -> None:
        with pytest.raises(vaip.Error):
            _core.Model.from_bytes(b"this is no model")


class TestInputs:
    """Random inputs by declaration."""

    @staticmethod
    def session(dtype: int, shape: list[int | str]) -> ort.InferenceSession:
        graph = helper.make_graph(
            [helper.make_node("Identity", ["x"], ["y"])],
            "identity",
            [helper.make_tensor_value_info("x", dtype, shape)],
            [helper.make_tensor_value_info("y", dtype, shape)],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        return ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])

    @pytest.mark.parametrize(
        ("dtype", "low", "high"),
        [
            ("float32", -6, 6),
            ("uint8", 0, 255),
            ("int8", -128, 127),
            ("int64", 0, 1),
            ("bool", 0, 1),
            ("float16", -6, 6),
        ],
    )
    def test_types_and_ranges(self, dtype: str, low: int, high: int) -> None:
        from vaip.inputs import make_inputs

        session = self.session(helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), ["n", 1000])
        array = make_inputs(session, dims={"n": 3}, seed=1)["x"]
        assert array.dtype == np.dtype(dtype)
        assert array.shape == (3, 1000)
        assert low <= array.min() < array.max() <= high
        again, other = (
            make_inputs(session, dims={"n": 3}, seed=1)["x"],
            make_inputs(session, dims={"n": 3}, seed=2)["x"],
        )
        assert np.array_equal(array, again)
        assert not np.array_equal(array, other)

    def test_strings_must_be_given(self) -> None:
        from vaip.inputs import make_inputs

        with pytest.raises(vaip.Error, match=r"input 'x' is a tensor\(string\)"):
            make_inputs(self.session(TensorProto.STRING, [1]))

    def test_unknown_dimension(self) -> None:
        from vaip.inputs import make_inputs

        with pytest.raises(vaip.Error, match="no dynamic dimension 'm'; it has: n"):
            make_inputs(self.session(TensorProto.FLOAT, ["n"]), dims={"m": 3})


class TestConfiguration:
    def test_packaged_configuration_is_valid(self, tmp_path: Path) -> None:
        jsonschema = pytest.importorskip("jsonschema")
        text = _core.default_config()
        jsonschema.validate(json.loads(text), json.loads(_core.config_schema()))
        (tmp_path / "vaip_config.json").write_text(text)
        _core.check_config(str(tmp_path / "vaip_config.json"))

    def test_options_win_over_the_file(self, tmp_path: Path) -> None:
        path = tmp_path / "config.json"
        path.write_text(json.dumps({"vaip": {"device": "phoenix"}}))
        assert _core.resolve_options({"config_file": str(path)})["device"] == "phoenix"
        assert _core.resolve_options({"config_file": str(path), "device": "strix"})["device"] == "strix"
        assert _core.resolve_options({"config_file": str(path)})["source"] == str(path)

    def test_error_names_file_and_place(self, tmp_path: Path) -> None:
        path = tmp_path / "config.json"
        path.write_text(json.dumps({"vaip": {"minimum_nodes": "many"}}))
        with pytest.raises(vaip.Error, match=r"config\.json.*/vaip/minimum_nodes"):
            _core.check_config(str(path))


def test_package_is_typed() -> None:
    assert (Path(vaip.__file__).parent / "py.typed").is_file()
