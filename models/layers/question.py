"""A question as one vector: word embeddings, a one-layer LSTM, its state at the last real word.

Used by the hard-attention answerer. The LSTM reads forward only and what follows the last word is never read, so an
answer is the same however much padding a question has.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.layers.phrases import PAD
from models.layers.recurrent import initialise_lstm


class QuestionEncoder(nn.Module):
    """Word ids int64 [B, T] and their mask f32 0/1 [B, T] (padding at the end) -> vectors f32 [B, width].

    A question without words gives the zero vector.
    """

    def __init__(self, words: int, embedding: int, width: int) -> None:
        super().__init__()
        self.width = width
        self.embedding = nn.Embedding(words, embedding, padding_idx=PAD)
        self.lstm = nn.LSTM(embedding, width, batch_first=True)
        nn.init.normal_(self.embedding.weight, std=0.1)
        with torch.no_grad():
            self.embedding.weight[PAD].zero_()
        initialise_lstm(self.lstm)

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """Encode; the mask falls from 1 to 0 after the last word, and this fall picks the state."""
        states, _ = self.lstm(self.embedding(tokens))
        following = torch.cat([mask[:, 1:], torch.zeros_like(mask[:, :1])], dim=1)
        return (states * (mask - following).unsqueeze(2)).sum(1)
