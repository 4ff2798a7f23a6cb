# SPDX-License-Identifier: Apache-2.0
"""Fifty architectures, narrow and shallow, with random weights: ``ARCHITECTURES[name]() -> module, inputs``."""

import torch
from prune_blocks import (
    Attention,
    Branches,
    ConvNext,
    Csp,
    Dense,
    Encoder,
    Fused,
    Gated,
    Ghost,
    Preact,
    Res2,
    Residual,
    Shuffle,
    ShuffleV2,
    Squeeze,
    Windows,
    basic,
    bottleneck,
    cbr,
    inverted,
    shuffle_v1,
)
from prune_networks import randomise
from torch import nn
from torch.nn import functional


def image(*parts, width, classes=5, head=None):
    """Layers, a mean over the map, a classifier."""
    tail = head or (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, classes))
    return nn.Sequential(*parts, *tail), (torch.randn(2, 3, 16, 16),)


def vgg(*widths):
    layers, last = [], 3
    for width in widths:
        layers += [nn.MaxPool2d(2)] if width == "M" else [cbr(last, width)]
        last = last if width == "M" else width
    flat = last * (16 >> widths.count("M")) ** 2
    head = nn.Flatten(), nn.Linear(flat, 16), nn.ReLU(), nn.Dropout(), nn.Linear(16, 5)
    return image(*layers, width=last, head=head)


def alexnet():
    convs = nn.Conv2d(3, 8, 5, 2, 2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 12, 3, padding=1), nn.ReLU()
    return image(*convs, width=0, head=(nn.Flatten(), nn.Linear(192, 16), nn.ReLU(), nn.Linear(16, 5)))


def inception(i, w, asymmetric=False):
    tall = nn.Sequential(
        cbr(i, w, 1), nn.Conv2d(w, w, (1, 3), padding=(0, 1)), nn.ReLU(), nn.Conv2d(w, w, (3, 1), padding=(1, 0))
    )
    pool = nn.Sequential(nn.MaxPool2d(3, 1, 1), cbr(i, w, 1))
    return Branches(cbr(i, w, 1), tall if asymmetric else nn.Sequential(cbr(i, w, 1), cbr(w, w)), pool)


def fire(i, s, e):
    return nn.Sequential(cbr(i, s, 1), Branches(cbr(s, e, 1), cbr(s, e, 3)))


