"""Transformers as float ONNX models: small PyTorch modules with seeded random weights, through torch's ONNX exporter.

    python encoders.py bert_mini vit_tiny --out models/

    bert_mini   BERT encoder of 4 layers, 256 wide (Turc et al. 2019), 128 tokens, with attention mask and classifier;
                opset 14, in which the exporter writes LayerNormalization and Gelu out in elementary operators
    vit_tiny    ViT-Ti/16 (Touvron et al. 2021) on 224x224; opset 17, LayerNormalization is a node

The TorchScript-based exporter is used because what is deployed to NPUs today came out of it.
"""

from __future__ import annotations

import argparse
import io
import math
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto

if TYPE_CHECKING:
    import torch

VOCABULARY = 30522
TOKENS = 128


class Transformer(NamedTuple):
    module: Callable[[], torch.nn.Module]
    inputs: Callable[[np.random.Generator], dict[str, NDArray[np.generic]]]
    opset: int


def float_model(name: str, seed: int = 0) -> ModelProto:
    import torch

    transformer = TRANSFORMERS[name]
    torch.manual_seed(seed)
    module = transformer.module().eval()
    feeds = sample_inputs(name, seed)
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the deprecation of this exporter
        torch.onnx.export(
            module,
            tuple(torch.from_numpy(array) for array in feeds.values()),
            buffer,
            input_names=list(feeds),
            output_names=["logits"],
            opset_version=transformer.opset,
            dynamo=False,
        )
    return onnx.shape_inference.infer_shapes(onnx.load_from_string(buffer.getvalue()))


def sample_inputs(name: str, seed: int) -> dict[str, NDArray[np.generic]]:
    return TRANSFORMERS[name].inputs(np.random.default_rng(seed))


def _sentence(rng: np.random.Generator) -> dict[str, NDArray[np.generic]]:
    """Token ids with padding at the end, as a tokenizer gives them."""
    length = int(rng.integers(TOKENS // 2, TOKENS))
    mask = (np.arange(TOKENS) < length).astype(np.int64)[None]
    ids = rng.integers(1000, VOCABULARY, (1, TOKENS)) * mask
    types = (np.arange(TOKENS) >= length // 2).astype(np.int64)[None] * mask
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}


def _image(rng: np.random.Generator) -> dict[str, NDArray[np.generic]]:
    return {"pixel_values": rng.standard_normal((1, 3, 224, 224), np.float32)}


def _bert() -> torch.nn.Module:
    """What Hugging Face's BertForSequenceClassification computes, with its exporter's reshapes and mask arithmetic."""
    import torch
    from torch import Tensor, nn

    class Layer(nn.Module):
        def __init__(self, width: int, heads: int) -> None:
            super().__init__()
            self.heads = heads
            self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
            self.attention_output, self.attention_norm = nn.Linear(width, width), nn.LayerNorm(width, eps=1e-12)
            self.intermediate, self.output = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
            self.output_norm = nn.LayerNorm(width, eps=1e-12)

        def split(self, x: Tensor) -> Tensor:
            return x.view(*x.shape[:2], self.heads, -1).permute(0, 2, 1, 3)

        def forward(self, x: Tensor, mask: Tensor) -> Tensor:
            query, key, value = self.split(self.query(x)), self.split(self.key(x)), self.split(self.value(x))
            scores = torch.matmul(query, key.transpose(-1, -2)) / math.sqrt(query.shape[-1]) + mask
            context = torch.matmul(nn.functional.softmax(scores, dim=-1), value)
            context = context.permute(0, 2, 1, 3).contiguous().view(x.shape)
            x = self.attention_norm(self.attention_output(context) + x)
            return self.output_norm(self.output(nn.functional.gelu(self.intermediate(x))) + x)

    class Bert(nn.Module):
        def __init__(self, layers: int = 4, width: int = 256, heads: int = 4, classes: int = 2) -> None:
            super().__init__()
            self.words, self.types = nn.Embedding(VOCABULARY, width), nn.Embedding(2, width)
            self.positions = nn.Embedding(512, width)
            self.norm = nn.LayerNorm(width, eps=1e-12)
            self.layers = nn.ModuleList(Layer(width, heads) for _ in range(layers))
            self.pooler, self.classifier = nn.Linear(width, width), nn.Linear(width, classes)

        def forward(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor) -> Tensor:
            mask = (1.0 - attention_mask[:, None, None, :].to(torch.float32)) * -10000.0
            x = self.words(input_ids) + self.types(token_type_ids)
            x = self.norm(x + self.positions(torch.arange(input_ids.shape[1])[None]))
            for layer in self.layers:
                x = layer(x, mask)
            return self.classifier(torch.tanh(self.pooler(x[:, 0])))

    return Bert()


def _vit() -> torch.nn.Module:
    import torch
    from torch import Tensor, nn

    class Block(nn.Module):
        def __init__(self, width: int, heads: int) -> None:
            super().__init__()
            self.heads, self.scale = heads, (width // heads) ** -0.5
            self.norm1, self.norm2 = nn.LayerNorm(width, eps=1e-6), nn.LayerNorm(width, eps=1e-6)
            self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
            self.fc1, self.fc2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

        def forward(self, x: Tensor) -> Tensor:
            batch, tokens, width = x.shape
            qkv = self.qkv(self.norm1(x)).reshape(batch, tokens, 3, self.heads, width // self.heads)
            query, key, value = qkv.permute(2, 0, 3, 1, 4).unbind(0)
            weights = ((query * self.scale) @ key.transpose(-2, -1)).softmax(dim=-1)
            x = x + self.proj((weights @ value).transpose(1, 2).reshape(batch, tokens, width))
            return x + self.fc2(nn.functional.gelu(self.fc1(self.norm2(x))))

    class VisionTransformer(nn.Module):
        def __init__(self, layers: int = 12, width: int = 192, heads: int = 3, patch: int = 16) -> None:
            super().__init__()
            self.patches = nn.Conv2d(3, width, patch, patch)
            self.token = nn.Parameter(0.5 * torch.randn(1, 1, width))
            self.positions = nn.Parameter(0.5 * torch.randn(1, (224 // patch) ** 2 + 1, width))
            self.blocks = nn.ModuleList(Block(width, heads) for _ in range(layers))
            self.norm, self.head = nn.LayerNorm(width, eps=1e-6), nn.Linear(width, 1000)

        def forward(self, image: Tensor) -> Tensor:
            x = self.patches(image).flatten(2).transpose(1, 2)
            x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], dim=1) + self.positions
            for block in self.blocks:
                x = block(x)
            return self.head(self.norm(x)[:, 0])

    return VisionTransformer()


TRANSFORMERS = {"bert_mini": Transformer(_bert, _sentence, 14), "vit_tiny": Transformer(_vit, _image, 17)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="+", choices=TRANSFORMERS, metavar="NAME", help=", ".join(TRANSFORMERS))
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
