"""Compiled clusters in files: a session that finds one computes and reports the same; any other file is replaced."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from ep_models import CPU, expected_of, network, network_with_unclaimed_node, newest_report, session_of, with_batch
from models import ModelBuilder, Style
from onnx import numpy_helper
from sessions import EP_NAME, vaip_options, vaip_session

pytestmark = pytest.mark.usefixtures("only_own_sessions")


def wide_network(kernel: int = 3, channels: int = 32, **style: Any) -> ModelBuilder:
    """Weights large enough that pairs of them saturate 16 bits, in convolutions and a product of rows."""
    builder = ModelBuilder(Style(**style), seed=8)
    x = builder.input([1, channels, 9, 9])
    pads = [kernel // 2] * 4
    convolved = builder.finish(builder.conv(x, 48, [kernel, kernel], pads=pads), "Relu")
    depthwise = builder.finish(builder.conv(convolved, 48, [3, 3], pads=[1, 1, 1, 1], group=48), "Relu")
    pooled = builder.op("GlobalAveragePool", [builder.dq(depthwise)])
    builder.output(builder.q(pooled))
    return builder


def options_of(directory: Path, **more: str) -> dict[str, str]:
    return {"cache_dir": str(directory), "cache_key": "key", **more}


def session_with_warnings(model: onnx.ModelProto, options: dict[str, str] | None = None) -> ort.InferenceSession:
    settings = vaip_options()
    settings.log_severity_level = 2
    ort.set_default_logger_severity(2)
    try:
        return ort.InferenceSession(model.SerializeToString(), settings, providers=[(EP_NAME, options or {})])
    finally:
        ort.set_default_logger_severity(4)


def uses() -> list[str]:
    return [cluster["cache"] for cluster in newest_report()["clusters"]]


def run(builder: ModelBuilder, options: dict[str, str] | None = None) -> tuple[list[str], np.ndarray, dict[str, Any]]:
    """How the session used the cache, its output, and what it reports but for host time."""
    session = session_with_warnings(builder.build(), options)
    output = session.run(None, builder.feeds())[0]
    report = newest_report()
    use = uses()
    for cluster in report["clusters"]:
        del cluster["cache"], cluster["compile_ms"]
    del report["session_id"]
    return use, output, report


def compiled(directory: Path) -> Path:
    (file,) = (directory / "key").glob("*.vaip")
    return file


NETWORKS: dict[str, Callable[[], ModelBuilder]] = {
    "powers of two": lambda: wide_network(power_of_two=True),
    "any scale": lambda: wide_network(),
    "pointwise": lambda: wide_network(kernel=1, channels=96),
    "16-bit activations": lambda: wide_network(dtype="uint16", opset=21),
    "floats at the edges": lambda: wide_network(float_edges=True),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_later_session_reads_what_an_earlier_one_compiled(name: str, tmp_path: Path) -> None:
    builder = NETWORKS[name]()
    off, plain, report = run(builder)
    assert off == ["off"]
    np.testing.assert_array_equal(plain, expected_of(builder))
    for expected in ("miss", "hit", "hit"):
        use, output, same = run(builder, options_of(tmp_path))
        assert use == [expected]
        np.testing.assert_array_equal(output, plain)
        assert same == report


def test_each_cluster_has_a_file(tmp_path: Path) -> None:
    builder = network_with_unclaimed_node()
    off = session_of(builder.build(), [EP_NAME, CPU]).run(None, builder.feeds())[0]
    for expected in ("miss", "hit"):
        session = session_of(builder.build(), [(EP_NAME, options_of(tmp_path)), CPU])
        assert set(uses()) == {expected}
        np.testing.assert_array_equal(session.run(None, builder.feeds())[0], off)
    assert len(list((tmp_path / "key").glob("*.vaip"))) == len(uses())


def test_clusters_of_dynamic_shapes_are_not_kept(tmp_path: Path) -> None:
    builder = network(dynamic_batch=True)
    session = vaip_session(builder.build(), options_of(tmp_path))
    session.run(None, with_batch(builder, 3))
    assert uses() == ["off"]
    assert not list((tmp_path / "key").glob("*.vaip"))


def test_nothing_is_kept_unencrypted_where_a_key_is_given(tmp_path: Path) -> None:
    assert run(network(), options_of(tmp_path, encryption_key="ab" * 32))[0] == ["off"]
    assert not list((tmp_path / "key").glob("*.vaip"))


CHANGES: dict[str, dict[str, str]] = {
    "device": {"device": "phoenix"},
    "stack": {"stack": "iron"},
    "columns": {"columns": "2"},
    "mode": {"mode": "event"},
    "numerics": {"numerics": "xdna"},
    "threads": {"num_threads": "2"},
    "override": {"overrides": '{"clock_ghz": 1.0}'},
}


@pytest.mark.parametrize("change", CHANGES)
def test_another_option_misses(change: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    builder = network()
    base = options_of(tmp_path, num_threads="1")
    assert run(builder, base)[0] == ["miss"]
    changed = {**base, **CHANGES[change]}
    alone = run(builder, {k: v for k, v in changed.items() if not k.startswith("cache")})
    use, output, report = run(builder, changed)
    assert use == ["miss"]
    assert str(compiled(tmp_path)) in capfd.readouterr().err  # the warning that it was replaced
    np.testing.assert_array_equal(output, alone[1])
    assert report == alone[2]
    assert run(builder, changed)[0] == ["hit"]


def test_another_weight_misses(tmp_path: Path) -> None:
    builder = network()
    assert run(builder, options_of(tmp_path))[0] == ["miss"]
    model = builder.build()
    largest = max(model.graph.initializer, key=lambda tensor: len(tensor.raw_data))
    values = numpy_helper.to_array(largest).copy()
    values.flat[7] ^= 1
    largest.CopyFrom(numpy_helper.from_array(values, largest.name))
    session = vaip_session(model, options_of(tmp_path))
    assert uses() == ["miss"]
    alone = vaip_session(model)
    np.testing.assert_array_equal(session.run(None, builder.feeds())[0], alone.run(None, builder.feeds())[0])


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda content: b"",
    "cut off": lambda content: content[: len(content) // 2],
    "cut off in the header": lambda content: content[:40],
    "longer": lambda content: content + bytes(64),
    "not ours": lambda content: b'{"a": "JSON file"}' * 100,
    "header": lambda content: content[:20] + b"\x55" + content[21:],
    "last section": lambda content: content[:-65] + b"\x55\xaa" + content[-63:],
    "zeros": lambda content: bytes(len(content)),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_replaced(damage: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    builder = wide_network()
    use, plain, report = run(builder, options_of(tmp_path))
    assert use == ["miss"]
    file = compiled(tmp_path)
    whole = file.read_bytes()
    file.write_bytes(DAMAGES[damage](whole))
    capfd.readouterr()
    use, output, same = run(builder, options_of(tmp_path))
    assert use == ["miss"]
    np.testing.assert_array_equal(output, plain)
    assert same == report
    assert str(file) in capfd.readouterr().err
    assert file.read_bytes() == whole
    assert run(builder, options_of(tmp_path))[0] == ["hit"]
    assert capfd.readouterr().err == ""


def test_every_section_is_checked(tmp_path: Path) -> None:
    """One byte changed in every 500: none of them makes a wrong result, and none an error."""
    builder = wide_network()
    plain = run(builder, options_of(tmp_path))[1]
    file = compiled(tmp_path)
    whole = file.read_bytes()
    for at in range(3, len(whole), max(len(whole) // 60, 1)):
        file.write_bytes(whole[:at] + bytes([whole[at] ^ 0x41]) + whole[at + 1 :])
        np.testing.assert_array_equal(run(builder, options_of(tmp_path))[1], plain)


def test_a_directory_in_the_files_place_is_a_warning(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "key" / "compiled_cluster_0.vaip"
    file.mkdir(parents=True)
    builder = network()
    use, output, _ = run(builder, options_of(tmp_path))
    assert use == ["miss"]
    assert str(file) in capfd.readouterr().err
    np.testing.assert_array_equal(output, expected_of(builder))


def test_a_file_in_use_may_be_replaced(tmp_path: Path) -> None:
    """Weights are read where the file was mapped, whatever is at its path by now."""
    builder = wide_network()
    plain = run(builder, options_of(tmp_path))[1]
    session = vaip_session(builder.build(), options_of(tmp_path))
    assert uses() == ["hit"]
    compiled(tmp_path).unlink()
    np.testing.assert_array_equal(session.run(None, builder.feeds())[0], plain)
    assert run(builder, options_of(tmp_path))[0] == ["miss"]
    np.testing.assert_array_equal(session.run(None, builder.feeds())[0], plain)


PROCESS = """
import sys
import numpy as np, onnxruntime as ort, vaip
model, directory, feeds, output = sys.argv[1:]
for _ in range(5):
    providers = [("VitisAIEP", {"cache_dir": directory, "cache_key": "key"})]
    session = ort.InferenceSession(model, providers=providers)
    result = session.run(None, dict(np.load(feeds)))[0]
    print(vaip.reports()[-1].clusters[0].cache)
np.save(output, result)
"""


def test_processes_at_the_same_time(tmp_path: Path) -> None:
    builder = wide_network()
    model, feeds = tmp_path / "model.onnx", tmp_path / "feeds.npz"
    onnx.save(builder.build(), model)
    np.savez(feeds, **builder.feeds())
    outputs = [tmp_path / f"output{i}.npy" for i in range(3)]
    started = [
        subprocess.Popen(
            [sys.executable, "-c", PROCESS, str(model), str(tmp_path / "cache"), str(feeds), str(output)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for output in outputs
    ]
    for process, output in zip(started, outputs, strict=True):
        printed, warned = process.communicate(timeout=300)
        assert process.returncode == 0, warned
        assert warned == ""
        assert printed.split()[1:] == ["hit"] * 4
        np.testing.assert_array_equal(np.load(output), expected_of(builder))
    assert [file.name for file in (tmp_path / "cache" / "key").glob("*.tmp")] == []
