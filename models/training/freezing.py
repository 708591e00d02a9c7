"""Which parts of a backbone stay as they are for a while: the first ones, since they know what all photos share."""

from __future__ import annotations

from collections.abc import Collection

from torch import nn

_BACKBONE = "backbone."
_LAST = ("head", "norm")


def freeze(model: nn.Module, share: float, trainable: Collection[str], fixed_norms: bool) -> None:
    """Take the first `share` of the backbone's blocks out of training; call it after `model.train()`.

    What lies before the blocks goes with the first of them, what lies behind with the last. Of the other parameters,
    those named in `trainable` learn. Batch norms keep their statistics where their weights are frozen, or everywhere in
    the backbone if `fixed_norms`.
    """
    blocks = round(share * len(model.backbone.blocks)) if share else 0  # type: ignore[arg-type, union-attr]
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name in trainable and not _is_frozen(name, share, blocks))
    for name, module in model.named_modules():
        if isinstance(module, nn.BatchNorm2d) and name.startswith(_BACKBONE):
            module.train(not fixed_norms and not _is_frozen(name, share, blocks))


def _is_frozen(name: str, share: float, blocks: int) -> bool:
    if not share or not name.startswith(_BACKBONE):
        return False
    part, _, rest = name.removeprefix(_BACKBONE).partition(".")
    if part == "blocks":
        return int(rest.partition(".")[0]) < blocks
    return share >= 1.0 if part in _LAST else True
