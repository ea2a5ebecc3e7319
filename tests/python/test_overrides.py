"""What-if: fields of device and stack replaced, through every face; and device files with anything wrong in them."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
import vaip
from conftest import CommandLine
from ep_models import network, newest_report
from sessions import vaip_session
from vaip import _core, overrides

STACKS = Path(__file__).parents[2] / "csrc" / "device" / "stacks"
STRIX = json.loads(_core.device_json("strix"))


def fields(document: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Paths of all numbers and flags of a device or stack document."""
    if isinstance(document, dict) and "value" in document:
        yield path
    elif isinstance(document, dict):
        for key, member in document.items():
            yield from fields(member, (*path, key))


FIELDS = list(fields(STRIX))


class TestDevice:
    def test_changes_that_field_alone(self) -> None:
        strix = vaip.device("strix")
        changed = strix.with_overrides({"dram.read_gbps": 30, "clock_ghz": 1.0})
        assert (changed.dram.read_gbps, changed.clock_ghz) == (30, 1.0)
        assert changed.sources["dram.read_gbps"] == "override"
        assert changed.sources["array.rows"] == strix.sources["array.rows"]
        changed.dram.read_gbps, changed.clock_ghz = strix.dram.read_gbps, strix.clock_ghz
        assert changed == strix
        assert strix == vaip.device("strix"), "the original is untouched"

    def test_nested_and_dotted_mean_the_same(self) -> None:
        strix = vaip.device("strix")
        nested = strix.with_overrides({"dram": {"read_gbps": 30}, "matmul": {"int8_int8": {"macs_per_cycle": 128}}})
        assert nested == strix.with_overrides({"dram.read_gbps": 30, "matmul.int8_int8.macs_per_cycle": 128})

    @pytest.mark.parametrize("path", FIELDS, ids=".".join)
    def test_every_field_can_be_overridden(self, path: tuple[str, ...]) -> None:
        dotted = ".".join(path)
        value = STRIX
        for key in path:
            value = value[key]
        document = json.loads(vaip.device("strix").with_overrides({dotted: value["value"]}).to_json())
        for key in path:
            document = document[key]
        assert document == {**value, "source": "override"}

    @pytest.mark.parametrize(
        ("values", "message"),
        [
            ({"dram.read_gps": 30}, "no field 'read_gps' there; did you mean \"dram.read_gbps\"?"),
            ({"read_gbps": 30}, 'did you mean "dram.read_gbps"?'),
            ({"clock": 1.0}, "known: aliases, array, clock_ghz"),
            (
                {"dram": 30},
                "only numbers and flags can be overridden; below it are combined_gbps, ",
            ),
            ({"name": 1}, "only numbers and flags can be overridden"),
            ({"": 1}, "no field ''"),
            ({"dram.read_gbps.value": 30}, "no field 'value' there"),
            ({"dram.read_gbps": -1}, "dram.read_gbps=-1: expected a number from 0.1 to 10000, got -1"),
            ({"dram.read_gbps": "30"}, 'dram.read_gbps="30": expected a number from 0.1 to 10000, got "30"'),
            ({"dram.read_gbps": None}, "dram.read_gbps=null: expected a number from 0.1 to 10000, got null"),
            ({"dram.read_gbps": [30]}, "dram.read_gbps=[30]: expected a number"),
            ({"dram.read_gbps": True}, "dram.read_gbps=true: expected a number from 0.1 to 10000, got true"),
            ({"dram.read_gbps": float("nan")}, 'dram.read_gbps=NaN: expected a number from 0.1 to 10000, got "NaN"'),
            ({"dram.read_gbps": float("inf")}, "dram.read_gbps=Infinity: expected a number from 0.1 to 10000"),
            ({"clock_ghz": 0}, "clock_ghz=0: expected a number from 0.01 to 20, got 0"),
            ({"clock_ghz": 1e9}, "clock_ghz=1000000000.0: expected a number from 0.01 to 20"),
            ({"array.rows": 0}, "array.rows=0: expected an integer from 1 to"),
            ({"array.rows": 2.5}, "array.rows=2.5: expected an integer from 1 to"),
            ({"memory_tile.bytes": -1}, "memory_tile.bytes=-1: expected an integer from 1024 to"),
            ({"dram.combined_gbps": 9999}, "at most the sum of read_gbps and write_gbps"),
            ({"stack.dispatch.layer_us": 10}, "a field of the software stack"),
            ({"dram": {"read_gbps": 30}, "dram.read_gbps": 31}, '"dram.read_gbps" is overridden twice'),
        ],
    )
    def test_errors_name_device_field_value_and_range(self, values: dict[str, Any], message: str) -> None:
        with pytest.raises(vaip.Error) as raised:
            vaip.device("strix").with_overrides(values)
        assert message in str(raised.value)
        assert "strix" in str(raised.value) or "twice" in message

    def test_the_shared_cap_follows_the_directions(self) -> None:
        slow = vaip.device("strix").with_overrides({"dram.read_gbps": 5, "dram.write_gbps": 5})
        assert slow.dram.combined_gbps == 10
        assert "follows" in slow.sources["dram.combined_gbps"]

    def test_dataclass_names_every_field_of_the_packaged_devices(self) -> None:
        """A field that the schema gains belongs into python/vaip/description.py; until then only overrides reach it."""
        for name in vaip.devices():
            device = vaip.device(name)
            for path in fields(json.loads(_core.device_json(name))):
                member: Any = device
                for key in path:
                    member = member[key] if isinstance(member, dict) else getattr(member, key)


