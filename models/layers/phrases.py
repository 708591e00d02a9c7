"""From word ids to one vector a phrase: embedding, a one-layer LSTM, the state at the last real word.

Used by the bimodal PMA. Unidirectional on purpose: a backward pass would read the padding first, and an answer would
change with the number of pads.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.layers.recurrent import initialise_lstm

PAD = 0
UNKNOWN = 1


class PhraseEncoder(nn.Module):
    """Phrases int64 [B, P, T] (0 = pad, trailing) -> vectors f32 [B, P, d] and validity f32 0/1 [B, P].

    A phrase without words gives the zero vector and validity 0.
    """

    def __init__(self, vocabulary: int, embedding: int, width: int) -> None:
        super().__init__()
        self.width = width
        self.embedding = nn.Embedding(vocabulary, embedding, padding_idx=PAD)
        self.lstm = nn.LSTM(embedding, width, batch_first=True)
        nn.init.normal_(self.embedding.weight)  # at 0.1 the mean of many phrases tells little, and learns slowly
        with torch.no_grad():
            self.embedding.weight[PAD].zero_()
        initialise_lstm(self.lstm)

    def forward(self, phrases: Tensor) -> tuple[Tensor, Tensor]:
        """Encode; the last state is picked by a product with a one-hot row, which exports without a gather."""
        _, count, words = phrases.shape
        flat = phrases.reshape(-1, words)
        is_word = (flat != PAD).float()
        length = is_word.sum(1, keepdim=True)
        states, _ = self.lstm(self.embedding(flat) * is_word.unsqueeze(2))
        position = torch.arange(words, device=phrases.device, dtype=torch.float32).unsqueeze(0)
        is_last = (position == length - 1.0).to(states.dtype)
        vectors = (states * is_last.unsqueeze(2)).sum(1)
        valid = (length > 0).float()
        return vectors.reshape(-1, count, self.width), valid.reshape(-1, count)
