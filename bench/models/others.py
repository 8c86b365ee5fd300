"""Models that nothing was developed on: proof that no named model got special treatment.

They are exported by `--extra` only.  An entry here is the same network family as one
of the main table, or its neighbour, by another author.
"""

import timm
import transformers as hf
from torch import nn
from torch.export import Dim
from torchvision import models as tv

from .build import Built, model, noise, picture, roughen, tokens
from .vision import classifier

TORCHVISION = ("resnet18", "regnet_y_400mf", "mobilenet_v3_large", "mnasnet1_0", "efficientnet_v2_s", "swin_v2_t")
TIMM = ("deit_tiny_patch16_224", "convnextv2_nano", "mobilevit_s", "repvit_m1", "eva02_tiny_patch14_224",
        "mixer_s32_224", "poolformer_s12", "res2net50_14w_8s", "edgenext_small", "ghostnetv2_100")


def vision(name, make):
    """Enter a classifier of a library under its own name."""
    def build(small):
        return classifier(make())
    build.__module__ = __name__
    model(name, small=False, extra=True)(build)


for _name in TORCHVISION:
    vision(_name, getattr(tv, _name))
for _name in TIMM:
    vision(_name, lambda name=_name: timm.create_model(name))


@model("resnet18_dynamic", small=False, extra=True)
def resnet18_dynamic(small):
    """Dynamic batch, height and width."""
    built = classifier(tv.resnet18())
    axes = {0: Dim("batch"), 2: Dim("height", min=32, max=1024), 3: Dim("width", min=32, max=1024)}
    sizes = [(2, 96, 160), (1, 224, 224), (3, 65, 33)]
    return Built(module=built.module, outputs=built.outputs, dynamic={"image": axes}, bench=1,
                 sets=[{"image": picture(b, 3, h, w, seed=k)} for k, (b, h, w) in enumerate(sizes)])


class First(nn.Module):
    """A transformers model by its inputs in order; its first result."""

    def __init__(self, inner, names, **fixed):
        super().__init__()
        self.inner, self.names, self.fixed = inner, names, fixed

    def forward(self, *inputs):
        return self.inner(**dict(zip(self.names, inputs)), **self.fixed)[0]


def language(module, vocabulary, limit=512):
    """Dynamic batch and length, token numbers in."""
    axes = {0: Dim("batch"), 1: Dim("length", max=limit)}
    sizes = [(2, 24), (1, 7), (3, 50), (1, 128)]
    return Built(module=roughen(First(module, ["input_ids"], use_cache=False)).eval(), outputs=("result",), bench=3,
                 dynamic={"input_ids": axes},
                 sets=[{"input_ids": tokens(b, n, vocabulary=vocabulary, seed=k)} for k, (b, n) in enumerate(sizes)])


@model("gpt2_prefill", small=False, extra=True)
def gpt2_prefill(small):
    return language(hf.GPT2LMHeadModel(hf.GPT2Config(vocab_size=4000, n_embd=256, n_layer=4, n_head=4)), 4000)


@model("qwen3_prefill", small=False, extra=True)
def qwen3_prefill(small):
    return language(hf.Qwen3ForCausalLM(hf.Qwen3Config(
        vocab_size=4000, hidden_size=256, intermediate_size=768, num_hidden_layers=4, num_attention_heads=8,
        num_key_value_heads=2, head_dim=32)), 4000)


@model("gemma3_prefill", small=False, extra=True)
def gemma3_prefill(small):
    return language(hf.Gemma3ForCausalLM(hf.Gemma3TextConfig(
        vocab_size=4000, hidden_size=256, intermediate_size=768, num_hidden_layers=6, num_attention_heads=4,
        num_key_value_heads=1, head_dim=64, sliding_window=32, pad_token_id=0)), 4000)


@model("t5_encoder", small=False, extra=True)
def t5_encoder(small):
    built = language(hf.T5EncoderModel(hf.T5Config(vocab_size=4000, d_model=256, d_ff=512, num_layers=4,
                                                   num_heads=4, attn_implementation="eager")), 4000)
    built.module.fixed = {}
    return built


@model("distilbert", small=False, extra=True)
def distilbert(small):
    built = language(hf.DistilBertModel(hf.DistilBertConfig(vocab_size=4000, dim=256, hidden_dim=1024, n_layers=3,
                                                            n_heads=4)), 4000)
    built.module.fixed = {}
    return built


@model("whisper_encoder", small=False, extra=True)
def whisper_encoder(small):
    net = hf.WhisperModel(hf.WhisperConfig(d_model=256, encoder_layers=4, decoder_layers=1, encoder_attention_heads=4,
                                           decoder_attention_heads=4, encoder_ffn_dim=1024)).encoder
    return Built(module=roughen(First(net, ["input_features"])).eval(), outputs=("states",),
                 sets=[{"features": noise(1, 80, 3000, seed=k)} for k in range(2)])


@model("wav2vec2", small=False, extra=True)
def wav2vec2(small):
    net = hf.Wav2Vec2Model(hf.Wav2Vec2Config(hidden_size=192, num_hidden_layers=4, num_attention_heads=4,
                                             intermediate_size=768, conv_dim=(128,) * 7))
    return Built(module=roughen(First(net, ["input_values"])).eval(), outputs=("states",), bench=1,
                 dynamic={"samples": {1: Dim("samples", min=1000, max=160000)}},
                 sets=[{"samples": noise(1, n, seed=k)} for k, n in enumerate((8000, 16000, 5003))])


class Decoder(nn.Module):
    """Embedding, GRU, linear: a classic language model, with its state as input and output."""

    def __init__(self):
        super().__init__()
        self.embed, self.head = nn.Embedding(2000, 192), nn.Linear(256, 2000)
        self.gru = nn.GRU(192, 256, 2, batch_first=True)

    def forward(self, input_ids, state):
        states, last = self.gru(self.embed(input_ids), state)
        return self.head(states), last


@model("gru_language", small=False, extra=True)
def gru_language(small):
    sizes = [(2, 20), (1, 1), (1, 33)]
    return Built(module=roughen(Decoder()).eval(), outputs=("logits", "last_state"), bench=2,
                 dynamic={"input_ids": {0: Dim("batch"), 1: Dim("length")}, "state": {1: Dim("batch")}},
                 sets=[{"input_ids": tokens(b, n, vocabulary=2000, seed=k),
                        "state": noise(2, b, 256, seed=k, scale=0.3)} for k, (b, n) in enumerate(sizes)])