class TestSession:
    def test_options_and_file_reach_the_timing(self, tmp_path: Path) -> None:
        model, results = network().build(), {}
        usual = json.loads(_core.description_files()["csrc/device/stacks/vitisai.json"])
        layer_us = usual["generations"]["xdna2"]["dispatch"]["layer_us"]["value"]
        config = tmp_path / "config.json"
        config.write_text(json.dumps({"vaip": {"overrides": {"stack": {"dispatch": {"layer_us": 1000}}}}}))
        for name, options in {
            "described": {},
            "slow": {"overrides": json.dumps({"stack.dispatch.layer_us": 1000})},
            "slow_by_file": {"config_file": str(config)},
            "both": {"config_file": str(config), "overrides": '{"clock_ghz": 0.9}'},
            "session_wins": {
                "config_file": str(config),
                "overrides": json.dumps({"stack.dispatch.layer_us": layer_us}),
            },
        }.items():
            session = vaip_session(model, options)
            results[name] = newest_report()
            del session
        assert results["slow"]["latency_ms"] > results["described"]["latency_ms"] + 1
        assert results["slow_by_file"]["latency_ms"] == results["slow"]["latency_ms"]
        assert results["slow_by_file"]["overrides"] == {"stack.dispatch.layer_us": 1000}
        assert results["both"]["overrides"] == {"clock_ghz": 0.9, "stack.dispatch.layer_us": 1000}
        assert results["both"]["clock_ghz"] == 0.9
        assert results["session_wins"]["latency_ms"] == results["described"]["latency_ms"]
        assert results["described"]["overrides"] == {}
        assert {result["stack"] for result in results.values()} == {"vitisai"}

    def test_half_the_clock_is_twice_the_time_of_what_computes(self) -> None:
        def compute_us(clock: float) -> float:
            report = vaip.simulate(network().build(), options={"overrides": {"clock_ghz": clock}})
            return sum(layer.cost_cycles["compute"] for layer in report.layers) / (report.clock_ghz * 1e3)

        assert compute_us(0.9) == pytest.approx(2 * compute_us(1.8), rel=0.2)

    def test_results_do_not_change(self) -> None:
        builder = network()
        model = builder.build()
        outputs = [
            vaip_session(model, options).run(None, builder.feeds())
            for options in ({}, {"overrides": '{"array.columns": 1, "core.data_memory_bytes": 32768}'})
        ]
        for one, other in zip(*outputs, strict=True):
            np.testing.assert_array_equal(one, other)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("fast", "not valid JSON"),
            ("[1]", "expected JSON text of an object"),
            ('{"clock_ghz": 0}', 'option "overrides": device strix: override clock_ghz=0: expected a number from 0.01'),
            ('{"dispatch.layer_us": 1}', "device strix: override dispatch.layer_us=1: no field 'dispatch'"),
            ('{"stack.dispatch.layer": 1}', "stack vitisai (xdna2): override stack.dispatch.layer=1: no field 'layer'"),
            ('{"stack.dispatch.layer": 1}', 'did you mean "stack.dispatch.layer_us"?'),
            ('{"stack.dispatch.layer_us": -1}', "stack.dispatch.layer_us=-1: expected a number from 0 to"),
            ('{"stack.dataflow.adaptive": 7}', "stack.dataflow.adaptive=7: expected true or false, got 7"),
            ('{"stack": 7}', "stack"),
            ('{"clock_ghz": 1, "clock_ghz": 2}', "twice"),
        ],
    )
    def test_errors(self, text: str, message: str) -> None:
        with pytest.raises(vaip.Error) as raised:
            _core.resolve_options({"overrides": text})
        assert message in str(raised.value)

    def test_errors_name_the_file(self, tmp_path: Path) -> None:
        config = tmp_path / "config.json"
        config.write_text(json.dumps({"vaip": {"overrides": {"array": {"rows": 0}}}}))
        with pytest.raises(
            ort.capi.onnxruntime_pybind11_state.InvalidArgument, match=r"/vaip/overrides: device strix: .*rows=0"
        ):
            ort.InferenceSession(
                network().build().SerializeToString(), providers=[("VitisAIEP", {"config_file": str(config)})]
            )

    def test_array_limits_follow_the_override(self) -> None:
        with pytest.raises(vaip.Error, match="the columns of strix's array"):
            _core.resolve_options({"overrides": '{"array.columns": 2}', "columns": "4"})


