"""vaip validate: tables of whole networks, and which of their rows count."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import onnx
import pytest
import vaip
from vaip.networks import build
from vaip.validate import TableResult, validate
from vaip.validate.networks import ModelLibrary, cache_directory
from vaip.validate.queries import Setting
from validate_tables import table

pytestmark = pytest.mark.usefixtures("no_models_in_the_cache")


class TestNetworks:
    TEXT = "platform,stack,model,precision,metric,value_ms,GMAC\n8700G,VitisAI EP 4x4,Digits,XINT8,latency,5.26-5.27,\n"

    @pytest.fixture
    def models(self, tmp_path: Path, digits_int8: Path) -> Path:
        directory = tmp_path / "models"
        directory.mkdir()
        shutil.copy(digits_int8, directory / "digits_xint8.onnx")
        return directory

    def test_a_network_is_predicted_from_its_model(self, tmp_path: Path, models: Path, digits_int8: Path) -> None:
        rows = self.TEXT + self.TEXT.splitlines()[1].replace("latency", "node").replace("4x4", "1x4") + "\n"
        (tmp_path / "cnn_end_to_end.csv").write_text(rows, encoding="utf-8")
        whole, node = validate(tmp_path, setting=Setting(models=models)).tables[0].residuals
        assert whole.measured == pytest.approx(5.265)
        report = vaip.simulate(digits_int8.read_bytes(), device="8700g")
        assert whole.predicted == pytest.approx(report.latency_ms)
        assert node.predicted < whole.predicted, "the array's share alone"

    def test_a_network_without_a_model_is_built(self, tmp_path: Path) -> None:
        (row,) = table(tmp_path, "cnn_end_to_end", self.TEXT.replace("Digits", "SqueezeNet1_1")).residuals
        calibrated = vaip.simulate(build("squeezenet1_1").SerializeToString(), device="8700g")
        assert row.predicted == pytest.approx(calibrated.latency_ms)

    def test_a_network_is_built_once_per_run(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        built: list[str] = []

        def counted(name: str, *arguments: Any, **options: Any) -> onnx.ModelProto:
            built.append(name)
            return build(name, *arguments, **options)

        monkeypatch.setattr("vaip.networks.build", counted)
        rows = "".join(
            f"{platform},EP {array},{name},XINT8,latency,9,\n"
            for platform, array in (("8700G", "4x4"), ("8700G", "1x4"), ("STX", "4x4"))
            for name in ("squeezenet1_1", "SqueezeNet 1.1", "ResNet18")
        )
        (tmp_path / "cnn_end_to_end.csv").write_text(self.TEXT.splitlines()[0] + "\n" + rows, encoding="utf-8")
        first = validate(tmp_path)
        assert sorted(built) == ["resnet18", "squeezenet1_1"]
        assert len(first.tables[0].residuals) == 6, "of two spellings of a name one is skipped"
        assert validate(tmp_path).to_dict() == first.to_dict()

    def test_given_models_come_first(self, tmp_path: Path, models: Path, digits_int8: Path) -> None:
        shutil.copy(digits_int8, models / "resnet18_xint8.onnx")
        (tmp_path / "cnn_end_to_end.csv").write_text(self.TEXT.replace("Digits", "ResNet18"), encoding="utf-8")
        ((row,),) = (each.residuals for each in validate(tmp_path, setting=Setting(models=models)).tables)
        assert row.predicted == pytest.approx(vaip.simulate(digits_int8.read_bytes(), device="8700g").latency_ms)

    def test_an_unknown_network_is_a_reason_with_the_nearest_name(self, tmp_path: Path) -> None:
        result = table(tmp_path, "cnn_end_to_end", self.TEXT.replace("Digits", "ResNet51"))
        reason = result.skipped[0].reason
        assert "no network 'ResNet51' (the nearest is resnet50)" in reason
        assert f"{cache_directory()} has no ResNet51_xint8.onnx" in reason

    def test_names_are_found_whatever_their_punctuation(self, models: Path) -> None:
        (models / "mobilenet_v2_xint8.onnx").touch()
        library = ModelLibrary(models)
        assert library.file("MobileNetV2", "xint8") == models / "mobilenet_v2_xint8.onnx"
        assert library.file("MobileNetV2", "a8w8") is None
        assert library.file("ResNet50", "xint8") is None

    def test_a_part_on_the_cpu_is_not_the_devices_time(self, tmp_path: Path, models: Path) -> None:
        """But that of the array alone is predicted."""
        model = build("yolov8n", resolution=64, decode=True, calibrated=False)
        onnx.save(model, models / "boxes_xint8.onnx")
        rows = self.TEXT.replace("Digits", "boxes")
        (tmp_path / "cnn_end_to_end.csv").write_text(
            rows + rows.splitlines()[1].replace("latency", "node"), encoding="utf-8"
        )
        (result,) = validate(tmp_path, setting=Setting(models=models)).tables
        assert [row.line for row in result.residuals] == [3]
        (skip,) = result.skipped
        assert "run on the CPU, whose time is not predicted; the first is decode/" in skip.reason

    def test_dynamic_batches_are_one_image(self, tmp_path: Path, models: Path) -> None:
        for name, batch in (("fixed", 1), ("dynamic", 0)):
            model = build("resnet18", resolution=64, calibrated=False)
            for value in (*model.graph.input, *model.graph.output):
                if not batch:
                    value.type.tensor_type.shape.dim[0].dim_param = "N"
            onnx.save(model, models / f"{name}_xint8.onnx")
        text = self.TEXT.replace("Digits", "fixed") + self.TEXT.splitlines()[1].replace("Digits", "dynamic")
        (tmp_path / "cnn_end_to_end.csv").write_text(text, encoding="utf-8")
        fixed, dynamic = validate(tmp_path, setting=Setting(models=models)).tables[0].residuals
        assert fixed.predicted == dynamic.predicted

    def test_configuration_stack_and_array_apply_together(self, tmp_path: Path, models: Path) -> None:
        """The configuration's other settings hold; the row's own part of the array is stronger than its columns."""
        (tmp_path / "cnn_end_to_end.csv").write_text(self.TEXT.replace("4x4", "1x4"), encoding="utf-8")

        def predicted(**setting: Any) -> float:
            (row,) = validate(tmp_path, setting=Setting(models=models, **setting)).tables[0].residuals
            return row.predicted

        config = tmp_path / "config.json"
        config.write_text(json.dumps({"vaip": {"columns": 4, "rows": 1}}), encoding="utf-8")
        narrow = tmp_path / "narrow.json"
        narrow.write_text(json.dumps({"vaip": {"columns": 1, "rows": 1}}), encoding="utf-8")
        assert predicted(config=config) == predicted(config=narrow)
        document = json.loads(vaip._core.description_files()["csrc/device/stacks/vitisai.json"])
        for profile in document["generations"].values():
            profile["dispatch"]["layer_us"]["value"] *= 10
        slow = tmp_path / "slow.json"
        slow.write_text(json.dumps(document), encoding="utf-8")
        assert predicted(stacks={"vitisai": slow}) > predicted()


class TestWhichRowsOfNetworksCount:
    """Of what releases, settings and runs with a CPU part measured, the times of the device."""

    ARRAYS = "platform,stack,model,precision,metric,value_ms,GMAC\n"
    RELEASES = "timestamp,rai_release,model_name,device,throughput_fps,latency_ms\n"

    @pytest.fixture
    def models(self, tmp_path: Path, digits_int8: Path) -> Path:
        directory = tmp_path / "models"
        directory.mkdir()
        for name in ("digits", "letters"):
            shutil.copy(digits_int8, directory / f"{name}_xint8.onnx")
        return directory

    def releases(self, directory: Path, models: Path, *rows: str, arrays: str | None = None) -> TableResult:
        """The result of the table of releases; `rows` are release, name and latency. `arrays`: rows beside it."""
        lines = [",".join(["2025-01-01", release, name, "STX", "1", ms]) for release, name, ms in map(str.split, rows)]
        text = self.RELEASES + "\n".join(lines) + "\n"
        (directory / "ryzenai_sw_onnx_benchmark.csv").write_text(text, encoding="utf-8")
        if arrays is not None:
            (directory / "cnn_end_to_end.csv").write_text(self.ARRAYS + arrays, encoding="utf-8")
        (result,) = validate(directory, tables=["ryzenai_sw_onnx_benchmark"], setting=Setting(models=models)).tables
        return result

    def test_the_best_release_of_each_model(self, tmp_path: Path, models: Path) -> None:
        result = self.releases(
            tmp_path, models, "1.4.1 digits_XINT8 0.9", "1.5.0 digits_XINT8 0.5", "1.6.0 digits 100", "1.6.0 letters 1"
        )
        assert [row.label for row in result.residuals] == ["digits_XINT8 (Ryzen AI 1.5.0)"]
        assert [skip.reason for skip in result.skipped] == [
            "a slower release of the model: the best is digits_XINT8 (Ryzen AI 1.5.0)",
            *["the name does not tell precision and target: it may be FP32 on the CPU"] * 2,
        ]
        assert "best release" in result.note

    def test_slower_than_the_float_model_is_the_cpu(self, tmp_path: Path, models: Path) -> None:
        """The fastest float figure of that model counts, whatever its release; another model's does not."""
        result = self.releases(
            tmp_path,
            models,
            "1.4.1 digits_XINT8 7.5",
            "1.4.1 digits 8",
            "1.5.0 Digits 7",
            "1.5.0 letters_XINT8 7.5",
        )
        assert [row.label for row in result.residuals] == ["letters_XINT8 (Ryzen AI 1.5.0)"]
        assert result.skipped[0].label == "digits_XINT8 (Ryzen AI 1.4.1)"
        assert result.skipped[0].reason == (
            "7.5 ms, but the float Digits (Ryzen AI 1.5.0) on the CPU takes 7 ms: part of the model ran on the CPU"
        )

    def test_slower_than_the_older_array_is_the_cpu(self, tmp_path: Path, models: Path) -> None:
        arrays = (
            "8700G,EP 4x4,Digits,XINT8,latency,5.1,\n"  # not the best of that
            "8700G,EP 4x4 again,Digits,XINT8,latency,5.0,\n"
            "8700G,EP 1x4,Digits,XINT8,latency,1.0,\n"  # neither the whole overlay
            "8700G,EP 4x4,Digits,XINT8,node,1.0,\n"  # nor the whole latency
            "Phoenix,EP 4x4,Digits,XINT8,latency,1.0,\n"
            "STX,EP 4x4,Digits,XINT8,latency,1.0,\n"
            "8700G,EP 4x4,letters,BF16,latency,1.0,\n"
        )
        rows = ("1.4.1 digits_XINT8 5.05", "1.5.0 digits_XINT8 4.95", "1.5.0 letters_XINT8 5.05")
        result = self.releases(tmp_path, models, *rows, arrays=arrays)
        assert [row.measured for row in result.residuals] == [4.95, 5.05]
        (skip,) = result.skipped
        assert skip.reason == (
            "5.05 ms, but the older 8700G Digits, EP 4x4 again takes 5 ms: part of the model ran on the CPU"
        )

    def test_without_rows_of_the_older_array_the_packaged_ones_count(self, tmp_path: Path, models: Path) -> None:
        shutil.copy(models / "digits_xint8.onnx", models / "resnet50_xint8.onnx")
        row = "1.4.1 resnet50_XINT8 5.5"
        (skip,) = self.releases(tmp_path, models, row).skipped
        assert "5.5 ms, but the older 8700G ResNet50, VitisAI EP 4x4 takes 5.265 ms" in skip.reason
        own = "8700G,EP 4x4,ResNet50,XINT8,latency,5.6,\n"
        assert self.releases(tmp_path, models, row, arrays=own).skipped == []
        assert self.releases(tmp_path, models, row, arrays="").skipped == [], "a table of the directory, if empty"

    def test_a_table_beside_it_that_cannot_be_read(self, tmp_path: Path, models: Path) -> None:
        (tmp_path / "cnn_end_to_end.csv").write_text("platform\n8700G\n", encoding="utf-8")
        result = self.releases(tmp_path, models, "1.4.1 digits_XINT8 1")
        assert "cnn_end_to_end.csv:1: column 'stack' is missing" in result.errors[0]

    def test_the_best_of_several_settings(self, tmp_path: Path, models: Path) -> None:
        arrays = (
            "STX,first,Digits,INT8,latency,5.74,\n"
            "STX,second,digits,XINT8,latency,3.29,\n"
            "STX,EP 1x4,digits,XINT8,latency,8,\n"
            "STX,third,Digits,XINT8,node,4,\n"
            "Phoenix,first,Digits,XINT8,latency,9,\n"
        )
        (tmp_path / "cnn_end_to_end.csv").write_text(self.ARRAYS + arrays, encoding="utf-8")
        (result,) = validate(tmp_path, setting=Setting(models=models)).tables
        assert [row.measured for row in result.residuals] == [3.29, 8, 4, 9]
        (skip,) = result.skipped
        assert (skip.label, skip.reason) == (
            "STX Digits, first",
            "a slower release or setting: the best is STX digits, second",
        )

    def test_every_packaged_network_is_predicted_or_measured_otherwise(self) -> None:
        arrays, releases = validate(tables=["cnn_end_to_end", "ryzenai_sw_onnx_benchmark"]).tables
        assert len(arrays.residuals) == 7
        assert [row.label.split("_XINT8")[0] for row in releases.residuals] == [
            "efficientnet_b0",
            "efficientnet_b2",
            "resnet50",
            "resnet18",
        ]
        reasons = ("a slower release", "a throughput", "the name does not tell", "part of the model ran on the CPU")
        for skip in (*arrays.skipped, *releases.skipped):
            assert any(reason in skip.reason for reason in reasons), skip
