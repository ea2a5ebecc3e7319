"""A decoder for exported.py, written so that it exports as Hugging Face's Llama does: prefill, without a cache."""

from __future__ import annotations

import math

import torch
from exported import VOCABULARY
from torch import Tensor, nn


class RmsNorm(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return self.weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-5))


def rotate_half(x: Tensor) -> Tensor:
    first, second = x[..., : x.shape[-1] // 2], x[..., x.shape[-1] // 2 :]
    return torch.cat((-second, first), dim=-1)


def repeat_heads(x: Tensor, times: int) -> Tensor:
    batch, heads, tokens, width = x.shape
    return x[:, :, None].expand(batch, heads, times, tokens, width).reshape(batch, heads * times, tokens, width)


class LlamaLayer(nn.Module):
    def __init__(self, width: int, heads: int, groups: int) -> None:
        super().__init__()
        self.heads, self.groups, self.size = heads, groups, width // heads
        self.q_proj, self.o_proj = nn.Linear(width, width, bias=False), nn.Linear(width, width, bias=False)
        self.k_proj, self.v_proj = (nn.Linear(width, groups * self.size, bias=False) for _ in range(2))
        self.gate_proj, self.up_proj = (nn.Linear(width, 3 * width, bias=False) for _ in range(2))
        self.down_proj = nn.Linear(3 * width, width, bias=False)
        self.input_norm, self.attention_norm = RmsNorm(width), RmsNorm(width)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor) -> Tensor:
        batch, tokens, width = x.shape
        y = self.input_norm(x)
        query = self.q_proj(y).view(batch, tokens, self.heads, self.size).transpose(1, 2)
        key = self.k_proj(y).view(batch, tokens, self.groups, self.size).transpose(1, 2)
        value = self.v_proj(y).view(batch, tokens, self.groups, self.size).transpose(1, 2)
        query, key = (z * cos + rotate_half(z) * sin for z in (query, key))
        key, value = (repeat_heads(z, self.heads // self.groups) for z in (key, value))
        scores = torch.matmul(query, key.transpose(2, 3)) / math.sqrt(self.size)
        weights = nn.functional.softmax(torch.where(mask, scores, -10000.0), dim=-1)
        x = x + self.o_proj(torch.matmul(weights, value).transpose(1, 2).reshape(batch, tokens, width))
        y = self.attention_norm(x)
        return x + self.down_proj(nn.functional.silu(self.gate_proj(y)) * self.up_proj(y))


class Llama(nn.Module):
    def __init__(self, layers: int = 4, width: int = 256, heads: int = 8, groups: int = 2, tokens: int = 64) -> None:
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, width)
        self.layers = nn.ModuleList(LlamaLayer(width, heads, groups) for _ in range(layers))
        self.norm, self.head = RmsNorm(width), nn.Linear(width, VOCABULARY, bias=False)
        size = width // heads
        angles = torch.outer(torch.arange(tokens), 10000.0 ** (-torch.arange(0, size, 2) / size))
        self.register_buffer("angles", torch.cat((angles, angles), dim=-1))

    def forward(self, input_ids: Tensor) -> Tensor:
        tokens = input_ids.shape[1]
        mask = torch.tril(torch.ones(tokens, tokens, dtype=torch.bool))
        x = self.embedding(input_ids)
        for layer in self.layers:
            x = layer(x, self.angles.cos(), self.angles.sin(), mask)
        return self.head(self.norm(x)[:, -1])
