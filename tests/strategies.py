# SPDX-License-Identifier: Apache-2.0
"""Random number formats and random small networks: residual, concatenated, grouped, depthwise, strided, dilated.

    networks()                     float
    networks(ANY)                  every tensor has a format, with any rounding and overflow
    networks(HARDWARE, …)          every tensor has a format that emitted SystemVerilog can cast to
    networks(INPUTS, EXACT)        formats on the input and the parameters only, blocks with a binary result only

``weights_for`` and ``data_for`` fill them, corner values included.
"""

import numpy as np
from hypothesis import strategies as st

from hwsim import ops
from hwsim.fixed import OVERFLOWS, ROUNDINGS, FixedPoint
from hwsim.network import Layer, Network, Tensor, Weights

NO_PADDING = (0, 0, 0, 0)


@st.composite
def fixed_points(draw, widths=(1, 16), fracs=(-3, 20), signed=None, roundings=ROUNDINGS, overflows=OVERFLOWS):
    """Formats with any of the roundings and overflows."""
    return FixedPoint(
        draw(st.integers(*widths)),
        draw(st.integers(*fracs)),
        draw(st.booleans()) if signed is None else signed,
        draw(st.sampled_from(roundings)),
        draw(st.sampled_from(overflows)),
    )


PARAMETERS = fixed_points(widths=(2, 5), fracs=(0, 6), signed=True)
BIASES = fixed_points(widths=(2, 9), fracs=(0, 9), signed=True)
ACTIVATIONS = fixed_points(widths=(2, 8), fracs=(0, 6))

# kind of tensor → its format
FLOAT = {kind: st.none() for kind in ("input", "weight", "scale", "bias", "shift", "activation")}
INPUTS = {
    "input": ACTIVATIONS,
    "weight": PARAMETERS,
    "scale": PARAMETERS,
    "bias": BIASES,
    "shift": BIASES,
    "activation": st.none(),
}
ANY = {**INPUTS, "activation": ACTIVATIONS}
_CAST = {"roundings": ("TRN", "RND", "RND_CONV"), "overflows": ("WRAP", "SAT")}
HARDWARE = {
    **INPUTS,
    "input": fixed_points(widths=(1, 8), fracs=(-1, 6), **_CAST),
    "activation": fixed_points(widths=(1, 9), fracs=(-1, 6), **_CAST),
    **dict.fromkeys(("thresholds", "start", "slope", "table"), PARAMETERS),
}