class TestGemm:
    def test_device_and_stack(self) -> None:
        plain = vaip.estimate_gemm(1024, 1024, 1024)
        slow = vaip.estimate_gemm(1024, 1024, 1024, overrides={"dram.read_gbps": 1, "dram.write_gbps": 1})
        launch = vaip.estimate_gemm(1024, 1024, 1024, overrides={"stack": {"dispatch": {"launch_us": 1084}}})
        assert slow.latency_us > 2 * plain.latency_us
        assert slow.latency_us >= (slow.ddr_read_bytes + slow.ddr_write_bytes) / 2e3  # 2 GB/s both ways
        assert launch.latency_us == pytest.approx(plain.latency_us + 1000)
        edited = vaip.device("strix").with_overrides({"dram.read_gbps": 1, "dram.write_gbps": 1})
        assert vaip.estimate_gemm(1024, 1024, 1024, device=edited) == slow

    def test_errors(self) -> None:
        with pytest.raises(vaip.Error, match=r"device krackan: override clock_ghz=0: expected a number from 0\.01"):
            vaip.estimate_gemm(64, 64, 64, device="krackan", overrides={"clock_ghz": 0})
        with pytest.raises(vaip.Error, match=r"stack iron \(xdna2\): override stack\.dispatch\.launch_us=-1"):
            vaip.estimate_gemm(64, 64, 64, stack="iron", overrides={"stack.dispatch.launch_us": -1})


