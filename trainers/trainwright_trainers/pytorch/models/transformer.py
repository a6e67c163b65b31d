"""A transformer's block with the normalization before each layer (Xiong et al. 2020, https://arxiv.org/abs/2002.04745)."""

from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from trainwright_trainers.runtime.errors import ConfigurationError


class Attention(nn.Module):
    """Multi-head self-attention: [batch, positions, width] -> the same; causal ones see only what came before."""

    def __init__(self, width: int, heads: int, dropout: float, *, causal: bool) -> None:
        super().__init__()
        self.heads = heads
        self.causal = causal
        self.dropout = dropout
        self.inputs = nn.Linear(width, 3 * width)
        self.outputs = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Class docstring."""
        query, key, value = (
            part.unflatten(2, (self.heads, -1)).transpose(1, 2) for part in self.inputs(x).chunk(3, dim=2)
        )
        dropout = self.dropout if self.training else 0.0
        seen = scaled_dot_product_attention(query, key, value, dropout_p=dropout, is_causal=self.causal)
        out: Tensor = self.outputs(seen.transpose(1, 2).flatten(2))
        return out


class Block(nn.Module):
    """Attention and two fully connected layers, each beside a shortcut: [batch, positions, width] -> the same."""

    def __init__(self, width: int, heads: int, dropout: float, *, causal: bool) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attention = Attention(width, heads, dropout, causal=causal)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width), nn.Dropout(dropout)
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Class docstring."""
        x = x + self.dropout(self.attention(self.norm1(x)))
        out: Tensor = x + self.mlp(self.norm2(x))
        return out


def make_blocks(depth: int, width: int, heads: int, dropout: float, *, causal: bool) -> nn.ModuleList:
    """`depth` blocks, one after the other.

    Raises:
        ConfigurationError: the width can't be divided among the heads.
    """
    if width % heads:
        raise ConfigurationError(f"spec.model.args: width {width} must be a multiple of heads, {heads}")
    return nn.ModuleList(Block(width, heads, dropout, causal=causal) for _ in range(depth))
