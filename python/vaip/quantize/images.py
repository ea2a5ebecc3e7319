"""Images as a network takes them: the preprocessing it was trained with, declared as data."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vaip.quantize.errors import QuantizeError, missing
from vaip.quantize.signature import ModelInput

if TYPE_CHECKING:
    from PIL import Image

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
LAYOUTS = ("nchw", "nhwc")
CHANNELS = ("rgb", "bgr", "gray")
LARGEST_DATA = 4 << 30  # bytes of all calibration images together


@dataclass(frozen=True)
class Preprocessing:
    """In this order: resize, crop the middle, scale, subtract the mean, divide by the standard deviation."""

    resize: int | tuple[int, int] | None = None  # the shorter side, or height and width; None: as the model takes it
    crop: tuple[int, int] | None = None  # height and width
    channels: str | None = None  # one of CHANNELS; None: gray where the model takes one channel, else rgb
    layout: str | None = None  # one of LAYOUTS; None: where the model has its channels
    scale: float = 1 / 255
    mean: tuple[float, ...] = (0.0,)  # one, or one per channel; after scaling
    std: tuple[float, ...] = (1.0,)

    def __post_init__(self) -> None:
        for name, value, known in (("channels", self.channels, CHANNELS), ("layout", self.layout, LAYOUTS)):
            if value is not None and value not in known:
                raise QuantizeError(f"preprocessing: {name} is one of {', '.join(known)}, not '{value}'")
        sizes = [self.resize] if isinstance(self.resize, int) else list(self.resize or ())
        if any(size < 1 for size in (*sizes, *(self.crop or ()))):
            raise QuantizeError("preprocessing: sizes must be at least 1")
        if any(not s > 0 for s in self.std):
            raise QuantizeError("preprocessing: std must be above 0")

    @classmethod
    def parse(cls, texts: Sequence[str]) -> Preprocessing:
        """From the path of a JSON file, and from KEY=VALUE, which is stronger: crop=224, mean=0.485,0.456,0.406."""
        values: dict[str, Any] = {}
        for text in texts:
            key, separator, value = text.partition("=")
            values |= {key: _parsed(key, value)} if separator else _read_json(Path(text))
        return cls.from_dict(values)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Preprocessing:
        known = {field.name for field in dataclasses.fields(cls)}
        for key in values:
            if key not in known:
                raise QuantizeError(f"preprocessing: unknown '{key}'; known are {', '.join(sorted(known))}")
        fields = dict(values)
        try:
            for name in ("mean", "std"):
                if name in fields:
                    fields[name] = tuple(float(v) for v in _listed(fields[name]))
            for name in ("resize", "crop"):
                if fields.get(name) is not None:
                    fields[name] = _size(name, _listed(fields[name]))
            if "scale" in fields:
                fields["scale"] = float(fields["scale"])
        except (TypeError, ValueError) as error:
            raise QuantizeError(f"preprocessing: {error}") from error
        return cls(**fields)

    def fitted_to(self, value: ModelInput) -> Preprocessing:
        """What is open, as the model's input has it."""
        shape = value.shape
        if shape is None or len(shape) != 4:
            raise QuantizeError(f"images go into an input of four dimensions, the model takes {value.shown()}")
        layout = self.layout or ("nhwc" if shape[3] in (1, 3) and shape[1] not in (1, 3) else "nchw")
        height, width, depth = (shape[1], shape[2], shape[3]) if layout == "nhwc" else (shape[2], shape[3], shape[1])
        fitted = dataclasses.replace(self, layout=layout, channels=self.channels or ("gray" if depth == 1 else "rgb"))
        if self.crop is None and not isinstance(self.resize, tuple):
            if isinstance(height, int) and isinstance(width, int):
                if self.resize is None:
                    return dataclasses.replace(fitted, resize=(height, width))
                return dataclasses.replace(fitted, crop=(height, width))
            raise QuantizeError(
                f"the model takes {value.shown()}: say the size with resize=HEIGHT,WIDTH, or fix it with --dim"
            )
        return fitted