class TestCommandLine:
    def test_run(self, vaip_command: CommandLine, digits_int8: Path) -> None:
        (vaip_command.directory / "o.json").write_text('{"clock_ghz": 1.5, "dram": {"read_gbps": 40}}')
        value = vaip_command.json(
            "run", digits_int8, "--runs", "1", "--set-file", "o.json", "--set", "clock_ghz=0.9", "--set",
            "stack.dispatch.layer_us=0",
        )  # fmt: skip
        assert value["clock_ghz"] == 0.9, "--set is stronger than --set-file"
        assert value["overrides"] == {"clock_ghz": 0.9, "dram.read_gbps": 40, "stack.dispatch.layer_us": 0}
        assert all(layer["cost_cycles"]["dispatch"] == 0 for layer in value["layers"] if layer["macs"])
        shown = vaip_command("run", digits_int8, "--runs", "1", "--set", "clock_ghz=0.9").stdout
        assert "What if: clock_ghz=0.9" in shown
        assert "What if" not in vaip_command("run", digits_int8, "--runs", "1").stdout

    def test_partition_and_devices(self, vaip_command: CommandLine, digits_int8: Path) -> None:
        value = vaip_command.json("partition", digits_int8, "--set", "array.columns=2")
        assert value["overrides"] == {"array.columns": 2}
        device = vaip_command.json("devices", "--device", "strix", "--set", "dram.read_gbps=30")
        assert device["dram"]["read_gbps"]["value"] == 30
        assert device["dram"]["read_gbps"]["source"] == "override"
        listed = vaip_command.json("devices", "--set", "clock_ghz=1.0")["devices"]
        assert {each["clock_ghz"] for each in listed} == {1.0}

    @pytest.mark.parametrize(
        ("arguments", "exit_code", "message"),
        [
            (["--set", "clock_ghz"], 2, "'clock_ghz' is not NAME=VALUE"),
            (["--set-file", "missing.json"], 2, "missing.json"),
            (["--set", "clock_ghz=1", "--option", "overrides={}"], 2, "exclude each other"),
            (
                ["--set", "clock_ghz=0"],
                1,
                "device strix: override clock_ghz=0: expected a number from 0.01 to 20, got 0",
            ),
            (["--set", "clock_ghz=nan"], 1, 'clock_ghz="nan": expected a number from 0.01 to 20, got "nan"'),
            (["--set", "clock_ghz=NaN"], 1, 'clock_ghz="NaN": expected a number'),
            (["--set", "clock_ghz=1e400"], 1, 'clock_ghz="1e400": expected a number'),
            (["--set", "clock_ghz=fast"], 1, 'clock_ghz="fast": expected a number'),
            (["--set", "clok_ghz=1"], 1, 'did you mean "clock_ghz"?'),
            (["--set-file", "list.json"], 1, "list.json: expected an object"),
            (["--set-file", "broken.json"], 1, "broken.json: not valid JSON"),
            (["--set-file", "twice.json"], 1, 'twice.json: not valid JSON: the key "clock_ghz" occurs twice'),
        ],
    )
    @pytest.mark.parametrize("command", ["run", "partition"])
    def test_errors(
        self,
        vaip_command: CommandLine,
        digits_int8: Path,
        command: str,
        arguments: list[str],
        exit_code: int,
        message: str,
    ) -> None:
        (vaip_command.directory / "list.json").write_text("[1]")
        (vaip_command.directory / "broken.json").write_text("{")
        (vaip_command.directory / "twice.json").write_text('{"clock_ghz": 1, "clock_ghz": 2}')
        assert message in vaip_command.error(command, digits_int8, *arguments, exit_code=exit_code)

    def test_values_that_files_can_hold(self, tmp_path: Path) -> None:
        path = tmp_path / "o.json"
        path.write_text('{"a": NaN, "b": 1e400, "c": true, "d": {"e.f": 2.5}}')
        assert overrides.read_file(path) == {"a": "NaN", "b": "1e400", "c": True, "d.e.f": 2.5}


BAD_VALUES = [-1, 0, 1e30, -1e30, 2.5e-9, "4", None, True, [1], {}]


