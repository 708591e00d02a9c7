"""How the one-layer LSTMs of all text encoders begin."""

from __future__ import annotations

import torch
from torch import nn


@torch.no_grad()
def initialise_lstm(lstm: nn.LSTM) -> None:
    """Input weights Xavier, recurrent ones orthogonal, biases zero but for the forget gate's, which are one.

    With them at one a state is kept at first, so that the first words of a text still count at its last.
    """
    gates = dict(lstm.named_parameters())
    nn.init.xavier_uniform_(gates["weight_ih_l0"])
    nn.init.orthogonal_(gates["weight_hh_l0"])
    nn.init.zeros_(gates["bias_ih_l0"])
    nn.init.zeros_(gates["bias_hh_l0"])
    width = lstm.hidden_size
    gates["bias_ih_l0"][width : 2 * width].fill_(1.0)  # gates are ordered input, forget, cell, output
