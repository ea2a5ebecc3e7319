"""The command line, as a user runs it: exit codes, one JSON object, one line for an error."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import vaip
from conftest import CommandLine
from models import ModelBuilder, Style

COMMANDS = ["demo", "run", "partition", "sweep", "devices", "bench", "cmake-dir"]


class TestConventions:
    def test_version(self, vaip_command: CommandLine) -> None:
        assert vaip_command("--version").stdout == f"vaip {vaip.__version__}\n"

    def test_help_lists_the_commands(self, vaip_command: CommandLine) -> None:
        text = vaip_command("--help").stdout
        assert all(command in text for command in COMMANDS)

    @pytest.mark.parametrize("command", COMMANDS)
    def test_help_of_each_has_an_example_and_the_common_options(self, vaip_command: CommandLine, command: str) -> None:
        text = vaip_command(command, "--help").stdout
        assert "Example: " in text
        for option in ("--json", "--device", "--config"):
            assert option in text

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["frobnicate"], "frobnicate"),
            (["run"], "Missing argument"),
            (["run", "nothing.onnx"], "nothing.onnx"),
            (["partition", "MODEL", "--device", "stricks"], "unknown device 'stricks'"),
            (["partition", "MODEL", "--config", "nothing.json"], "nothing.json"),
            (["run", "MODEL", "--runs", "0"], "--runs"),
            (["run", "MODEL", "--dim", "batch"], "'batch' is not NAME=VALUE"),
            (["run", "MODEL", "--dim", "batch=many"], "positive integer"),
            (["bench", "MODEL", "--against", "gpu"], "gpu"),
        ],
    )
    def test_usage_errors_end_with_2(
        self, vaip_command: CommandLine, digits_int8: Path, arguments: list[str], message: str
    ) -> None:
        given = [str(digits_int8) if argument == "MODEL" else argument for argument in arguments]
        assert message in vaip_command.error(*given, exit_code=2)

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["--option", "devise=strix"], "devise"),
            (["--dim", "height=3"], "no dynamic dimension 'height'; it has: batch"),
            (["--input", "image=missing.npy"], "missing.npy"),
            (["--input", "picture=small.npy"], "no input 'picture'; it has: image"),
            (["--input", "image=small.npy"], "input 'image' must have shape"),
        ],
    )
    def test_failed_work_ends_with_1(
        self, vaip_command: CommandLine, digits_int8: Path, arguments: list[str], message: str
    ) -> None:
        np.save(vaip_command.directory / "small.npy", np.zeros((1, 1, 4, 4), np.float32))
        assert message in vaip_command.error("run", digits_int8, *arguments)

    def test_broken_files_end_with_1(self, vaip_command: CommandLine, digits_int8: Path) -> None:
        broken = vaip_command.directory / "broken.onnx"
        broken.write_bytes(b"this is no model")
        assert "broken.onnx" in vaip_command.error("run", broken)
        config = vaip_command.directory / "broken.json"
        config.write_text('{"vaip": {"device": 7}}')
        line = vaip_command.error("partition", digits_int8, "--config", config)
        assert "broken.json" in line
        assert "/vaip/device" in line

    def test_debug_shows_the_traceback(self, digits_int8: Path, tmp_path: Path) -> None:
        command = [sys.executable, "-m", "vaip", "--debug", "run", str(digits_int8), "--option", "devise=1"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert "Traceback" in done.stderr


class TestRun:
    def test_host_profile_says_what_each_step_takes_and_whose_code_it_is(
        self, vaip_command: CommandLine, digits_int8: Path
    ) -> None:
        (cluster,) = vaip_command.json("run", digits_int8, "--runs", "3", "--host-profile")["clusters"]
        profile = cluster["host_profile"]
        assert profile["runs"] == 4  # and one to warm up
        products = [step for step in profile["steps"] if step["macs"] > 0]
        assert products
        assert all(step["implementation"] and step["us"] >= step["least_us"] > 0 for step in products)
        assert {step["op"] for step in profile["steps"]} >= {"Conv", "QuantizeLinear"}
        shown = vaip_command("run", digits_int8, "--runs", "1", "--host-profile").stdout
        assert "By operator and code" in shown
        assert products[0]["implementation"].split(",")[0] in shown
        assert "host_profile" not in vaip_command.json("run", digits_int8, "--runs", "1")["clusters"][0]

    def test_json_has_what_the_contract_names(self, vaip_command: CommandLine, digits_int8: Path) -> None:
        value = vaip_command.json("run", digits_int8, "--runs", "3", "--threads", "1")
        assert value["model"] == str(digits_int8)
        assert value["device"] == "strix"
        assert value["nodes"]["total"] == value["nodes"]["ipu"] + value["nodes"]["cpu"]
        for key in ("clock_ghz", "latency_ms", "ipu_cycles", "gops", "tops_effective", "ddr_read_bytes"):
            assert value[key] > 0, key
        assert {"subgraphs", "ddr_write_bytes", "energy_mj", "unclaimed"} <= value.keys()
        layer = value["layers"][1]
        wanted = {"name", "op", "nodes", "cycles", "us", "bound", "macs", "utilisation", "tile", "array", "ddr_bytes"}
        assert wanted <= layer.keys()
        assert layer["tile"].keys() == {"m", "k", "n"}
        assert value["host_ms"]["session_load"] > 0
        assert value["host_ms"]["run_median"] > 0
        assert 10**7 < value["host_memory"]["loaded_bytes"] <= value["host_memory"]["peak_bytes"] < 10**10
        assert value["throughput"]["unit"] == "image"
        assert value["throughput"]["per_run"] == 1
        assert value["throughput"]["per_second"] == pytest.approx(1e3 / value["latency_ms"])

    def test_device_option_and_file(self, vaip_command: CommandLine, digits_int8: Path) -> None:
        assert vaip_command.json("run", digits_int8, "--device", "phx")["device"] == "phoenix"
        device = vaip.device("krackan")
        device.name = "my_npu"
        device.to_json(vaip_command.directory / "mine.json")
        assert vaip_command.json("run", digits_int8, "--device", "mine.json")["device"] == "my_npu"

    def test_outputs_are_those_of_the_model(self, vaip_command: CommandLine, digits_int8: Path) -> None:
        images = np.random.default_rng(3).random((4, 1, 8, 8), np.float32)
        np.save(vaip_command.directory / "images.npy", images)
        arguments = ["--input", "image=images.npy", "--output-dir", "out", "--trace", "trace.json", "--runs", "1"]
        value = vaip_command.json("run", digits_int8, *arguments)
        saved = np.load(vaip_command.directory / value["outputs"]["logits"])
        session = ort.InferenceSession(str(digits_int8), providers=["VitisAIEP", "CPUExecutionProvider"])
        assert np.array_equal(saved, session.run(None, {"image": images})[0])
        events = json.loads((vaip_command.directory / value["trace"]).read_text())["traceEvents"]
        longest = max(event["ts"] + event["dur"] for event in events if event["ph"] == "X")
        assert longest == pytest.approx(value["latency_ms"] * 1e3, rel=1e-3)

    def test_dimension(self, vaip_command: CommandLine, digits_int8: Path) -> None:
        value = vaip_command.json("run", digits_int8, "--dim", "batch=3")
        assert value["clusters"][0]["input_shapes"][0][0] == 3

    def test_seed_decides_the_input(self, vaip_command: CommandLine, digits_int8: Path) -> None:
        saved = []
        for number, seed in enumerate(("1", "1", "2")):
            vaip_command("run", digits_int8, "--seed", seed, "--output-dir", f"out{number}", "--runs", "1")
            saved.append(np.load(vaip_command.directory / f"out{number}" / "logits.npy"))
        assert np.array_equal(saved[0], saved[1])
        assert not np.array_equal(saved[0], saved[2])

    def test_table(self, vaip_command: CommandLine, digits_int8: Path) -> None:
        done = vaip_command("run", digits_int8)
        for part in ("Partition", "Latency", "What bounds the layers", "conv3", "On this host"):
            assert part in done.stdout
        assert done.stderr == "", "no progress where nobody watches"


class TestPartition:
    def test_counts_agree_with_onnxruntimes_own(self, vaip_command: CommandLine, digits_int8: Path) -> None:
        value = vaip_command.json("partition", digits_int8)
        options = ort.SessionOptions()
        options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
        session = ort.InferenceSession(str(digits_int8), options, providers=["VitisAIEP", "CPUExecutionProvider"])
        assigned: dict[str, int] = {}
        for subgraph in session.get_provider_graph_assignment_info():
            assert subgraph.ep_name == "VitisAIEP"
            for node in subgraph.get_nodes():
                assigned[node.op_type] = assigned.get(node.op_type, 0) + 1
        assert {op: counts["ipu"] for op, counts in value["operators"].items()} == assigned
        assert value["nodes"] == {"total": sum(assigned.values()), "ipu": sum(assigned.values()), "cpu": 0}
        assert assigned["Conv"] == 5

    def test_excluded_nodes_are_listed_with_the_reason(self, vaip_command: CommandLine, digits_int8: Path) -> None:
        config = vaip_command.directory / "config.json"
        config.write_text(json.dumps({"vaip": {"exclude": {"names": ["conv2"]}}}))
        value = vaip_command.json("partition", digits_int8, "--config", config)
        assert value["operators"]["Conv"] == {"ipu": 4, "cpu": 1}
        (conv,) = [node for node in value["unclaimed"] if node["name"] == "conv2"]
        assert "exclude" in conv["reason"]
        shown = vaip_command("partition", digits_int8, "--config", config).stdout
        assert "conv2" in shown
        assert "Not on the NPU" in shown


class TestBench:
    def test_json(self, vaip_command: CommandLine, digits_int8: Path, demo_data: Path) -> None:
        arguments = ["--against", "cpu", "--threads", "1", "--runs", "5", "--dim", "batch=8"]
        value = vaip_command.json("bench", digits_int8, demo_data / "digits_fp32.onnx", *arguments)
        assert (value["against"], value["threads"], value["runs"]) == ("cpu", 1, 5)
        int8, fp32 = value["models"]
        for name in ("vaip", "cpu"):
            times = int8[name]
            assert 0 < times["min_ms"] <= times["median_ms"] <= times["p95_ms"]
            assert times["load_ms"] > 0
        assert int8["ratio"] == pytest.approx(int8["cpu"]["median_ms"] / int8["vaip"]["median_ms"])
        assert int8["agreement"]["elements"] == 80
        assert int8["agreement"]["equal"] == 80, "power-of-two scales: both compute the same numbers"
        assert ("cpu_precise" in int8) == bool(int8["notes"]), "a CPU session with other settings is owned up to"
        assert fp32["nodes"]["ipu"] == fp32["nodes"]["total"], "float models run in bfloat16"
        assert fp32["agreement"]["elements"] == 80

    def test_table(self, vaip_command: CommandLine, digits_int8: Path) -> None:
        text = vaip_command("bench", digits_int8, "--runs", "2").stdout
        assert "digits_int8.onnx" in text
        assert "100.000 %" in text

    def test_memory(self, vaip_command: CommandLine, digits_int8: Path) -> None:
        (model,) = vaip_command.json("bench", digits_int8, "--runs", "2", "--memory")["models"]
        for name in ("vaip", "cpu"):
            assert 10**7 < model[name]["loaded_bytes"] <= model[name]["peak_bytes"] < 10**10
        assert "peak_bytes" not in model.get("cpu_precise", {})

    def test_agreement_counts_differences(self) -> None:
        from vaip.cli.bench import compare

        ours = [np.array([1.0, 2.0, np.nan], np.float32), np.array([3, 4], np.int8)]
        theirs = [np.array([1.0, 2.5, np.nan], np.float32), np.array([3, -4], np.int8)]
        agreement = compare(ours, theirs)
        assert (agreement.elements, agreement.equal) == (5, 3)
        assert agreement.max_abs_difference == 8
        assert compare([np.array([np.inf])], [np.array([1.0])]).max_abs_difference is None

    def test_models_that_the_precise_session_does_not_load(self, tmp_path: Path) -> None:
        """Two layers share an int8 weight, which onnxruntime wants to replace twice."""
        from vaip.cli.bench import PRECISE_NOTE, precise_session

        b = ModelBuilder(Style(zero_point="symmetric"))
        weight = [b.constant(b.rng.integers(-128, 128, (8, 8)), "int8"), b.constant(0.01), b.constant(0, "int8")]
        x = b.input((4, 8))
        h = b.finish(b.op("MatMul", [b.dq(x), b.dq_node(weight)]))
        y = b.finish(b.op("MatMul", [b.dq(h), b.dq_node(weight)]))
        b.output(y)
        model = tmp_path / "shared.onnx"
        onnx.save(b.build(), model)
        session, note = precise_session(model, threads=1)
        assert "shared.onnx" in note
        assert note != PRECISE_NOTE
        (got,) = session.run(None, b.feeds())
        np.testing.assert_array_equal(got, b.sample(y.name))

    def test_percentiles(self) -> None:
        from vaip.cli.timing import RunTimes

        times = RunTimes.of([n / 1e3 for n in range(100, 0, -1)])
        assert (times.min_ms, times.median_ms, times.p95_ms) == pytest.approx((1, 50.5, 95))


class TestDevices:
    def test_list(self, vaip_command: CommandLine) -> None:
        value = vaip_command.json("devices")
        assert [device["name"] for device in value["devices"]] == vaip.devices()
        strix = next(device for device in value["devices"] if device["name"] == "strix")
        assert strix["array"] == [4, 8]
        text = vaip_command("devices").stdout
        assert all(name in text for name in vaip.devices())

    def test_one_device_is_a_device_file(self, vaip_command: CommandLine) -> None:
        text = vaip_command("devices", "--device", "strix", "--json").stdout
        (vaip_command.directory / "copy.json").write_text(text)
        assert vaip.device(vaip_command.directory / "copy.json") == vaip.device("strix")
        shown = vaip_command("devices", "--device", "strix").stdout
        assert "dram.read_gbps" in shown

    def test_device_of_a_configuration(self, vaip_command: CommandLine) -> None:
        config = vaip_command.directory / "config.json"
        config.write_text(json.dumps({"vaip": {"device": "phoenix"}}))
        assert vaip_command.json("devices", "--config", config)["name"] == "phoenix"


def test_cmake_dir(vaip_command: CommandLine) -> None:
    directory = Path(vaip_command("cmake-dir").stdout.removesuffix("\n"))
    assert (directory / "vaipConfig.cmake").is_file()
    value = vaip_command.json("cmake-dir")
    assert value == {"cmake_dir": str(directory), "ep_library": vaip.get_library_path()}


def test_model_with_external_data_runs_from_its_folder(vaip_command: CommandLine, digits_int8: Path) -> None:
    folder = vaip_command.directory / "external"
    folder.mkdir()
    onnx.save(
        onnx.load(digits_int8),
        folder / "model.onnx",
        save_as_external_data=True,
        location="weights.bin",
        size_threshold=64,
    )
    assert vaip_command.json("run", "external/model.onnx", "--runs", "1")["nodes"]["cpu"] == 0
