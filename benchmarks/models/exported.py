"""Networks as PyTorch's ONNX exporter writes them: small modules with seeded random weights.

    python exported.py bert_mini vit_tiny --out models/

    bert_mini       BERT encoder of 4 layers, 256 wide (Turc et al. 2019), 128 tokens, attention mask, classifier; opset
                    14, in which LayerNormalization and Gelu come out as elementary operators
    bert_base       the same, as large as BERT base (Devlin et al. 2019): 12 layers, 768 wide; opset 17
    vit_tiny        ViT-Ti/16 (Touvron et al. 2021) on 224x224; opset 17: LayerNormalization is a node
    llama_tiny      decoder of 4 layers, 256 wide, in the manner of Llama (Touvron et al. 2023): RMS normalization,
                    rotary positions, grouped queries, causal mask; 64 tokens
    unet            U-Net (Ronneberger et al. 2015) with batch normalization, half as wide, on 128x128
    style_transfer  image transformation network (Johnson et al. 2016): instance normalization, reflecting pads,
                    nearest upsampling; on 128x128
    espcn           super-resolution by sub-pixel convolution (Shi et al. 2016), three times, from 96x96

The TorchScript-based exporter is used because what is deployed to NPUs today came out of it. Needs torch.
"""

from __future__ import annotations

import argparse
import importlib
import io
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto

Inputs = dict[str, NDArray[Any]]

VOCABULARY = 30522


class Exported(NamedTuple):
    module: str  # a file beside this one, and the class in it
    network: str
    inputs: Callable[[np.random.Generator], Inputs]
    opset: int = 17
    arguments: Mapping[str, Any] = MappingProxyType({})  # of the class


def float_model(name: str, seed: int = 0) -> ModelProto:
    try:
        import torch
    except ImportError as error:
        raise ImportError(f"{name} is exported from torch ({error}): pip install 'vaip[quark]'") from error
    exported = NETWORKS[name]
    torch.manual_seed(seed)
    module = getattr(importlib.import_module(exported.module), exported.network)(**exported.arguments).eval()
    feeds = sample_inputs(name, seed)
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that this exporter is the older one; what it traces as constant
        torch.onnx.export(
            module,
            tuple(torch.from_numpy(array) for array in feeds.values()),
            buffer,
            input_names=list(feeds),
            output_names=["output"],
            opset_version=exported.opset,
            dynamo=False,
        )
    return onnx.shape_inference.infer_shapes(onnx.load_from_string(buffer.getvalue()))


def sample_inputs(name: str, seed: int) -> Inputs:
    return NETWORKS[name].inputs(np.random.default_rng(seed))


def _sentence(rng: np.random.Generator, tokens: int = 128) -> Inputs:
    """Token ids with padding at the end, as a tokenizer gives them."""
    length = int(rng.integers(tokens // 2, tokens))
    mask = (np.arange(tokens) < length).astype(np.int64)[None]
    types = (np.arange(tokens) >= length // 2).astype(np.int64)[None] * mask
    return {"input_ids": _tokens(rng, tokens) * mask, "attention_mask": mask, "token_type_ids": types}


def _prompt(rng: np.random.Generator) -> Inputs:
    return {"input_ids": _tokens(rng, 64)}


def _tokens(rng: np.random.Generator, count: int) -> NDArray[np.int64]:
    return rng.integers(1000, VOCABULARY, (1, count))


def _image(channels: int, side: int) -> Callable[[np.random.Generator], Inputs]:
    return lambda rng: {"pixel_values": rng.standard_normal((1, channels, side, side), np.float32)}


BERT_BASE = {"layers": 12, "width": 768, "heads": 12, "deviation": 0.02}
NETWORKS = {
    "bert_mini": Exported("encoders", "Bert", _sentence, opset=14),
    "bert_base": Exported("encoders", "Bert", _sentence, arguments=BERT_BASE),
    "vit_tiny": Exported("encoders", "VisionTransformer", _image(3, 224)),
    "llama_tiny": Exported("decoders", "Llama", _prompt),
    "unet": Exported("image_to_image", "UNet", _image(3, 128)),
    "style_transfer": Exported("image_to_image", "StyleTransfer", _image(3, 128)),
    "espcn": Exported("image_to_image", "Espcn", _image(1, 96)),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="+", choices=NETWORKS, metavar="NAME", help=", ".join(NETWORKS))
    parser.add_argument("--out", type=Path, default=Path(), help="directory for the models")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name in arguments.names:
        path = arguments.out / f"{name}_fp32.onnx"
        onnx.save(float_model(name, arguments.seed), path)
        print(path)


if __name__ == "__main__":
    main()
