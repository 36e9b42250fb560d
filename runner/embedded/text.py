"""Captions to token numbers, and the small frozen text encoder that reads them."""

from __future__ import annotations

import re
import zlib

import torch
from torch import nn

VOCABULARY = 4096
START, END, PADDING = 0, 1, 2
FIRST_WORD = 3
WIDTH = 64
HEADS = 4
LAYERS = 3
MAX_TOKENS = 227

_WORD = re.compile(r"[\w']+|[^\w\s]")


def tokenize(caption: str, max_token_length: int | None) -> list[int]:
    """Words and punctuation as numbers by their checksum: the same in every process and version.
    At most 75 of them (150 or 225 with max_token_length), between a start and an end token."""
    limit = max_token_length or 75
    words = _WORD.findall(caption.lower())[:limit]
    span = VOCABULARY - FIRST_WORD
    return [START, *(FIRST_WORD + zlib.crc32(word.encode()) % span for word in words), END]


def pad_tokens(rows: list[list[int]]) -> torch.Tensor:
    """Token rows as one tensor of shape (batch, longest row)."""
    longest = max(len(row) for row in rows)
    return torch.tensor([row + [PADDING] * (longest - len(row)) for row in rows])


class SelfAttention(nn.Module):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.q_proj = nn.Linear(WIDTH, WIDTH)
        self.k_proj = nn.Linear(WIDTH, WIDTH)
        self.v_proj = nn.Linear(WIDTH, WIDTH)
        self.out_proj = nn.Linear(WIDTH, WIDTH)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, length, width = x.shape
        q, k, v = (
            part(x).view(batch, length, HEADS, width // HEADS).transpose(1, 2)
            for part in (self.q_proj, self.k_proj, self.v_proj)
        )
        y = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.out_proj(y.transpose(1, 2).reshape(batch, length, width))


class Mlp(nn.Module):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(WIDTH, 2 * WIDTH)
        self.fc2 = nn.Linear(2 * WIDTH, WIDTH)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc2(nn.functional.gelu(self.fc1(x)))


class EncoderLayer(nn.Module):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.self_attn = SelfAttention()
        self.mlp = Mlp()
        self.layer_norm1 = nn.LayerNorm(WIDTH)
        self.layer_norm2 = nn.LayerNorm(WIDTH)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.self_attn(self.layer_norm1(x))
        return x + self.mlp(self.layer_norm2(x))


class Encoder(nn.Module):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(EncoderLayer() for _ in range(LAYERS))


class TextModel(nn.Module):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.token_embedding = nn.Embedding(VOCABULARY, WIDTH)
        self.position_embedding = nn.Embedding(MAX_TOKENS, WIDTH)
        self.encoder = Encoder()
        self.final_layer_norm = nn.LayerNorm(WIDTH)


class TextEncoder(nn.Module):  # type: ignore[misc]
    """A small causal transformer with the module names of CLIP's text model, so that LoRA keys
    read `lora_te_text_model_encoder_layers_0_self_attn_q_proj...`."""

    def __init__(self) -> None:
        super().__init__()
        self.text_model = TextModel()

    def forward(self, tokens: torch.Tensor, clip_skip: int | None = None) -> torch.Tensor:
        """(batch, tokens) -> (batch, tokens, WIDTH): the output of the last layer, or of the
        clip_skip-th layer from the end."""
        model = self.text_model
        positions = torch.arange(tokens.shape[1], device=tokens.device)
        x = model.token_embedding(tokens) + model.position_embedding(positions)
        layers = model.encoder.layers
        for layer in layers[: len(layers) + 1 - min(max(clip_skip or 1, 1), len(layers))]:
            x = layer(x)
        return model.final_layer_norm(x)
