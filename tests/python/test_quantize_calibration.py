"""Calibration data: what is read from files, folders and code, held against numpy, and what is refused."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper
from vaip.quantize import CalibrationData, Preprocessing, QuantizeError
from vaip.quantize.images import image_files, read_images
from vaip.quantize.signature import ModelInput

INT64, FLOAT = TensorProto.INT64, TensorProto.FLOAT


def model(**inputs: tuple[int, list[int | str | None]]) -> onnx.ModelProto:
    """Only the inputs matter."""
    values = [helper.make_tensor_value_info(name, kind, shape) for name, (kind, shape) in inputs.items()]
    return helper.make_model(helper.make_graph([], "g", values, []))


IMAGES = model(image=(FLOAT, ["batch", 3, 6, 5]))


@settings(max_examples=60, deadline=None)
@given(
    count=st.integers(1, 12),
    fixed=st.one_of(st.none(), st.integers(1, 4)),
    batch_size=st.integers(1, 4),
    limit=st.one_of(st.none(), st.integers(1, 14)),
    seed=st.integers(0, 3),
)
def test_samples_come_in_whole_batches(
    tmp_path_factory: pytest.TempPathFactory,
    count: int,
    fixed: int | None,
    batch_size: int,
    limit: int | None,
    seed: int,
) -> None:
    path = tmp_path_factory.mktemp("data") / "data.npz"
    a = np.arange(count * 4, dtype=np.float32).reshape(count, 4)
    b = np.arange(count, dtype=np.int64)
    np.savez(path, a=a, b=b, labels=np.zeros(3))
    size = fixed or batch_size
    taken = count if limit is None else min(limit, count)
    two_inputs = model(a=(FLOAT, [fixed or "n", 4]), b=(INT64, [fixed or "n"]))
    if taken < size:
        with pytest.raises(QuantizeError, match="batch is"):
            CalibrationData.load(path, two_inputs, batch_size=batch_size, limit=limit, seed=seed)
        return
    data = CalibrationData.load(path, two_inputs, batch_size=batch_size, limit=limit, seed=seed)
    again = CalibrationData.load(path, two_inputs, batch_size=batch_size, limit=limit, seed=seed)
    assert len(data) == taken // size
    rows = np.concatenate([batch["b"] for batch in data])
    assert len(set(rows.tolist())) == len(rows)
    assert all(batch["a"].shape == (size, 4) for batch in data)
    np.testing.assert_array_equal(np.concatenate([batch["a"] for batch in data]), a[rows])
    np.testing.assert_array_equal(np.concatenate([batch["b"] for batch in again]), rows)
    assert data.names == ["a", "b"]


def test_another_seed_takes_other_samples(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.arange(100, dtype=np.float32)[:, None])
    one = model(x=(FLOAT, [1, 1]))
    taken = [
        {batch["x"].item() for batch in CalibrationData.load(tmp_path / "x.npy", one, limit=10, seed=s)} for s in (0, 1)
    ]
    assert taken[0] != taken[1]


def test_whole_batches_have_one_axis_more(tmp_path: Path) -> None:
    batches = np.random.default_rng(0).normal(size=(4, 2, 3)).astype(np.float32)
    np.save(tmp_path / "x.npy", batches)
    data = CalibrationData.load(tmp_path / "x.npy", model(x=(FLOAT, [2, 3])))
    np.testing.assert_array_equal(np.stack([batch["x"] for batch in data]), batches)


READERS = """
import numpy as np

BATCHES = [{"x": np.full((1, 2), i, np.float32)} for i in range(3)]

def generator():
    yield from BATCHES

class Reader:
    def __init__(self):
        self.rest = iter(BATCHES)
    def get_next(self):
        return next(self.rest, None)

READER = Reader()
NUMBER = 3
def tuples():
    return [(1, 2)]
def nothing():
    return []
def wrong_dtype():
    return [{"x": np.zeros((1, 2))}]
def wrong_name():
    return [{"y": np.zeros((1, 2), np.float32)}]
def lists():
    return [{"x": [[1.0, 2.0]]}]
def nan():
    return [*BATCHES, {"x": np.array([[0, np.nan]], np.float32)}]
def infinite():
    return [{"x": np.array([[0, np.inf]], np.float32)}]
