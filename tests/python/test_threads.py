"""How many threads compute: the option num_threads, else the session's intra-op setting."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import onnx
import onnxruntime as ort
import pytest
import vaip
from models import ModelBuilder, Style
from sessions import EP_NAME
from vaip.session_constructor import ALLOW_SPINNING

CPU = "CPUExecutionProvider"
# A team is as large as asked for, also beyond this machine's cores. onnxruntime's own pool sleeps in a session that is
# claimed whole, but its threads exist: one fewer than its setting.
COUNTED = """
import os, sys
import numpy as np, onnxruntime as ort, vaip
options = ort.SessionOptions()
options.intra_op_num_threads = {intra_op}
before = len(os.listdir("/proc/self/task"))
{create}
pool = {intra_op} - 1
(value,) = session.get_inputs()
for _ in range(2):
    session.run(None, {{value.name: np.ones(value.shape, np.uint8)}})
print("team", len(os.listdir("/proc/self/task")) - before - pool + 1)
"""
BY_NAME = "session = ort.InferenceSession({model!r}, options, providers=[('VitisAIEP', {provider}), {cpu!r}])"
BY_DEVICE = """
options.add_provider_for_devices([d for d in ort.get_ep_devices() if d.ep_name == 'VitisAIEP'][:1], {provider})
session = ort.InferenceSession({model!r}, options)
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Large enough that its layers are worth a team."""
    builder = ModelBuilder(Style(power_of_two=True), seed=3)
    builder.output(builder.finish(builder.conv(builder.input([1, 16, 48, 48]), 32, [3, 3]), "Relu"))
    path = tmp_path_factory.mktemp("threads") / "model.onnx"
    onnx.save(builder.build(), path)
    return str(path)


@pytest.mark.parametrize(
    ("create", "intra_op", "provider", "team"),
    [
        (BY_NAME, 1, {}, 1),
        (BY_NAME, 3, {}, 3),
        (BY_NAME, 3, {"num_threads": "2"}, 2),
        (BY_NAME, 1, {"num_threads": "4"}, 4),
        (BY_DEVICE, 3, {}, 3),
        (BY_DEVICE, 3, {"num_threads": "2"}, 2),
    ],
    ids=["name-1", "name-3", "name-3-option-2", "name-1-option-4", "device-3", "device-3-option-2"],
)
def test_team(
    create: str,
    intra_op: int,
    provider: dict[str, str],
    team: int,
    model: str,
    run_python: Callable[[str], CompletedProcess[str]],
) -> None:
    session = create.format(model=model, provider=provider, cpu=CPU)
    done = run_python(COUNTED.format(create=session, intra_op=intra_op))
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["team", str(team)]


def test_intra_op_setting_is_told_anew_for_each_session(model: str) -> None:
    def told() -> str:
        return options.get_session_config_entry("vaip.intra_op_num_threads")

    options = ort.SessionOptions()
    options.log_severity_level = 4
    ort.InferenceSession(model, options, providers=[EP_NAME, CPU])
    with pytest.raises(RuntimeError, match="does not have"):
        told()  # nothing to tell
    for threads in (2, 1, 0):
        options.intra_op_num_threads = threads
        ort.InferenceSession(model, options, providers=[EP_NAME, CPU])
        assert told() == str(threads)


def test_onnxruntimes_threads_sleep_unless_the_application_has_options(model: str) -> None:
    session = ort.InferenceSession(model, providers=[EP_NAME, CPU])
    assert session.get_session_options().get_session_config_entry(ALLOW_SPINNING) == "0"
    options = ort.SessionOptions()
    ort.InferenceSession(model, options, providers=[EP_NAME, CPU])
    with pytest.raises(RuntimeError, match="does not have"):
        options.get_session_config_entry(ALLOW_SPINNING)


def test_sessions_on_other_providers_are_left_alone(model: str) -> None:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 2
    session = ort.InferenceSession(model, options, providers=[CPU])
    for entry in (ALLOW_SPINNING, "vaip.intra_op_num_threads"):
        with pytest.raises(RuntimeError, match="does not have"):
            session.get_session_options().get_session_config_entry(entry)


def test_wrong_entry_is_an_error_of_the_session(model: str, tmp_path: Path) -> None:
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.add_provider_for_devices([d for d in ort.get_ep_devices() if d.ep_name == vaip.get_ep_name()][:1], {})
    options.intra_op_num_threads = 2
    options.add_session_config_entry("vaip.intra_op_num_threads", "2")
    ort.InferenceSession(model, options)
    options.add_session_config_entry("vaip.intra_op_num_threads", "many")
    options.use_per_session_threads = True
    with pytest.raises(Exception, match=r'"vaip\.intra_op_num_threads": expected an integer >= 0, got "many"'):
        ort.InferenceSession.__init__.__wrapped__(ort.InferenceSession.__new__(ort.InferenceSession), model, options)
