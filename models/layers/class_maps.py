"""Class maps: where a photo speaks for a class, by that class's weights on the backbone's features (Zhou et al., CVPR 2016)."""

from __future__ import annotations

from torch import Tensor


def centred(weight: Tensor) -> Tensor:
    """The weights f32 [C, D] of a linear layer without their mean over the classes.

    A vector that all classes share changes no probability, so nothing in training holds it down, and a map made with it shows
    where features are large, such as at padded edges, rather than what speaks for the class.
    """
    return weight - weight.mean(0, keepdim=True)
