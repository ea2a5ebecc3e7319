"""The sessions in which onnxruntime finds the operators of com.amd.quark and com.vai.quantize."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import onnx
import onnxruntime as ort
import pytest
import vaip
from ep_models import CPU, RUNTIME_ERRORS
from quark_models import check_session, network, quark_options, vaip_operators
from sessions import EP_NAME


@pytest.fixture
def model_file(tmp_path: Path) -> str:
    path = tmp_path / "model.onnx"
    onnx.save(network().build(), path)
    return str(path)


def test_by_name_without_options(model_file: str) -> None:
    builder = network()
    check_session(ort.InferenceSession(model_file, providers=[EP_NAME, CPU]), builder)
    check_session(ort.InferenceSession(Path(model_file), None, [(EP_NAME, {}), CPU]), builder)
    check_session(ort.InferenceSession(builder.build().SerializeToString(), providers=[EP_NAME, CPU]), builder)


def test_by_name_with_the_same_options_twice(model_file: str) -> None:
    options = ort.SessionOptions()
    for _ in range(2):
        check_session(ort.InferenceSession(model_file, options, providers=[EP_NAME, CPU]), network())


def test_registering_twice_is_registering_once(model_file: str) -> None:
    options = vaip_operators()
    options.register_custom_ops_library(vaip.get_library_path())
    check_session(ort.InferenceSession(model_file, options, providers=[EP_NAME, CPU]), network())


def test_by_device(model_file: str) -> None:
    for options in (ort.SessionOptions(), vaip_operators()):
        options.log_severity_level = 4
        devices = [device for device in ort.get_ep_devices() if device.ep_name == EP_NAME]
        options.add_provider_for_devices(devices[:1], {})
        check_session(ort.InferenceSession(model_file, options), network())


def test_with_quarks_library(model_file: str) -> None:
    options = quark_options()
    for _ in range(2):
        check_session(ort.InferenceSession(model_file, options, providers=[EP_NAME, CPU]), network())
    by_device = quark_options()
    by_device.add_provider_for_devices([d for d in ort.get_ep_devices() if d.ep_name == EP_NAME][:1], {})
    check_session(ort.InferenceSession(model_file, by_device), network())


def test_with_quarks_library_registered_before_the_import(
    model_file: str, run_python: Callable[[str], CompletedProcess[str]]
) -> None:
    pytest.importorskip("quark.onnx")
    done = run_python(
        "import onnxruntime as ort, quark.onnx\n"
        "options = ort.SessionOptions()\n"
        "options.register_custom_ops_library(quark.onnx.get_library_path())\n"
        "import vaip\n"
        f"session = ort.InferenceSession({model_file!r}, options, providers=['VitisAIEP', 'CPUExecutionProvider'])\n"
        "print('clusters', len(vaip.reports()[-1].to_dict()['clusters']))\n"
    )
    assert done.returncode == 0, done.stderr
    assert "clusters 1" in done.stdout


def test_sessions_without_these_operators_leave_the_options_alone(model_file: str) -> None:
    """Options of a session on another model can still take Quark's library: ours is not in them."""
    options = ort.SessionOptions()
    plain = network("").build().SerializeToString()
    ort.InferenceSession(plain, options, providers=[EP_NAME, CPU])
    with pytest.raises(RUNTIME_ERRORS, match="is not a registered function/op"):
        ort.InferenceSession(model_file, options, providers=[CPU])


def test_the_probe_for_operators_leaves_no_files(model_file: str, tmp_path: Path) -> None:
    options = ort.SessionOptions()
    options.enable_profiling = True
    options.profile_file_prefix = str(tmp_path / "profile")
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    options.register_custom_ops_library(vaip.get_library_path())
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model.onnx"]


def test_a_missing_model_is_onnxruntimes_error(tmp_path: Path) -> None:
    empty = tmp_path / "empty.onnx"
    empty.touch()
    for path in (tmp_path / "absent.onnx", empty):
        with pytest.raises(Exception, match=path.name):
            ort.InferenceSession(path, providers=[EP_NAME, CPU])


def test_reloading_the_package_wraps_once() -> None:
    constructor = ort.InferenceSession.__init__
    vaip.session_constructor.wrap_inference_session()
    assert ort.InferenceSession.__init__ is constructor


def test_on_the_command_line(model_file: str, vaip_command: Any) -> None:
    report = vaip_command.json("run", model_file)
    assert report["clusters"]
