"""The EP library inside onnxruntime: registration, devices, and ends of processes in any order."""

from __future__ import annotations

import ctypes
import importlib.metadata
import shutil
import subprocess
from collections.abc import Callable

import onnxruntime as ort
import pytest
import vaip

RunPython = Callable[[str], "subprocess.CompletedProcess[str]"]

# In a process of its own: imports, a model and a session on VitisAIEP. `model` is a string of a path.
PRELUDE = """
import gc, os, sys, threading
import numpy as np
import onnxruntime as ort
import vaip

ort.set_default_logger_severity(4)
FEEDS = {{"image": np.zeros((1, 1, 8, 8), np.float32)}}

def new_session(name="VitisAIEP"):
    options = ort.SessionOptions()
    devices = [d for d in ort.get_ep_devices() if d.ep_name == "VitisAIEP"]
    options.add_provider_for_devices(devices[:1], {{}})
    session = ort.InferenceSession({model!r}, options)
    session.disable_fallback()
    return session

session = new_session()
expected = session.run(None, FEEDS)[0]
"""

SCENARIOS = {
    "the session lives until the process ends": "",
    "the session goes first": "del session; gc.collect(); vaip.unregister()",
    "the session goes last": """
ort.unregister_execution_provider_library("VitisAIEP")
assert (session.run(None, FEEDS)[0] == expected).all()  # it has all that it needs
del session; gc.collect()
""",
    "the session outlives registration and process": """
ort.unregister_execution_provider_library("VitisAIEP")
assert (session.run(None, FEEDS)[0] == expected).all()
""",
    "registered again while a session lives": """
ort.unregister_execution_provider_library("VitisAIEP")
vaip.register()
second = new_session()
assert (session.run(None, FEEDS)[0] == expected).all()
assert (second.run(None, FEEDS)[0] == expected).all()
""",
    "registered under two names": """
vaip.register("again")
second = new_session()
ort.unregister_execution_provider_library("VitisAIEP")
assert (second.run(None, FEEDS)[0] == expected).all()
""",
    "registered and unregistered in turns": """
for _ in range(5):
    del session; gc.collect()
    vaip.unregister()
    assert "VitisAIEP" not in ort.get_available_providers()
    vaip.register()
    session = new_session()
    assert (session.run(None, FEEDS)[0] == expected).all()
""",
    "made by a thread that is gone": """
made = []
thread = threading.Thread(target=lambda: made.append(new_session()))
thread.start(); thread.join()
assert (made[0].run(None, FEEDS)[0] == expected).all()
""",
    "the interpreter leaves through an exception": "sys.exit(0)",
}


def test_onnxruntime_lists_the_provider() -> None:
    assert vaip.get_ep_name() in ort.get_available_providers()
    assert vaip.get_ep_names() == [vaip.get_ep_name()]


def test_the_device_says_that_it_is_simulated() -> None:
    devices = [device for device in ort.get_ep_devices() if device.ep_name == "VitisAIEP"]
    assert [device.device.type for device in devices] == [ort.OrtHardwareDeviceType.CPU]
    assert devices[0].ep_vendor == "AMD"
    assert devices[0].ep_metadata["simulated"] == "1"
    assert devices[0].ep_metadata["runs_on"] == "host CPU"
    assert devices[0].ep_metadata["version"] == vaip.__version__ == importlib.metadata.version("vaip")


def test_registering_twice_is_harmless() -> None:
    vaip.register()
    vaip.register()
    assert ort.get_available_providers().count("VitisAIEP") == 1


def test_virtual_npu_where_virtual_devices_are_allowed(run_python: RunPython) -> None:
    done = run_python("""
import onnxruntime as ort, vaip
vaip.register("vitis.virtual")
npus = [d for d in ort.get_ep_devices() if d.ep_name == "VitisAIEP" and d.device.type == ort.OrtHardwareDeviceType.NPU]
assert len(npus) == 1
assert npus[0].device.vendor_id == 0x1022
assert npus[0].device.metadata["is_virtual"] == "1"
assert npus[0].ep_metadata["simulated"] == "1"
options = ort.SessionOptions()
options.set_provider_selection_policy(ort.OrtExecutionProviderDevicePolicy.PREFER_NPU)
import vaip.demo.digits
session = ort.InferenceSession(str(vaip.demo.digits.INT8_MODEL), options)
assert session.get_providers()[0] == "VitisAIEP"
assert len(vaip.reports()) == 1
""")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_processes_end_cleanly(scenario: str, run_python: RunPython, digits_int8: object) -> None:
    done = run_python(PRELUDE.format(model=str(digits_int8)) + SCENARIOS[scenario])
    assert done.returncode == 0, f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert done.stderr == ""


def test_the_library_exports_its_four_entries_only() -> None:
    nm = shutil.which("nm")
    if nm is None:
        pytest.skip("nm is not installed")
    done = subprocess.run(
        [nm, "-D", "--defined-only", vaip.get_library_path()], capture_output=True, text=True, check=True
    )
    names = sorted(line.split()[-1] for line in done.stdout.splitlines())
    assert names == ["CreateEpFactories", "RegisterCustomOps", "ReleaseEpFactory", "VaipGetApi"]


def test_unknown_versions_of_the_c_entry_are_refused() -> None:
    library = ctypes.CDLL(vaip.get_library_path())
    library.VaipGetApi.restype = ctypes.c_void_p
    library.VaipGetApi.argtypes = [ctypes.c_uint32]
    assert library.VaipGetApi(1) is not None
    assert library.VaipGetApi(0) is None
    assert library.VaipGetApi(2) is None
