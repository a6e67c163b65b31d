"""Generative transformers with GPT-2's layout (Radford et al. 2019), whose output layer is the embedding again."""

import math

import torch
from pydantic import validate_call
from torch import Tensor, nn

from trainwright_trainers.pytorch.models.transformer import make_blocks
from trainwright_trainers.runtime.arguments import STRICT, Dropout, Size

DEVIATION = 0.02
"""Of the initial weights."""


class Gpt(nn.Module):
    """Tokens [batch, positions] -> logits of each next token [batch, vocabulary, positions], as losses take them."""

    def __init__(self, *, vocabulary: int, context: int, width: int, depth: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, width)
        self.positions = nn.Embedding(context, width)
        self.dropout = nn.Dropout(dropout)
        self.blocks = make_blocks(depth, width, heads, dropout, causal=True)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, vocabulary, bias=False)
        self.apply(_initialize)
        for name, parameter in self.named_parameters():
            # What each block adds is scaled, so that the sum over the depth keeps its size.
            if name.endswith(("attention.outputs.weight", "mlp.2.weight")):
                nn.init.normal_(parameter, std=DEVIATION / math.sqrt(2 * depth))
        self.head.weight = self.tokens.weight

    def forward(self, tokens: Tensor) -> Tensor:
        """Class docstring."""
        positions = torch.arange(tokens.shape[1], device=tokens.device)
        x = self.dropout(self.tokens(tokens) + self.positions(positions))
        for block in self.blocks:
            x = block(x)
        logits: Tensor = self.head(self.norm(x)).transpose(1, 2)
        return logits


def _initialize(module: nn.Module) -> None:
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=DEVIATION)
    if isinstance(module, nn.Linear) and module.bias is not None:
        nn.init.zeros_(module.bias)


@validate_call(config=STRICT)
def gpt(
    vocabulary: Size = 256,
    context: Size = 64,
    width: Size = 64,
    depth: Size = 4,
    heads: Size = 4,
    dropout: Dropout = 0.0,
) -> nn.Module:
    """A transformer that predicts the next token; 220k parameters at the defaults, whose tokens are bytes."""
    return Gpt(vocabulary=vocabulary, context=context, width=width, depth=depth, heads=heads, dropout=dropout)


@validate_call(config=STRICT)
def gpt2(vocabulary: Size = 50_257, context: Size = 1024, dropout: Dropout = 0.1) -> nn.Module:
    """GPT-2, the smallest of the published sizes: 124.4M parameters at the defaults."""
    return gpt(vocabulary, context, 768, 12, 12, dropout)
