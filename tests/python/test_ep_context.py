"""EPContext models: sessions write them, and run what they wrote with the same results."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import vaip
from ep_models import CPU, RUNTIME_ERRORS, network, network_with_unclaimed_node, newest_report, session_of
from onnx import helper
from sessions import EP_NAME, claimed_nodes

pytestmark = pytest.mark.usefixtures("only_own_sessions")


def entries(path: Path, *, embed: bool, **more: str) -> dict[str, str]:
    return {
        "ep.context_enable": "1",
        "ep.context_embed_mode": str(int(embed)),
        "ep.context_file_path": str(path),
        **more,
    }


def inputs_of(session: ort.InferenceSession) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(3)
    types = {"tensor(float)": np.float32, "tensor(uint8)": np.uint8}
    return {v.name: rng.integers(0, 200, v.shape).astype(types[v.type]) for v in session.get_inputs()}


def open_context(path: Path, options: dict[str, str] | None = None) -> ort.InferenceSession:
    return session_of(str(path), [(EP_NAME, options or {}), CPU])


def context_nodes(path: Path) -> list[onnx.NodeProto]:
    return [node for node in onnx.load(path).graph.node if node.op_type == "EPContext"]


def attributes(node: onnx.NodeProto) -> dict[str, Any]:
    return {a.name: helper.get_attribute_value(a) for a in node.attribute}


@pytest.mark.parametrize("embed", [False, True])
@pytest.mark.parametrize("build", [network, network_with_unclaimed_node])
def test_a_context_model_runs_as_its_original(build: Any, embed: bool, tmp_path: Path) -> None:
    path = tmp_path / "model_ctx.onnx"
    original = session_of(build().build(), [EP_NAME, CPU], entries(path, embed=embed))
    layers = [cluster["layers"] for cluster in newest_report()["clusters"]]
    feeds = inputs_of(original)
    expected = original.run(None, feeds)

    nodes = context_nodes(path)
    assert len(nodes) == len(layers)
    files = sorted(p.name for p in tmp_path.glob("*.bin"))
    for node in nodes:
        found = attributes(node)
        assert found["source"] == b"VitisAIEP"
        assert found["embed_mode"] == int(embed)
        assert found["ep_sdk_version"].decode() == vaip.__version__
        assert embed or found["ep_cache_context"].decode() in files
    assert len(files) == (0 if embed else len(nodes))

    loaded = open_context(path)
    assert claimed_nodes(loaded) == ["EPContext"] * len(nodes)
    assert [cluster["layers"] for cluster in newest_report()["clusters"]] == layers
    for got, want in zip(loaded.run(None, feeds), expected, strict=True):
        np.testing.assert_array_equal(got, want)


def test_the_device_is_chosen_when_a_context_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "model_ctx.onnx"
    session_of(network().build(), [EP_NAME, CPU], entries(path, embed=True))
    latencies = []
    for device in ("strix", "phoenix"):
        session = open_context(path, {"device": device})
        assert newest_report()["device"] == device
        latencies.append(newest_report()["ipu_cycles"])
        del session
    assert latencies[0] != latencies[1]


def test_the_compile_api_of_onnxruntime(tmp_path: Path) -> None:
    source, path = tmp_path / "model.onnx", tmp_path / "compiled.onnx"
    onnx.save(network().build(), source)
    options = ort.SessionOptions()
    options.add_provider_for_devices([d for d in ort.get_ep_devices() if d.ep_name == EP_NAME], {})
    ort.ModelCompiler(options, str(source), embed_compiled_data_into_model=False).compile_to_file(str(path))
    (node,) = context_nodes(path)
    assert (tmp_path / attributes(node)["ep_cache_context"].decode()).is_file()
    original = session_of(str(source), [EP_NAME, CPU])
    feeds = inputs_of(original)
    for got, want in zip(open_context(path).run(None, feeds), original.run(None, feeds), strict=True):
        np.testing.assert_array_equal(got, want)


def test_the_default_path(tmp_path: Path) -> None:
    source = tmp_path / "model.onnx"
    onnx.save(network().build(), source)
    session_of(str(source), [EP_NAME, CPU], {"ep.context_enable": "1"})
    (node,) = context_nodes(tmp_path / "model_ctx.onnx")
    (file,) = tmp_path.glob("model_ctx_*.bin")
    assert attributes(node)["ep_cache_context"].decode() == file.name


def test_values_around_a_context_may_be_renamed(tmp_path: Path) -> None:
    path = tmp_path / "model_ctx.onnx"
    original = session_of(network().build(), [EP_NAME, CPU], entries(path, embed=True))
    model = onnx.load(path)
    (node,) = [n for n in model.graph.node if n.op_type == "EPContext"]
    for i, name in enumerate(node.input):
        node.input[i] = f"renamed_{name}"
    for value in model.graph.input:
        value.name = f"renamed_{value.name}"
    onnx.save(model, path)
    feeds = inputs_of(original)
    renamed = {f"renamed_{name}": value for name, value in feeds.items()}
    for got, want in zip(open_context(path).run(None, renamed), original.run(None, feeds), strict=True):
        np.testing.assert_array_equal(got, want)


def edited(path: Path, **changes: Any) -> Path:
    model = onnx.load(path)
    for node in model.graph.node:
        for name, value in changes.items():
            kept = [a for a in node.attribute if a.name != name]
            del node.attribute[:]
            node.attribute.extend([*kept, helper.make_attribute(name, value)])
    onnx.save(model, path)
    return path


class TestDamaged:
    @pytest.fixture
    def embedded(self, tmp_path: Path) -> Path:
        path = tmp_path / "model_ctx.onnx"
        session_of(network().build(), [EP_NAME, CPU], entries(path, embed=True))
        return path

    @pytest.fixture
    def beside(self, tmp_path: Path) -> Path:
        path = tmp_path / "model_ctx.onnx"
        session_of(network().build(), [EP_NAME, CPU], entries(path, embed=False))
        return path

    def test_content(self, embedded: Path) -> None:
        (node,) = context_nodes(embedded)
        content = bytearray(attributes(node)["ep_cache_context"])
        content[len(content) // 2] ^= 1
        with pytest.raises(RUNTIME_ERRORS, match=r"EPContext.*was changed since it was written"):
            open_context(edited(embedded, ep_cache_context=bytes(content)))

    def test_other_content(self, embedded: Path) -> None:
        with pytest.raises(RUNTIME_ERRORS, match=r"is no context that VitisAIEP made"):
            open_context(edited(embedded, ep_cache_context=b"something else that is long enough"))

    def test_truncated_file(self, beside: Path) -> None:
        (file,) = beside.parent.glob("*.bin")
        file.write_bytes(file.read_bytes()[:-10])
        with pytest.raises(RUNTIME_ERRORS, match=rf"{file.name}.*bytes of the"):
            open_context(beside)

    def test_missing_file(self, beside: Path) -> None:
        (file,) = beside.parent.glob("*.bin")
        file.unlink()
        with pytest.raises(RUNTIME_ERRORS, match=file.name):
            open_context(beside)

    @pytest.mark.parametrize("name", ["", "/etc/passwd", "../model.bin"])
    def test_file_elsewhere(self, name: str, beside: Path) -> None:
        with pytest.raises(RUNTIME_ERRORS, match="must be a path in the model's directory"):
            open_context(edited(beside, ep_cache_context=name))

    def test_model_given_as_bytes(self, beside: Path) -> None:
        with pytest.raises(RUNTIME_ERRORS, match="the model was given as bytes; load it from its file"):
            session_of(beside.read_bytes(), [EP_NAME, CPU])

    def test_context_of_another_provider(self, embedded: Path) -> None:
        with pytest.raises(RUNTIME_ERRORS, match="EPContext"):
            open_context(edited(embedded, source="OtherEP"))


def test_contexts_are_not_encrypted(tmp_path: Path) -> None:
    config = entries(tmp_path / "model_ctx.onnx", embed=True)
    with pytest.raises(RUNTIME_ERRORS, match=r"does not encrypt EPContext models"):
        session_of(network().build(), [(EP_NAME, {"encryption_key": "0" * 64}), CPU], config)
    assert not list(tmp_path.iterdir())


def test_a_directory_that_cannot_be_written(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(RUNTIME_ERRORS, match=r"file"):
        session_of(network().build(), [EP_NAME, CPU], entries(blocked / "model_ctx.onnx", embed=False))