"""


@pytest.fixture
def readers(tmp_path: Path) -> Path:
    path = tmp_path / "my_readers.py"
    path.write_text(READERS, encoding="utf-8")
    return path


@pytest.mark.parametrize("name", ["BATCHES", "generator", "Reader", "READER"])
def test_readers_of_every_kind(readers: Path, name: str) -> None:
    data = CalibrationData.load(f"{readers}:{name}", model(x=(FLOAT, [1, 2])))
    assert [float(batch["x"][0, 0]) for batch in data] == [0.0, 1.0, 2.0]
    assert len(CalibrationData.load(f"{readers}:generator", model(x=(FLOAT, [1, 2])), limit=2)) == 2


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("absent", "has no 'absent'"),
        ("NUMBER", "gives int"),
        ("tuples", "batch 0 is tuple"),
        ("nothing", "empty"),
        ("wrong_dtype", "float64"),
        ("wrong_name", r"'y'.*takes 'x' \(1x2, float32\)"),
        ("lists", "numpy array"),
        ("nan", "batch 3.*NaN"),
        ("infinite", "infinite"),
    ],
)
def test_readers_that_cannot_be_used(readers: Path, name: str, message: str) -> None:
    with pytest.raises(QuantizeError, match=message):
        CalibrationData.load(f"{readers}:{name}", model(x=(FLOAT, [1, 2])))


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((0, 3, 6, 5), np.float32), "empty"),
        (np.zeros((4, 3, 5, 6), np.float32), "batchx3x6x5.*1x3x5x6"),
        (np.zeros((4, 3, 6, 5), np.float64), "float64"),
        (np.zeros((4, 3, 6), np.float32), "shape 1x3x6"),
        (np.full((4, 3, 6, 5), np.nan, np.float32), "NaN"),
        (np.float32(1), "empty"),
    ],
)
def test_arrays_that_cannot_be_used(tmp_path: Path, array: np.ndarray, message: str) -> None:
    np.save(tmp_path / "image.npy", array)
    with pytest.raises(QuantizeError, match=message):
        CalibrationData.load(tmp_path / "image.npy", IMAGES)


def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    two_inputs = model(a=(FLOAT, [1, 4]), b=(INT64, [1]))
    np.savez(tmp_path / "one.npz", a=np.zeros((2, 4), np.float32))
    np.savez(tmp_path / "uneven.npz", a=np.zeros((2, 4), np.float32), b=np.zeros(3, np.int64))
    np.save(tmp_path / "array.npy", np.zeros((2, 4), np.float32))
    (tmp_path / "broken.npz").write_bytes(b"PK nothing")
    (tmp_path / "empty").mkdir()
    for source, message in (
        ("one.npz", "also takes 'b'"),
        ("uneven.npz", "different numbers of samples"),
        ("array.npy", "one array"),
        ("broken.npz", "cannot be read"),
        ("absent.npy", "cannot be read"),
        ("data.csv", "a folder of images, a .npz"),
        ("empty", "feeds one input"),
    ):
        with pytest.raises(QuantizeError, match=message):
            CalibrationData.load(tmp_path / source, two_inputs)
    with pytest.raises(QuantizeError, match="no images"):
        CalibrationData.load(tmp_path / "empty", IMAGES)
    with pytest.raises(QuantizeError, match="no inputs"):
        CalibrationData.load(tmp_path / "one.npz", model())
    with pytest.raises(QuantizeError, match="at least one batch"):
        CalibrationData([])


def test_images_are_preprocessed_as_declared(tmp_path: Path) -> None:
    images = pytest.importorskip("PIL.Image", reason="needs the extra: pip install 'vaip[images]'")
    rng = np.random.default_rng(1)
    pixels = {name: rng.integers(0, 256, (9, 11, 3), np.uint8) for name in ("b/2.png", "a/1.png", "c.bmp")}
    for name, array in pixels.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        images.fromarray(array).save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no image", encoding="utf-8")
    declared = Preprocessing(crop=(6, 5), mean=(0.5, 0.25, 0.125), std=(2.0, 1.0, 0.5), scale=1 / 128, channels="bgr")

    data = CalibrationData.load(tmp_path, IMAGES, preprocessing=declared, batch_size=3)

    (batch,) = data
    for got, name in zip(batch["image"], sorted(pixels), strict=True):
        cropped = pixels[name][1:7, 3:8, ::-1].astype(np.float64)
        expected = (cropped / 128 - [0.5, 0.25, 0.125]) / [2.0, 1.0, 0.5]
        np.testing.assert_allclose(got, expected.transpose(2, 0, 1), rtol=1e-6, atol=1e-6)
    # Without a declaration: resized to what the model takes, in its layout, from 0 to 1.
    last = model(image=(FLOAT, [1, 6, 5, 3]))
    resized = images.open(tmp_path / "a" / "1.png").resize((5, 6), images.Resampling.BILINEAR)
    first = CalibrationData.load(tmp_path, last).batches[0]["image"][0]
    np.testing.assert_allclose(first, np.asarray(resized) / 255, rtol=1e-6)
    gray = CalibrationData.load(tmp_path, model(image=(FLOAT, [1, 1, 6, 5]))).batches[0]["image"]
    assert gray.shape == (1, 1, 6, 5)
    shorter_side = CalibrationData.load(tmp_path, IMAGES, preprocessing=Preprocessing(resize=8))
    assert shorter_side.batches[0]["image"].shape == (1, 3, 6, 5)


def test_preprocessing_that_cannot_be_used(tmp_path: Path) -> None:
    images = pytest.importorskip("PIL.Image", reason="needs the extra: pip install 'vaip[images]'")
    small, broken = tmp_path / "small", tmp_path / "broken"
    small.mkdir()
    images.fromarray(np.zeros((4, 4, 3), np.uint8)).save(small / "small.png")
    broken.mkdir()
    (broken / "broken.png").write_bytes(b"no image")
    dynamic = model(image=(FLOAT, [1, 3, "height", "width"]))
    for folder, network, declared, message in (
        (small, IMAGES, Preprocessing(crop=(6, 5)), "smaller than the crop"),
        (broken, IMAGES, None, "cannot be read as an image"),
        (small, dynamic, None, "resize=HEIGHT,WIDTH"),
        (small, model(ids=(INT64, [1, 5])), None, "four dimensions"),
        (small, IMAGES, Preprocessing(mean=(1.0, 2.0)), "2 numbers for 3 channels"),
    ):
        with pytest.raises(QuantizeError, match=message):
            CalibrationData.load(folder, network, preprocessing=declared)


def test_preprocessing_from_text(tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    path.write_text('{"resize": 256, "crop": 224, "mean": [0.1, 0.2, 0.3]}', encoding="utf-8")
    declared = Preprocessing.parse([str(path), "crop=200,100", "std=0.5", "layout=nhwc"])
    assert declared == Preprocessing(256, (200, 100), None, "nhwc", 1 / 255, (0.1, 0.2, 0.3), (0.5,))
    for text, message in (
        ("rotate=3", "unknown 'rotate'"),
        ("crop=a", "preprocessing"),
        ("crop=1,2,3", "height and width"),
        ("std=0", "above 0"),
        ("channels=cmyk", "rgb, bgr, gray"),
        ("resize=0", "at least 1"),
        ("absent.json", "cannot be read"),
    ):
        with pytest.raises(QuantizeError, match=message):
            Preprocessing.parse([text])


def test_images_that_do_not_go_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = pytest.importorskip("PIL.Image", reason="needs the extra: pip install 'vaip[images]'")
    for name, size in (("1.png", (8, 8)), ("2.png", (8, 8)), ("3.png", (12, 9))):
        images.fromarray(np.zeros(size, np.uint8)).save(tmp_path / name)
    one = ModelInput("image", np.dtype(np.float32), (1, 1, None, None))
    files = image_files(tmp_path)
    as_they_are = Preprocessing(channels="gray", layout="nchw")
    with pytest.raises(QuantizeError, match=r"3\.png: becomes 1x12x9, the images before it 1x8x8"):
        read_images(files, as_they_are, one)
    assert read_images(files[:2], as_they_are, one).shape == (2, 1, 8, 8)
    monkeypatch.setattr("vaip.quantize.images.LARGEST_DATA", 500)
    with pytest.raises(QuantizeError, match=r"2 images of 1x8x8 are .* --limit"):
        read_images(files[:2], as_they_are, one)


def test_images_without_pillow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.png").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(QuantizeError, match=r"pip install 'vaip\[images\]'"):
        CalibrationData.load(tmp_path, IMAGES)