class Sketch:
    """A network that grows by one layer at a time; every method returns the tensor it made."""

    def __init__(self, draw, shape, formats) -> None:
        self.draw, self.formats = draw, formats
        self.layers = [Layer("x", "input", (), ("x",))]
        self.tensors = {"x": Tensor(shape, draw(formats["input"]))}
        self.last = "x"

    def shape(self, tensor=None) -> tuple[int, ...]:
        return self.tensors[tensor or self.last].shape

    def layer(self, op, *inputs, attrs=None, **params) -> str:
        """Append a layer; ``params`` are shapes by role."""
        name = f"{op}_{len(self.layers)}"
        roles = {role: f"{name}.{role}" for role in params}
        for role, shape in params.items():
            self.tensors[roles[role]] = Tensor(shape, self.draw(self.formats[role]))
        layer = Layer(name, op, inputs or (self.last,), (name,), attrs or {}, roles)
        complete = Layer(name, op, layer.inputs, layer.outputs, ops.complete_attrs(layer), roles)
        (shape,) = ops.output_shapes(complete, [self.shape(t) for t in layer.inputs], params)
        self.tensors[name] = Tensor(shape, self.draw(self.formats["activation"]))
        self.layers.append(layer)
        self.last = name
        return name

    def conv(self, source, width, groups=1, **attrs) -> str:
        weight = (width, self.shape(source)[0] // groups, *attrs["kernel"])
        bias = {"bias": (width,)} if self.draw(st.booleans()) else {}
        return self.layer("conv2d", source, attrs={**attrs, "groups": groups}, weight=weight, **bias)

    def same(self, source, width) -> str:
        """A convolution that keeps height and width."""
        return self.conv(source, width, kernel=(3, 3), padding=(1, 1, 1, 1))

    def window(self) -> dict:
        """Kernel, stride and lopsided padding that fit the last tensor."""
        kernel = tuple(self.draw(st.integers(1, min(3, extent))) for extent in self.shape()[1:])
        stride = (self.draw(st.integers(1, 2)), self.draw(st.integers(1, 3)))
        sides = [self.draw(st.integers(0, kernel[axis] - 1)) for axis in (0, 1, 0, 1)]
        return {"kernel": kernel, "stride": stride, "padding": tuple(sides)}

    def network(self) -> Network:
        return Network("random", tuple(self.layers), self.tensors, ("x",), (self.last,))


def plain(draw, sketch):
    attrs = sketch.window()
    fits = [extent >= 2 * kernel - 1 for extent, kernel in zip(sketch.shape()[1:], attrs["kernel"], strict=True)]
    attrs["dilation"] = tuple(draw(st.integers(1, 2)) if fit else 1 for fit in fits)
    sketch.conv(sketch.last, draw(st.integers(1, 4)), **attrs)


def depthwise(draw, sketch):
    channels = sketch.shape()[0]
    sketch.conv(sketch.last, channels * draw(st.integers(1, 3)), groups=channels, **sketch.window())


def grouped(draw, sketch):
    sketch.same(sketch.last, 4)
    sketch.conv(sketch.last, draw(st.sampled_from([2, 6])), groups=2, **sketch.window())


def residual(draw, sketch):
    source = sketch.last
    branch = sketch.layer("relu", sketch.same(source, draw(st.integers(1, 3))))
    branch = sketch.same(branch, sketch.shape(source)[0])
    sketch.layer("add", *draw(st.permutations([source, branch])))


def joined(draw, sketch):
    source = sketch.last
    sketch.layer("concat", source, sketch.same(source, draw(st.integers(1, 3))), source)


def rectified(draw, sketch):
    sketch.layer("relu")


def clipped(draw, sketch):
    sketch.layer("clip", attrs={"low": draw(st.sampled_from([-0.75, 0.0])), "high": draw(st.sampled_from([0.5, 6.0]))})


def normed(draw, sketch):
    channels = sketch.shape()[:1]
    sketch.layer("batch_norm", scale=channels, shift=channels)


def max_pooled(draw, sketch):
    sketch.layer("max_pool2d", attrs=sketch.window())


def averaged(draw, sketch):
    sketch.layer("avg_pool2d", attrs={**sketch.window(), "count_include_pad": draw(st.booleans())})


def halved(draw, sketch):
    kernel = tuple(2 if extent > 1 else 1 for extent in sketch.shape()[1:])
    sketch.layer("avg_pool2d", attrs={"kernel": kernel, "stride": kernel})


def upsampled(draw, sketch):
    sketch.layer("upsample2d", attrs={"factor": draw(st.sampled_from([(1, 2), (2, 1), (1, 1)]))})


def padded(draw, sketch):
    sketch.layer("pad2d", attrs={"padding": draw(st.tuples(*[st.integers(0, 1)] * 4))})


def recast(draw, sketch):
    sketch.layer("requantise")


def stepped(draw, sketch):
    channels = sketch.shape()[0]
    steps = draw(st.integers(1, 7))
    sketch.layer("threshold", thresholds=(channels, steps), start=(channels,), slope=(channels,))


def looked_up(draw, sketch):
    """A table over everything that the input's format can hold; only where there is one."""
    fmt = sketch.tensors[sketch.last].format
    sketch.layer("lookup", attrs={"first": fmt.min_int}, table=(fmt.max_int - fmt.min_int + 1,))


def chosen(draw, sketch):
    """The largest of a vector, as the last layer of a classifier."""
    name = sketch.layer("argmax")
    bits = max(1, (sketch.shape(sketch.layers[-1].inputs[0])[0] - 1).bit_length())
    sketch.tensors[name] = Tensor(sketch.shape(), FixedPoint(bits, 0, False))


CHANNELS = (plain, depthwise, grouped, residual, joined, normed)
EXACT = (*CHANNELS, rectified, clipped, max_pooled, halved, upsampled, padded, recast)
BLOCKS = (*EXACT, averaged)


def headed(draw, sketch):
    """Nothing, a global pool, or a classifier."""
    head = draw(st.sampled_from(["none", "global_max_pool", "global_avg_pool", "dense"]))
    if head.startswith("global"):
        sketch.layer(head)
    if head == "dense":
        sketch.layer("flatten")
        sketch.layer("dense", weight=(3, sketch.shape()[0]), bias=(3,))


@st.composite
def networks(draw, formats=FLOAT, blocks=BLOCKS, max_blocks=3):
    """Networks of one input (C, H, W), a few of the blocks, and perhaps a head."""
    sketch = Sketch(draw, draw(st.tuples(st.integers(1, 3), st.integers(3, 5), st.integers(3, 5))), formats)
    for block in draw(st.lists(st.sampled_from(blocks), min_size=1, max_size=max_blocks)):
        block(draw, sketch)
    if "averaged" in {block.__name__ for block in blocks}:
        headed(draw, sketch)
    return sketch.network()


def integers_of(fmt: FixedPoint, shape, rng: np.random.Generator):
    """Integers of a format, every third one a corner: the ends, zero, and one step from it."""
    anywhere = rng.integers(fmt.min_int, fmt.max_int, shape, endpoint=True)
    corners = rng.choice([fmt.min_int, fmt.max_int, 0, max(fmt.min_int, -1)], shape)
    return np.where(rng.random(shape) < 1 / 3, corners, anywhere).astype(np.int64)


def array_of(tensor: Tensor, shape, rng: np.random.Generator):
    if tensor.format is None:
        return rng.normal(size=shape).astype(np.float32)
    return integers_of(tensor.format, shape, rng)


def weights_for(network: Network, seed: int = 0) -> Weights:
    """Random parameters: integers where the tensor has a format, float32 otherwise."""
    rng = np.random.default_rng(seed)
    tensors = network.tensors
    return {name: array_of(tensors[name], tensors[name].shape, rng) for name in network.parameter_names}


def data_for(network: Network, images: int, seed: int = 0):
    """Random input (images, *shape): integers where the input has a format, float32 otherwise."""
    tensor = network.tensors[network.inputs[0]]
    return array_of(tensor, (images, *tensor.shape), np.random.default_rng(seed + 1))