class TestDeviceFiles:
    """Every field missing, of another type, negative and absurd: the error names the file and the JSON pointer."""

    @staticmethod
    def load(document: Any, directory: Path) -> str:
        path = directory / "my_npu.json"
        path.write_text(json.dumps(document))
        try:
            vaip.device(path)
        except vaip.Error as error:
            message = str(error)
        else:
            return ""
        assert message.startswith(f"{path}: ")
        return message

    @pytest.mark.parametrize("path", FIELDS, ids=".".join)
    def test_every_number(self, path: tuple[str, ...], tmp_path: Path) -> None:
        for bad in BAD_VALUES:
            document = copy.deepcopy(STRIX)
            field = document
            for key in path:
                field = field[key]
            field["value"] = bad
            message = self.load(document, tmp_path)
            if field["unit"] in ("cycles", "ns") and type(bad) in (int, float) and 0 <= bad < 1:
                assert message == "", "an overhead may be nothing, or next to it"
                continue
            pointer = "/" + "/".join((*path, "value"))
            assert f"{pointer}: expected a" in message, (bad, message)
            assert " from " in message, "the accepted range"

    @pytest.mark.parametrize("path", FIELDS, ids=".".join)
    def test_every_number_missing(self, path: tuple[str, ...], tmp_path: Path) -> None:
        for missing in ("value", "unit", "source"):
            document = copy.deepcopy(STRIX)
            field = document
            for key in path:
                field = field[key]
            del field[missing]
            message = self.load(document, tmp_path)
            assert f'/{"/".join(path)}: the required key "{missing}" is missing' in message
        document = copy.deepcopy(STRIX)
        parent = document
        for key in path[:-1]:
            parent = parent[key]
        del parent[path[-1]]
        message = self.load(document, tmp_path)
        assert f'the required key "{path[-1]}" is missing' in message
        assert "/".join(path[:-1]) in message

    @pytest.mark.parametrize("key", list(STRIX))
    def test_every_member(self, key: str, tmp_path: Path) -> None:
        for bad in (None, 7, [7], {"value": 7}):
            assert f"/{key}" in self.load(STRIX | {key: bad}, tmp_path)
        assert f'"{key}"' in self.load({k: v for k, v in STRIX.items() if k != key}, tmp_path)

    def test_text_that_is_no_description(self, tmp_path: Path) -> None:
        assert '/dramm: unknown key "dramm"; did you mean "dram"?' in self.load(STRIX | {"dramm": 1}, tmp_path)
        assert "/matmul/int9_int8" in self.load(STRIX | {"matmul": {"int9_int8": {}}}, tmp_path)
        assert "an object" in self.load([], tmp_path)
        path = tmp_path / "nan.json"
        path.write_text(json.dumps(STRIX).replace("1.8", "NaN", 1))
        with pytest.raises(vaip.Error, match=r"nan\.json:1:\d+: not valid JSON"):
            vaip.device(path)
        path.write_text(json.dumps(STRIX).replace("1.8", "1e400", 1))
        with pytest.raises(vaip.Error, match=r"nan\.json"):
            vaip.device(path)

    @pytest.mark.parametrize("name", ["iron", "vitisai"])
    def test_every_number_of_a_stack_file(self, name: str, tmp_path: Path) -> None:
        stack = json.loads((STACKS / f"{name}.json").read_text())
        path = tmp_path / "my_stack.json"
        for at in fields(stack["generations"], ("generations",)):
            for bad in (-1, 1e30, "4", None):
                document = copy.deepcopy(stack)
                field = document
                for key in at:
                    field = field[key]
                field["value"] = bad
                path.write_text(json.dumps(document))
                with pytest.raises(vaip.Error) as raised:
                    _core.resolve_options({"stack": str(path)})
                assert f"{path}: /{'/'.join(at)}/value: expected" in str(raised.value)

    def test_command_ends_with_one_line(self, vaip_command: CommandLine, digits_int8: Path) -> None:
        document = copy.deepcopy(STRIX)
        document["clock_ghz"]["value"] = -1.8
        (vaip_command.directory / "npu.json").write_text(json.dumps(document))
        line = vaip_command.error("run", digits_int8, "--device", "npu.json")
        assert "npu.json: /clock_ghz/value: expected a number from 0.01 to 20, got -1.8" in line
