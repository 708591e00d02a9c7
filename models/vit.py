"""A vision transformer by its numbers: patches in, tokens out, with the attention weights of every block on demand.

Owns structure and position table; one class token is handed in by the caller, so that a system may keep several.
Layer scale is optional, for weights in the DINOv2 layout. Paper: Dosovitskiy et al., ICLR 2021.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

NORM_EPS = 1e-6
IMAGENET_MEAN = (123.675, 116.28, 103.53)
IMAGENET_STD = (58.395, 57.12, 57.375)


@dataclass(frozen=True, slots=True)
class ViTShape:
    """`size_px` must be a multiple of `patch_px`; `layer_scale` adds a learnt factor to each branch."""

    size_px: int
    patch_px: int
    width: int
    depth: int
    heads: int
    mlp_ratio: int = 4
    layer_scale: bool = False

    def __post_init__(self) -> None:
        if self.size_px % self.patch_px:
            raise ValueError(f"{self.size_px} px is not a multiple of the patch, {self.patch_px} px")
        if self.width % self.heads:
            raise ValueError(f"width {self.width} does not divide into {self.heads} heads")

    @property
    def side(self) -> int:
        """Patches along a side."""
        return self.size_px // self.patch_px


VIT_S14 = ViTShape(size_px=196, patch_px=14, width=384, depth=12, heads=6, layer_scale=True)
VIT_B16 = ViTShape(size_px=448, patch_px=16, width=768, depth=12, heads=12)
VIT_SHAPES = {"vit_s14": VIT_S14, "vit_b16": VIT_B16}


class Attention(nn.Module):
    """Multi-head self-attention whose weights can be seen."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)

    def _split(self, x: Tensor) -> Tensor:
        _, tokens, width = x.shape
        return x.reshape(-1, tokens, self.heads, width // self.heads).transpose(1, 2)

    def forward(self, x: Tensor, keep_weights: bool) -> tuple[Tensor, Tensor | None]:
        """f32 [B, T, d] -> [B, T, d], and the weights [B, H, T, T] if asked; else a fused kernel may run."""
        query, key, value = self._split(self.query(x)), self._split(self.key(x)), self._split(self.value(x))
        weights = None
        if keep_weights:
            weights = (query @ key.transpose(2, 3) * query.shape[3] ** -0.5).softmax(3)
            mixed = weights @ value
        else:
            mixed = F.scaled_dot_product_attention(query, key, value)
        _, tokens, width = x.shape
        return self.out(mixed.transpose(1, 2).reshape(-1, tokens, width)), weights


class Block(nn.Module):
    """Equation (2) of RAMS-Trans: u' = u + MSA(LN(u)), u'' = u' + MLP(LN(u')), with exact GELU."""

    def __init__(self, shape: ViTShape) -> None:
        super().__init__()
        width = shape.width
        self.norm1 = nn.LayerNorm(width, eps=NORM_EPS)
        self.attention = Attention(width, shape.heads)
        self.norm2 = nn.LayerNorm(width, eps=NORM_EPS)
        self.mlp = nn.Sequential(
            nn.Linear(width, shape.mlp_ratio * width), nn.GELU(), nn.Linear(shape.mlp_ratio * width, width)
        )
        self.scale1 = nn.Parameter(torch.ones(width), requires_grad=shape.layer_scale)
        self.scale2 = nn.Parameter(torch.ones(width), requires_grad=shape.layer_scale)

    def forward(self, x: Tensor, keep_weights: bool) -> tuple[Tensor, Tensor | None]:
        """f32 [B, T, d] -> [B, T, d], and the attention weights if asked."""
        mixed, weights = self.attention(self.norm1(x), keep_weights)
        x = x + self.scale1 * mixed
        return x + self.scale2 * self.mlp(self.norm2(x)), weights


class VisionTransformer(nn.Module):
    """Patches, positions and blocks; class tokens belong to the system that uses it."""

    mean: Tensor
    std: Tensor

    def __init__(self, shape: ViTShape) -> None:
        super().__init__()
        self.shape = shape
        self.out_channels = shape.width
        self.patches = nn.Conv2d(3, shape.width, shape.patch_px, shape.patch_px)
        self.position = nn.Parameter(torch.zeros(1, 1 + shape.side**2, shape.width))
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.depth))
        self.norm = nn.LayerNorm(shape.width, eps=NORM_EPS)
        nn.init.trunc_normal_(self.position, std=0.02)
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).reshape(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).reshape(1, 3, 1, 1), persistent=False)

    def forward(self, x: Tensor, class_token: Tensor, keep_weights: bool = False) -> tuple[Tensor, list[Tensor]]:
        """RGB f32 [B, 3, S, S] in 0..255 and a class token f32 [1, 1, d] -> tokens f32 [B, T, d] and the blocks' weights."""
        patches = self.patches((x - self.mean) / self.std)
        count = self.shape.side**2
        tokens = patches.reshape(-1, self.shape.width, count).transpose(1, 2)
        first = class_token + torch.zeros_like(tokens[:, :1])
        tokens = torch.cat([first, tokens], dim=1) + self.position
        kept = []
        for block in self.blocks:
            tokens, weights = block(tokens, keep_weights)
            if weights is not None:
                kept.append(weights)
        return self.norm(tokens), kept


def resize_position(position: Tensor, side: int) -> Tensor:
    """A position table f32 [1, 1 + n * n, d] for another grid: bicubic for the patches, the class part untouched."""
    old = round((position.shape[1] - 1) ** 0.5)
    grid = position[:, 1:].reshape(1, old, old, -1).permute(0, 3, 1, 2)
    grid = F.interpolate(grid, size=(side, side), mode="bicubic", align_corners=False)
    return torch.cat([position[:, :1], grid.permute(0, 2, 3, 1).reshape(1, side * side, -1)], dim=1)
