"""Vision transformers (Dosovitskiy et al. 2020, https://arxiv.org/abs/2010.11929)."""

import torch
from pydantic import validate_call
from torch import Tensor, nn

from trainwright_trainers.pytorch.models.transformer import make_blocks
from trainwright_trainers.runtime.arguments import STRICT, Dropout, Size
from trainwright_trainers.runtime.errors import ConfigurationError


class VisionTransformer(nn.Module):
    """Images [batch, in_channels, image_size, image_size] -> logits [batch, classes]."""

    def __init__(
        self,
        *,
        image_size: int,
        patch_size: int,
        in_channels: int,
        classes: int,
        width: int,
        depth: int,
        heads: int,
        dropout: float,
    ) -> None:
        super().__init__()
        patches = (image_size // patch_size) ** 2
        self.patches = nn.Conv2d(in_channels, width, patch_size, stride=patch_size)
        self.token = nn.Parameter(torch.zeros(1, 1, width))
        self.positions = nn.Parameter(torch.empty(1, patches + 1, width).normal_(std=0.02))
        self.dropout = nn.Dropout(dropout)
        self.blocks = make_blocks(depth, width, heads, dropout, causal=False)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Class docstring."""
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], dim=1)
        x = self.dropout(x + self.positions)
        for block in self.blocks:
            x = block(x)
        logits: Tensor = self.head(self.norm(x)[:, 0])
        return logits


@validate_call(config=STRICT)
def vit(
    image_size: Size = 8,
    patch_size: Size = 2,
    in_channels: Size = 1,
    classes: Size = 10,
    width: Size = 64,
    depth: Size = 4,
    heads: Size = 4,
    dropout: Dropout = 0.0,
) -> nn.Module:
    """A vision transformer of any size; 202k parameters at the defaults, which fit the digits.

    Raises:
        ConfigurationError: the image can't be divided into such patches, or the width among the heads.
    """
    if image_size % patch_size:
        raise ConfigurationError(
            f"spec.model.args: image_size {image_size} must be a multiple of patch_size, {patch_size}"
        )
    return VisionTransformer(
        image_size=image_size,
        patch_size=patch_size,
        in_channels=in_channels,
        classes=classes,
        width=width,
        depth=depth,
        heads=heads,
        dropout=dropout,
    )


@validate_call(config=STRICT)
def vit_b_16(in_channels: Size = 3, classes: Size = 1000, image_size: Size = 224, dropout: Dropout = 0.0) -> nn.Module:
    """ViT-B/16: 86.6M parameters at the defaults."""
    return vit(image_size, 16, in_channels, classes, 768, 12, 12, dropout)