def image_files(directory: Path) -> list[Path]:
    """All images below a directory, in the order of their paths."""
    files = sorted(path for path in directory.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    if not files:
        raise QuantizeError(f"{directory}: no images; looked for {', '.join(SUFFIXES)}")
    return files


def read_images(files: Sequence[Path], preprocessing: Preprocessing, value: ModelInput) -> NDArray[Any]:
    """One array of all images, in the number format of the model's input."""
    first = read_image(files[0], preprocessing)
    size = first.size * value.dtype.itemsize * len(files)
    if size > LARGEST_DATA:
        raise QuantizeError(
            f"{len(files)} images of {'x'.join(map(str, first.shape))} are {size / 1e9:.0f} GB in memory: --limit 300 "
            "takes so many of them, which is plenty for calibration"
        )
    images = np.empty((len(files), *first.shape), value.dtype)
    for index, path in enumerate(files):
        image = read_image(path, preprocessing)
        if image.shape != first.shape:
            raise QuantizeError(
                f"{path}: becomes {'x'.join(map(str, image.shape))}, the images before it "
                f"{'x'.join(map(str, first.shape))}: resize=HEIGHT,WIDTH or crop makes them alike"
            )
        images[index] = image
    return images


def read_image(path: Path, preprocessing: Preprocessing) -> NDArray[np.float32]:
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError as error:
        raise missing("images", error) from error
    try:
        with Image.open(path) as opened:
            image = opened.convert("L" if preprocessing.channels == "gray" else "RGB")
    except (OSError, UnidentifiedImageError) as error:
        raise QuantizeError(f"{path}: cannot be read as an image: {error}") from error
    image = _cropped(_resized(image, preprocessing.resize), preprocessing.crop, path)
    pixels = np.atleast_3d(np.asarray(image, np.float32))
    if preprocessing.channels == "bgr":
        pixels = pixels[:, :, ::-1]
    for name, numbers in (("mean", preprocessing.mean), ("std", preprocessing.std)):
        if len(numbers) not in (1, pixels.shape[2]):
            raise QuantizeError(f"preprocessing: {name} has {len(numbers)} numbers for {pixels.shape[2]} channels")
    mean, std = np.asarray(preprocessing.mean, np.float32), np.asarray(preprocessing.std, np.float32)
    pixels = (pixels * np.float32(preprocessing.scale) - mean) / std
    return np.ascontiguousarray(pixels if preprocessing.layout == "nhwc" else pixels.transpose(2, 0, 1))


def _resized(image: Image.Image, size: int | tuple[int, int] | None) -> Image.Image:
    from PIL.Image import Resampling

    if size is None:
        return image
    if isinstance(size, int):  # the shorter side
        factor = size / min(image.size)
        width, height = (max(size, round(side * factor)) for side in image.size)
    else:
        height, width = size
    return image.resize((width, height), Resampling.BILINEAR)


def _cropped(image: Image.Image, size: tuple[int, int] | None, path: Path) -> Image.Image:
    if size is None:
        return image
    height, width = size
    if image.width < width or image.height < height:
        raise QuantizeError(
            f"{path}: {image.height}x{image.width} is smaller than the crop {height}x{width}: resize first"
        )
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return image.crop((left, top, left + width, top + height))


def _parsed(key: str, text: str) -> Any:
    """A value of KEY=VALUE: text stays text, numbers become numbers."""
    return text if key in ("channels", "layout") else text.split(",")


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _size(name: str, numbers: list[Any]) -> int | tuple[int, int]:
    if len(numbers) == 1:
        side = int(numbers[0])
        return side if name == "resize" else (side, side)
    if len(numbers) == 2:
        return int(numbers[0]), int(numbers[1])
    raise ValueError(f"{name} takes one number, or height and width")


def _read_json(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise QuantizeError(f"{path}: cannot be read as preprocessing (JSON, or KEY=VALUE): {error}") from error
    if not isinstance(values, dict):
        raise QuantizeError(f"{path}: preprocessing is a JSON object")
    return values
