"""A tagger around a bidirectional LSTM."""

from torch import nn
from torch.export import Dim

from .build import Built, model, roughen, tokens


class Tagger(nn.Module):
    """Embedding, two bidirectional LSTM layers, one linear layer per position."""

    def __init__(self, vocabulary, width, hidden, tags):
        super().__init__()
        self.embed = nn.Embedding(vocabulary, width)
        self.lstm = nn.LSTM(width, hidden, num_layers=2, bidirectional=True, batch_first=True)
        self.head = nn.Linear(2 * hidden, tags)

    def forward(self, input_ids):
        states, _ = self.lstm(self.embed(input_ids))
        return self.head(states)


@model("lstm_tagger")
def lstm_tagger(small):
    """Dynamic batch and length."""
    vocabulary = 100 if small else 10000
    module = roughen(Tagger(100, 16, 24, 5) if small else Tagger(10000, 256, 256, 20)).eval()
    sizes = [(2, 20), (1, 1), (4, 33), (1, 50)]
    return Built(module=module, outputs=("tags",), bench=3, dynamic={"input_ids": {0: Dim("batch"), 1: Dim("length")}},
                 sets=[{"input_ids": tokens(b, n, vocabulary=vocabulary, seed=k)} for k, (b, n) in enumerate(sizes)])
