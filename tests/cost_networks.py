# SPDX-License-Identifier: Apache-2.0
"""Networks for the cost models: published ones by their layer lists, and small random ones."""

from hypothesis import settings
from hypothesis import strategies as st

from hwsim import ops
from hwsim.fixed import FixedPoint
from hwsim.network import Layer, Network, Tensor

LAW = settings(deadline=None, max_examples=40)  # no test measures time; forty small networks per law
SAME4 = (1, 1, 2, 2)  # TensorFlow's "same" padding of a 4x4 window


class Draft:
    """Grows a network layer by layer; every method returns the name of the tensor it made."""

    def __init__(self, *shape: int, weights: int | None = 8, activations: int | None = 8) -> None:
        self.formats = {"weight": _format(weights), "bias": _format(16 if weights else None)}
        self.activation = _format(activations)
        self.layers = [Layer("x", "input", (), ("x",))]
        self.tensors = {"x": Tensor(shape, self.activation)}
        self.last = "x"

    def layer(self, op, *inputs, attrs=None, params=None):
        name = f"{op}{len(self.layers)}"
        roles = {role: f"{name}.{role}" for role in params or {}}
        for role, shape in (params or {}).items():
            self.tensors[roles[role]] = Tensor(shape, self.formats[role])
        inputs = inputs or (self.last,)
        layer = Layer(name, op, inputs, (name,), attrs or {}, roles)
        layer = Layer(name, op, inputs, (name,), ops.complete_attrs(layer), roles)
        (shape,) = ops.output_shapes(layer, [self.tensors[t].shape for t in inputs], params or {})
        self.tensors[name] = Tensor(shape, self.activation)
        self.layers.append(layer)
        self.last = name
        return name

    def conv(self, width, kernel=3, stride=1, padding=None, source=None, groups=1):
        source = source or self.last
        padding = (kernel // 2,) * 4 if padding is None else padding
        channels = self.tensors[source].shape[0]
        attrs = {"kernel": (kernel, kernel), "stride": (stride, stride), "padding": padding, "groups": groups}
        params = {"weight": (width, channels // groups, kernel, kernel), "bias": (width,)}
        return self.layer("conv2d", source, attrs=attrs, params=params)

    def depthwise(self, kernel=3, stride=1):
        channels = self.tensors[self.last].shape[0]
        return self.conv(channels, kernel, stride, groups=channels)

    def dense(self, width):
        features = self.tensors[self.last].shape[-1]
        return self.layer("dense", params={"weight": (width, features), "bias": (width,)})

    def relu(self):
        return self.layer("relu")

    def max_pool(self, kernel=2, stride=None, padding=0):
        stride = stride or kernel
        return self.layer(
            "max_pool2d", attrs={"kernel": (kernel, kernel), "stride": (stride, stride), "padding": (padding,) * 4}
        )

    def head(self, classes):
        self.layer("global_avg_pool")
        self.layer("flatten")
        return self.dense(classes)

    def network(self, name="draft"):
        layers = (*self.layers, Layer("y", "output", (self.last,), ("y",)))
        tensors = {**self.tensors, "y": self.tensors[self.last]}
        return Network(name, layers, tensors, ("x",), ("y",))


def _format(bits):
    return None if bits is None else FixedPoint(bits, bits - 2)


def resnet8(weights=8, activations=8, widths=(16, 32, 64)):
    """MLPerf Tiny image classification: 12.5 M MACs (github:mlcommons/tiny, training/image_classification)."""
    draft = Draft(3, 32, 32, weights=weights, activations=activations)
    draft.conv(widths[0])
    draft.relu()
    for index, width in enumerate(widths):
        stride = 1 if index == 0 else 2
        skip = draft.last
        draft.conv(width, 3, stride)
        draft.relu()
        main = draft.conv(width)
        if stride > 1:
            skip = draft.conv(width, 1, stride, source=skip)
        draft.layer("add", main, skip)
        draft.relu()
    draft.head(10)
    return draft.network("resnet8")


def resnet50(weights=8, activations=8):
    """ResNet-50 v1.5: 4089 M MACs (MLPerf Inference; stride in the 3x3 convolution of a block)."""
    draft = Draft(3, 224, 224, weights=weights, activations=activations)
    draft.conv(64, 7, 2)
    draft.relu()
    draft.max_pool(3, 2, 1)
    for stage, (width, blocks) in enumerate(((64, 3), (128, 4), (256, 6), (512, 3))):
        for block in range(blocks):
            stride = 2 if stage > 0 and block == 0 else 1
            skip = draft.last
            draft.conv(width, 1)
            draft.relu()
            draft.conv(width, 3, stride)
            draft.relu()
            main = draft.conv(4 * width, 1)
            if block == 0:
                skip = draft.conv(4 * width, 1, stride, source=skip)
            draft.layer("add", main, skip)
            draft.relu()
    draft.head(1000)
    return draft.network("resnet50")


def alexnet(weights=8, activations=8, dense=True):
    """AlexNet: 666 M MACs in convolutions and 59 M in dense layers (Krizhevsky et al., NIPS 2012, figure 2)."""
    draft = Draft(3, 227, 227, weights=weights, activations=activations)
    for width, kernel, stride, groups, pool in ((96, 11, 4, 1, True), (256, 5, 1, 2, True), (384, 3, 1, 1, False),
                                                (384, 3, 1, 2, False), (256, 3, 1, 2, dense)):  # fmt: skip
        draft.conv(width, kernel, stride, padding=(0,) * 4 if stride > 1 else None, groups=groups)
        draft.relu()
        if pool:
            draft.max_pool(3, 2)
    if dense:
        draft.layer("flatten")
        for width in (4096, 4096, 1000):
            draft.dense(width)
    return draft.network("alexnet")


def vgg16(weights=8, activations=8, dense=True):
    """VGG-16: 15.3 G MACs in convolutions (Simonyan, Zisserman, ICLR 2015, table 1, column D)."""
    draft = Draft(3, 224, 224, weights=weights, activations=activations)
    for width, repeats in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(repeats):
            draft.conv(width)
            draft.relu()
        draft.max_pool(2)
    if dense:
        draft.layer("flatten")
        for width in (4096, 4096, 1000):
            draft.dense(width)
    return draft.network("vgg16")


def mobilenet_v1(weights=8, activations=8, alpha=1.0, size=224):
    """MobileNetV1: 569 M MACs at alpha 1 and 224 pixels (Howard et al., arXiv:1704.04861, table 4)."""
    draft = Draft(3, size, size, weights=weights, activations=activations)
    draft.conv(int(32 * alpha), 3, 2)
    draft.relu()
    for width, stride in (
        (64, 1),
        (128, 2),
        (128, 1),
        (256, 2),
        (256, 1),
        (512, 2),
        *((512, 1),) * 5,
        (1024, 2),
        (1024, 1),
    ):
        draft.depthwise(3, stride)
        draft.relu()
        draft.conv(int(width * alpha), 1)
        draft.relu()
    draft.head(1001)
    return draft.network("mobilenet_v1")


def rn07():
    """hls4ml's MLPerf Tiny v0.7 image classifier on the Pynq-Z2 (github:mlcommons/tiny_results_v0.7, RN07)."""
    draft = Draft(3, 32, 32)
    for width, kernel, stride, padding in (
        (32, 1, 1, (0,) * 4),
        (4, 4, 1, SAME4),
        (32, 4, 1, SAME4),
        (32, 4, 4, (0,) * 4),
        (32, 4, 1, SAME4),
    ):
        draft.conv(width, kernel, stride, padding)
        draft.relu()
    draft.layer("flatten")
    draft.dense(10)
    return draft.network("rn07")


def rn06():
    """hls4ml's camera demo on the Pynq-Z2 (github:fastmachinelearning/hls4ml-live-demo, pynqz2_rn06_v8)."""
    draft = Draft(3, 32, 32)
    for stride, padding in ((4, (0, 0, 1, 1)), (1, (1,) * 4), (1, (1,) * 4)):
        draft.conv(32, 3, stride, padding)
        draft.relu()
    draft.layer("flatten")
    draft.dense(10)
    return draft.network("rn06")


def ad08():
    """hls4ml's MLPerf Tiny v0.7 autoencoder (github:mlcommons/tiny_results_v0.7, AD08), batch norms folded."""
    draft = Draft(64, weights=13, activations=7)
    for width in (72, 72, 8, 72, 72):
        draft.dense(width)
        draft.relu()
    draft.dense(64)
    return draft.network("ad08")


@st.composite
def networks(draw, bits=None):
    """Small networks with branches, strides, depthwise layers, pooling and dense layers; 2 to 16 bits, or `bits`."""
    width = draw(st.integers(2, 16)) if bits is None else bits
    draft = Draft(draw(st.integers(1, 4)), 8, draw(st.integers(6, 10)), weights=width, activations=width)
    draft.conv(draw(st.integers(1, 12)), draw(st.sampled_from((1, 3))), draw(st.sampled_from((1, 2))))
    for kind in draw(st.lists(st.sampled_from(("conv", "depthwise", "relu", "residual", "pool")), max_size=4)):
        if kind == "conv":
            draft.conv(draw(st.integers(1, 12)))
        elif kind == "depthwise" and draft.tensors[draft.last].shape[0] > 1:
            draft.depthwise()
        elif kind == "relu":
            draft.relu()
        elif kind == "residual":
            skip = draft.last
            draft.conv(draft.tensors[skip].shape[0])
            draft.layer("add", draft.last, skip)
        elif kind == "pool" and min(draft.tensors[draft.last].shape[1:]) >= 2:
            draft.max_pool()
    draft.head(draw(st.integers(1, 12)))
    return draft.network()
