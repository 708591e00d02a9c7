"""The weights of the epoch that validated best, kept beside the state from which the run goes on.

Few questions are soon learnt by heart, and then each further epoch answers others worse (early stopping; Prechelt, "Early
Stopping - But When?", 1998). Owns `best.pt`: a run goes on from its last epoch, and is measured and exported as its best.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

BEST_NAME = "best.pt"


class BestEpoch:
    """The best epoch so far of the run in a folder: its number from 1 on, 0 where none validated yet, and its accuracy."""

    def __init__(self, folder: Path) -> None:
        self.epoch, self.accuracy = 0, 0.0
        self._path = folder / BEST_NAME
        self._weights: dict[str, Tensor] = {}
        if self._path.exists():
            kept = torch.load(self._path, map_location="cpu", weights_only=True)
            self.epoch, self.accuracy, self._weights = int(kept["epoch"]), float(kept["accuracy"]), kept["averaged"]

    def offer(self, averaged: nn.Module, epoch: int, accuracy: float) -> None:
        """Keep an epoch's weights if none before was as good; to offer one again changes nothing."""
        if self.epoch and accuracy <= self.accuracy:
            return
        self.epoch, self.accuracy = epoch, accuracy
        self._weights = {name: tensor.detach().cpu().clone() for name, tensor in averaged.state_dict().items()}
        partial = self._path.with_suffix(".partial")
        torch.save({"averaged": self._weights, "epoch": epoch, "accuracy": accuracy}, partial)
        partial.replace(self._path)

    def restore(self, model: nn.Module) -> None:
        """Put the best epoch's weights into a model; without one it stays as it is."""
        if self.epoch:
            model.load_state_dict(self._weights)