class Unet(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = cbr(3, 8), cbr(8, 12), cbr(12, 16)
        self.d, self.e, self.head = cbr(28, 12), cbr(20, 8), nn.Conv2d(8, 2, 1)

    def forward(self, x):
        a = self.a(x)
        b = self.b(functional.max_pool2d(a, 2))
        c = self.c(functional.max_pool2d(b, 2))
        d = self.d(torch.cat([functional.interpolate(c, scale_factor=2.0), b], 1))
        return self.head(self.e(torch.cat([functional.interpolate(d, scale_factor=2.0), a], 1)))


class Fpn(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = cbr(3, 8, s=2), cbr(8, 16, s=2)
        self.side_a, self.side_b, self.head = nn.Conv2d(8, 8, 1), nn.Conv2d(16, 8, 1), nn.Conv2d(8, 4, 3, padding=1)

    def forward(self, x):
        a = self.a(x)
        b = self.side_b(self.b(a))
        return self.head(b), self.head(self.side_a(a) + functional.interpolate(b, scale_factor=2.0))


class HrNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.low = cbr(3, 8), cbr(8, 12, s=2)
        self.a, self.b = basic(8, 8), basic(12, 12)
        self.up, self.down, self.head = (
            cbr(12, 8, 1, act=nn.Identity),
            cbr(8, 12, s=2, act=nn.Identity),
            nn.Linear(20, 5),
        )

    def forward(self, x):
        x = self.stem(x)
        a, b = self.a(x), self.b(self.low(x))
        a, b = torch.relu(a + functional.interpolate(self.up(b), scale_factor=2.0)), torch.relu(b + self.down(a))
        return self.head(torch.cat([a.mean((2, 3)), b.mean((2, 3))], 1))


class SkNet(nn.Module):
    """Two kernels weighed by a gate."""

    def __init__(self, c):
        super().__init__()
        self.a, self.b, self.gate = cbr(c, c), cbr(c, c, 5), nn.Conv2d(c, c, 1)

    def forward(self, x):
        a, b = self.a(x), self.b(x)
        gate = torch.sigmoid(self.gate((a + b).mean((2, 3), keepdim=True)))
        return a * gate + b * (1 - gate)


class DualPath(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.first, self.residual, self.dense = cbr(c, c, 1), nn.Conv2d(c, c, 3, padding=1), cbr(c, 4)

    def forward(self, x):
        y = self.first(x)
        return torch.cat([x + self.residual(y), self.dense(y)], 1)


class Vit(nn.Module):
    """Patches, a class token, positions, encoders."""

    def __init__(self, c=16, heads=4, layers=2, kernel=Attention, tokens=1, pool=False):
        super().__init__()
        self.patches = nn.Conv2d(3, c, 4, 4)
        self.token, self.position = (
            nn.Parameter(torch.randn(1, tokens, c)),
            nn.Parameter(torch.randn(1, 16 + tokens, c)),
        )
        self.layers = nn.Sequential(*(Encoder(c, kernel(c, heads)) for _ in range(layers)))
        self.norm, self.head, self.pool = nn.LayerNorm(c), nn.Linear(c, 5), pool

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(len(x), -1, -1), x], 1) + self.position
        x = self.norm(self.layers(x))
        return self.head(x.mean(1) if self.pool else x[:, 0])


def vit(**options):
    return Vit(**options), (torch.randn(2, 3, 16, 16),)


class Swin(nn.Module):
    def __init__(self, c=16, heads=4):
        super().__init__()
        self.patches, self.merge = nn.Conv2d(3, c, 2, 2), nn.Linear(4 * c, 2 * c)
        self.first = nn.Sequential(Encoder(c, Windows(c, heads)), Encoder(c, Windows(c, heads, shift=2)))
        self.second, self.norm, self.head = (
            Encoder(2 * c, Windows(2 * c, heads)),
            nn.LayerNorm(2 * c),
            nn.Linear(2 * c, 5),
        )

    def forward(self, x):
        x = self.first(self.patches(x).permute(0, 2, 3, 1))
        x = torch.cat([x[:, 0::2, 0::2], x[:, 1::2, 0::2], x[:, 0::2, 1::2], x[:, 1::2, 1::2]], -1)
        return self.head(self.norm(self.second(self.merge(x))).mean((1, 2)))


class Text(nn.Module):
    """Tokens and positions, encoders, a classifier or the next token."""

    def __init__(self, *layers, c=16, words=11, outputs=3, each=False):
        super().__init__()
        self.words, self.places, self.norm = nn.Embedding(words, c), nn.Embedding(6, c), nn.LayerNorm(c)
        self.layers, self.head, self.each = nn.Sequential(*layers), nn.Linear(c, outputs), each

    def forward(self, tokens):
        x = self.norm(self.words(tokens) + self.places(torch.arange(tokens.shape[1])))
        x = self.layers(x)
        return self.head(x if self.each else x[:, 0])


def text(*layers, **options):
    return Text(*layers, **options), (torch.randint(0, 11, (2, 6)),)


class Llama(nn.Module):
    def __init__(self, c=16):
        super().__init__()
        self.a, self.mlp, self.n1, self.n2 = Attention(c, 4, causal=True), Gated(c, 24), nn.RMSNorm(c), nn.RMSNorm(c)

    def forward(self, x):
        x = x + self.a(self.n1(x))
        return x + self.mlp(self.n2(x))


class Mixer(nn.Module):
    """MLP-Mixer: one hidden layer over tokens, one over channels."""

    def __init__(self, c=12, tokens=16):
        super().__init__()
        self.n1, self.n2 = nn.LayerNorm(c), nn.LayerNorm(c)
        self.tokens = nn.Sequential(nn.Linear(tokens, 24), nn.GELU(), nn.Linear(24, tokens))
        self.channels = nn.Sequential(nn.Linear(c, 24), nn.GELU(), nn.Linear(24, c))

    def forward(self, x):
        x = x + self.tokens(self.n1(x).transpose(1, 2)).transpose(1, 2)
        return x + self.channels(self.n2(x))


class Patches(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.conv = nn.Conv2d(3, c, 4, 4)

    def forward(self, x):
        return self.conv(x).flatten(2).transpose(1, 2)


class MeanHead(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.norm, self.head = nn.LayerNorm(c), nn.Linear(c, 5)

    def forward(self, x):
        return self.head(self.norm(x).mean(1))


def sequence(*parts, length=32, channels=2):
    return nn.Sequential(*parts), (torch.randn(2, channels, length),)


def conv1d(i, o, k=3, s=1):
    return nn.Sequential(nn.Conv1d(i, o, k, s, k // 2), nn.BatchNorm1d(o), nn.ReLU())


def mlp(norm):
    parts = [
        nn.Linear(10, 16),
        *([nn.BatchNorm1d(16)] if norm else []),
        nn.ReLU(),
        nn.Linear(16, 12),
        nn.ReLU(),
        nn.Linear(12, 3),
    ]
    return nn.Sequential(*parts), (torch.randn(2, 10),)


def bert(attention=Attention, layers=2, **options):
    return text(*(Encoder(16, attention(16, 4), pre=False) for _ in range(layers)), **options)


S = nn.SiLU
ARCHITECTURES = {
    "mlp": lambda: mlp(False),
    "mlp with batch norm": lambda: mlp(True),
    "alexnet": alexnet,
    "vgg11": lambda: vgg(8, "M", 12, "M", 16, 16),
    "vgg16": lambda: vgg(8, 8, "M", 12, 12, "M", 16, 16, 16),
    "resnet18": lambda: image(cbr(3, 8), basic(8, 8), basic(8, 16, 2), basic(16, 16), width=16),
    "resnet34": lambda: image(cbr(3, 8), *(basic(8, 8) for _ in range(3)), basic(8, 16, 2), basic(16, 16), width=16),
    "resnet50": lambda: image(cbr(3, 8), bottleneck(8, 16), bottleneck(16, 16), bottleneck(16, 32, 2), width=32),
    "wide resnet": lambda: image(cbr(3, 8), basic(8, 24), basic(24, 48, 2), width=48),
    "resnext": lambda: image(cbr(3, 16), bottleneck(16, 16, g=4, width=16), bottleneck(16, 32, 2, 4, 16), width=32),
    "se-resnet": lambda: image(cbr(3, 8), bottleneck(8, 16, se=True), bottleneck(16, 16, se=True), width=16),
    "preact resnet": lambda: image(
        nn.Conv2d(3, 8, 3, padding=1),
        Preact(8, 8),
        Preact(8, 16, 2),
        Preact(16, 16),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        width=16,
    ),
    "res2net": lambda: image(cbr(3, 16), Res2(16), Res2(16), width=16),
    "regnet": lambda: image(cbr(3, 8), bottleneck(8, 16, 2, 2, 8, True), bottleneck(16, 16, 1, 2, 8, True), width=16),
    "densenet": lambda: image(
        nn.Conv2d(3, 8, 3), Dense(8, 4), Dense(12, 4), cbr(16, 8, 1), nn.AvgPool2d(2), Dense(8, 4), width=12
    ),
    "googlenet": lambda: image(cbr(3, 8), inception(8, 6), inception(18, 6), width=18),
    "inception v3": lambda: image(cbr(3, 8), inception(8, 6, True), inception(18, 6, True), width=18),
    "squeezenet": lambda: image(cbr(3, 8), fire(8, 4, 8), fire(16, 6, 8), width=16),
    "xception": lambda: image(
        cbr(3, 8), Residual(nn.Sequential(cbr(8, 8, g=8), cbr(8, 8, 1))), cbr(8, 12, 1), width=12
    ),
    "mobilenet v1": lambda: image(
        cbr(3, 8), cbr(8, 8, g=8), cbr(8, 16, 1), cbr(16, 16, s=2, g=16), cbr(16, 24, 1), width=24
    ),
    "mobilenet v2": lambda: image(cbr(3, 8), inverted(8, 8), inverted(8, 12, 2), inverted(12, 12), width=12),
    "mobilenet v3": lambda: image(cbr(3, 8, act=nn.Hardswish), inverted(8, 8, k=5, act=nn.Hardswish, se=True), width=8),
    "mnasnet": lambda: image(cbr(3, 8), inverted(8, 8, e=3, se=True), inverted(8, 16, 2, 3, 5), width=16),
    "efficientnet": lambda: image(
        cbr(3, 8, act=S), inverted(8, 8, act=S, se=True), inverted(8, 16, 2, act=S, se=True), width=16
    ),
    "ghostnet": lambda: image(cbr(3, 8), Ghost(8, 16), Ghost(16, 16), width=16),
    "shufflenet v1": lambda: image(cbr(3, 16), shuffle_v1(16), shuffle_v1(16), width=16),
    "shufflenet v2": lambda: image(cbr(3, 16), ShuffleV2(16), ShuffleV2(16), cbr(16, 24, 1), width=24),
    "igcnet": lambda: image(cbr(3, 16), cbr(16, 16, g=4), Shuffle(4), cbr(16, 16, g=4), width=16),
    "darknet": lambda: image(
        cbr(3, 8, act=nn.LeakyReLU), Residual(nn.Sequential(cbr(8, 4, 1), cbr(4, 8))), cbr(8, 16, s=2), width=16
    ),
    "yolo c2f": lambda: image(cbr(3, 8, act=S), Csp(8), cbr(8, 16, s=2, act=S), Csp(16), width=16),
    "sknet": lambda: image(cbr(3, 8), SkNet(8), SkNet(8), width=8),
    "cbam": lambda: image(cbr(3, 8), Squeeze(8), cbr(8, 12), Squeeze(12), width=12),
    "dual path": lambda: image(cbr(3, 8), DualPath(8), DualPath(12), width=16),
    "hrnet": lambda: (HrNet(), (torch.randn(2, 3, 16, 16),)),
    "unet": lambda: (Unet(), (torch.randn(2, 3, 16, 16),)),
    "fpn": lambda: (Fpn(), (torch.randn(2, 3, 16, 16),)),
    "convnext": lambda: image(nn.Conv2d(3, 8, 2, 2), ConvNext(8), ConvNext(8), width=8),
    "convmixer": lambda: image(
        cbr(3, 12, act=nn.GELU), Residual(cbr(12, 12, 5, g=12, act=nn.GELU)), cbr(12, 12, 1, act=nn.GELU), width=12
    ),
    "temporal cnn": lambda: sequence(
        conv1d(2, 8),
        Residual(conv1d(8, 8)),
        conv1d(8, 12, 3, 2),
        nn.AdaptiveAvgPool1d(1),
        nn.Flatten(),
        nn.Linear(12, 3),
    ),
    "m5 audio": lambda: sequence(conv1d(2, 8, 7, 2), nn.MaxPool1d(2), conv1d(8, 12), nn.Flatten(), nn.Linear(96, 3)),
    "vit": lambda: vit(),
    "vit, fused kernel": lambda: vit(kernel=Fused, pool=True),
    "deit": lambda: vit(tokens=2),
    "swin": lambda: (Swin(), (torch.randn(2, 3, 16, 16),)),
    "mlp-mixer": lambda: (nn.Sequential(Patches(12), Mixer(), Mixer(), MeanHead(12)), (torch.randn(2, 3, 16, 16),)),
    "bert": lambda: bert(),
    "distilbert": lambda: bert(Fused, 1),
    "t5 encoder": lambda: text(Encoder(16, Attention(16, 4, tokens=6), nn.ReLU, norm=nn.RMSNorm)),
    "gpt-2": lambda: text(*(Encoder(16, Attention(16, 4, causal=True)) for _ in range(2)), outputs=11, each=True),
    "llama": lambda: text(Llama(), Llama(), outputs=11, each=True),
}


def built(name):
    """An architecture with random weights and statistics, the same each time, and inputs for it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model, example = ARCHITECTURES[name]()
        randomise(model)
    return model.eval(), example
