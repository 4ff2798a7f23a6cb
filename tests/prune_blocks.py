# SPDX-License-Identifier: Apache-2.0
"""Building blocks of well-known architectures, small, as their authors' code writes them."""

import torch
from torch import nn
from torch.nn import functional


def cbr(i, o, k=3, s=1, g=1, act=nn.ReLU, d=1):
    pad = d * (k // 2)
    return nn.Sequential(nn.Conv2d(i, o, k, s, pad, d, g, bias=False), nn.BatchNorm2d(o), act())


class Residual(nn.Module):
    def __init__(self, body, short=None, act=None):
        super().__init__()
        self.body, self.short, self.act = body, short or nn.Identity(), act or nn.Identity()

    def forward(self, x):
        return self.act(self.body(x) + self.short(x))


def basic(i, o, s=1):
    body = nn.Sequential(cbr(i, o, 3, s), nn.Conv2d(o, o, 3, 1, 1, bias=False), nn.BatchNorm2d(o))
    return Residual(body, cbr(i, o, 1, s, act=nn.Identity) if s > 1 or i != o else None, nn.ReLU())


def bottleneck(i, o, s=1, g=1, width=None, se=False):
    w = width or max(o // 2, g)
    body = [cbr(i, w, 1), cbr(w, w, 3, s, g), nn.Conv2d(w, o, 1, bias=False), nn.BatchNorm2d(o)]
    body = nn.Sequential(*body, *([Squeeze(o)] if se else []))
    return Residual(body, cbr(i, o, 1, s, act=nn.Identity) if s > 1 or i != o else None, nn.ReLU())


class Preact(nn.Module):
    """Norm and activation before the convolutions (He et al. 2016)."""

    def __init__(self, i, o, s=1):
        super().__init__()
        self.bn1, self.conv1 = nn.BatchNorm2d(i), nn.Conv2d(i, o, 3, s, 1, bias=False)
        self.bn2, self.conv2 = nn.BatchNorm2d(o), nn.Conv2d(o, o, 3, 1, 1, bias=False)
        self.short = nn.Conv2d(i, o, 1, s, bias=False) if s > 1 or i != o else None

    def forward(self, x):
        y = torch.relu(self.bn1(x))
        short = x if self.short is None else self.short(y)
        return short + self.conv2(torch.relu(self.bn2(self.conv1(y))))


class Squeeze(nn.Module):
    """Squeeze and excitation."""

    def __init__(self, c, r=2, gate=nn.Sigmoid):
        super().__init__()
        self.down, self.up, self.gate = nn.Conv2d(c, c // r, 1), nn.Conv2d(c // r, c, 1), gate()

    def forward(self, x):
        s = functional.adaptive_avg_pool2d(x, 1)
        return x * self.gate(self.up(torch.relu(self.down(s))))


def inverted(i, o, s=1, e=2, k=3, act=nn.ReLU6, se=False):
    h = i * e
    body = [cbr(i, h, 1, act=act), cbr(h, h, k, s, h, act)] + ([Squeeze(h, 4)] if se else [])
    body = nn.Sequential(*body, nn.Conv2d(h, o, 1, bias=False), nn.BatchNorm2d(o))
    return Residual(body) if s == 1 and i == o else body


class Dense(nn.Module):
    """A dense layer: what it reads and what it makes, side by side."""

    def __init__(self, i, growth):
        super().__init__()
        self.body = nn.Sequential(
            nn.BatchNorm2d(i), nn.ReLU(), nn.Conv2d(i, 2 * growth, 1, bias=False),
            nn.BatchNorm2d(2 * growth), nn.ReLU(), nn.Conv2d(2 * growth, growth, 3, padding=1, bias=False),
        )  # fmt: skip

    def forward(self, x):
        return torch.cat([x, self.body(x)], dim=1)


class Branches(nn.Module):
    """Branches side by side."""

    def __init__(self, *branches):
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x):
        return torch.cat([branch(x) for branch in self.branches], 1)


class Shuffle(nn.Module):
    """Channel shuffle as ShuffleNet's authors write it."""

    def __init__(self, groups):
        super().__init__()
        self.groups = groups

    def forward(self, x):
        n, c, h, w = x.shape
        return x.view(n, self.groups, c // self.groups, h, w).transpose(1, 2).contiguous().view(n, -1, h, w)


def shuffle_v1(c, g=2):
    body = nn.Sequential(
        cbr(c, c, 1, g=g), Shuffle(g), cbr(c, c, 3, g=c, act=nn.Identity), cbr(c, c, 1, g=g, act=nn.Identity)
    )
    return Residual(body, act=nn.ReLU())


class ShuffleV2(nn.Module):
    def __init__(self, c):
        super().__init__()
        h = c // 2
        self.body = nn.Sequential(cbr(h, h, 1), cbr(h, h, 3, g=h, act=nn.Identity), cbr(h, h, 1))
        self.shuffle = Shuffle(2)

    def forward(self, x):
        a, b = x.chunk(2, dim=1)
        return self.shuffle(torch.cat([a, self.body(b)], dim=1))


class Ghost(nn.Module):
    def __init__(self, i, o):
        super().__init__()
        self.first, self.cheap = cbr(i, o // 2, 1), cbr(o // 2, o // 2, 3, g=o // 2)

    def forward(self, x):
        y = self.first(x)
        return torch.cat([y, self.cheap(y)], dim=1)


class Csp(nn.Module):
    """Cross-stage partial block as in YOLO: parts of one convolution go different ways."""

    def __init__(self, c, n=2):
        super().__init__()
        self.first, self.last = cbr(c, c, 1, act=nn.SiLU), cbr(c // 2 * (n + 2), c, 1, act=nn.SiLU)
        self.blocks = nn.ModuleList(Residual(nn.Sequential(cbr(c // 2, c // 2), cbr(c // 2, c // 2))) for _ in range(n))

    def forward(self, x):
        parts = list(self.first(x).chunk(2, 1))
        for block in self.blocks:
            parts.append(block(parts[-1]))
        return self.last(torch.cat(parts, 1))


class Res2(nn.Module):
    def __init__(self, c, scale=4):
        super().__init__()
        w = c // scale
        self.first, self.last = cbr(c, c, 1), nn.Sequential(nn.Conv2d(c, c, 1, bias=False), nn.BatchNorm2d(c))
        self.convs = nn.ModuleList(cbr(w, w) for _ in range(scale - 1))

    def forward(self, x):
        first, *rest = torch.chunk(self.first(x), len(self.convs) + 1, 1)
        out, last = [first], 0
        for conv, part in zip(self.convs, rest, strict=True):
            last = conv(part + last)
            out.append(last)
        return torch.relu(x + self.last(torch.cat(out, 1)))


class ConvNext(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.dw, self.norm = nn.Conv2d(c, c, 7, padding=3, groups=c), nn.LayerNorm(c)
        self.up, self.down, self.gamma = nn.Linear(c, 4 * c), nn.Linear(4 * c, c), nn.Parameter(torch.full((c,), 0.5))

    def forward(self, x):
        y = self.norm(self.dw(x).permute(0, 2, 3, 1))
        return x + (self.gamma * self.down(functional.gelu(self.up(y)))).permute(0, 3, 1, 2)


class Attention(nn.Module):
    """Multi-head attention with separate projections; a bias per head, causal or not."""

    def __init__(self, c, heads, tokens=0, causal=False):
        super().__init__()
        self.size, self.causal = c // heads, causal
        self.query, self.key, self.value, self.out = (nn.Linear(c, c) for _ in range(4))
        self.bias = nn.Parameter(torch.randn(heads, tokens, tokens)) if tokens else None

    def heads(self, x):
        return x.view(*x.shape[:-1], -1, self.size).transpose(-3, -2)

    def forward(self, x):
        q, k, v = self.heads(self.query(x)), self.heads(self.key(x)), self.heads(self.value(x))
        scores = q @ k.transpose(-2, -1) / self.size**0.5
        if self.bias is not None:
            scores = scores + self.bias
        if self.causal:
            scores = scores.masked_fill(torch.ones(x.shape[1], x.shape[1]).triu(1).bool(), -1e9)
        y = (scores.softmax(-1) @ v).transpose(-3, -2)
        return self.out(y.reshape(*x.shape[:-1], -1))


class Fused(nn.Module):
    """Attention by torch's fused kernel."""

    def __init__(self, c, heads):
        super().__init__()
        self.size = c // heads
        self.query, self.key, self.value, self.out = (nn.Linear(c, c) for _ in range(4))

    def forward(self, x):
        q, k, v = (p(x).unflatten(-1, (-1, self.size)).transpose(1, 2) for p in (self.query, self.key, self.value))
        return self.out(functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


class Encoder(nn.Module):
    """A transformer layer, normalised before or after."""

    def __init__(self, c, attention, act=nn.GELU, ratio=2, pre=True, norm=nn.LayerNorm):
        super().__init__()
        self.attention, self.pre, self.norm1, self.norm2 = attention, pre, norm(c), norm(c)
        self.mlp = nn.Sequential(nn.Linear(c, ratio * c), act(), nn.Dropout(0.1), nn.Linear(ratio * c, c))

    def forward(self, x):
        if self.pre:
            x = x + self.attention(self.norm1(x))
            return x + self.mlp(self.norm2(x))
        x = self.norm1(x + self.attention(x))
        return self.norm2(x + self.mlp(x))


class Gated(nn.Module):
    """SwiGLU hidden layer of Llama."""

    def __init__(self, c, h):
        super().__init__()
        self.gate, self.up, self.down = (
            nn.Linear(c, h, bias=False),
            nn.Linear(c, h, bias=False),
            nn.Linear(h, c, bias=False),
        )

    def forward(self, x):
        return self.down(functional.silu(self.gate(x)) * self.up(x))


class Windows(nn.Module):
    """Attention within shifted windows, with Swin's table of relative positions."""

    def __init__(self, c, heads, window=4, shift=0):
        super().__init__()
        self.window, self.shift, self.size = window, shift, c // heads
        self.query, self.key, self.value, self.out = (nn.Linear(c, c) for _ in range(4))
        self.table = nn.Parameter(torch.randn((2 * window - 1) ** 2, heads))
        at = torch.stack(torch.meshgrid(torch.arange(window), torch.arange(window), indexing="ij")).flatten(1)
        delta = (at[:, :, None] - at[:, None, :]) + window - 1
        self.register_buffer("positions", delta[0] * (2 * window - 1) + delta[1])

    def forward(self, x):
        b, h, w, c = x.shape
        n = self.window
        if self.shift:
            x = torch.roll(x, (-self.shift, -self.shift), (1, 2))
        x = x.view(b, h // n, n, w // n, n, c).permute(0, 1, 3, 2, 4, 5).reshape(-1, n * n, c)
        q, k, v = (
            p(x).view(x.shape[0], n * n, -1, self.size).transpose(1, 2) for p in (self.query, self.key, self.value)
        )
        bias = self.table[self.positions.view(-1)].view(n * n, n * n, -1).permute(2, 0, 1)
        y = (q @ k.transpose(-2, -1) + bias.unsqueeze(0)).softmax(-1) @ v
        y = self.out(y.transpose(1, 2).reshape(x.shape[0], n * n, -1))
        y = y.view(b, h // n, w // n, n, n, c).permute(0, 1, 3, 2, 4, 5).reshape(b, h, w, c)
        return torch.roll(y, (self.shift, self.shift), (1, 2)) if self.shift else y
