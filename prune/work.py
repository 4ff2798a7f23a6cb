# SPDX-License-Identifier: Apache-2.0
"""What any module computes, as a network that hardware models can cost.

A module that :func:`hwsim.importers.torch.import_torch` knows is that network. Of every other one its products count:
it is run once, and every convolution and matrix product becomes a convolution of the same shape, side by side with the
others. What stands between them – norms, softmax, activations, moved data – is left out, so that times are low bounds
that compare widths of one module; an FPGA's pipeline cannot be told from products, and is refused.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from hwsim import targets
from hwsim.errors import InputError, UnsupportedError
from hwsim.importers.torch import import_torch
from hwsim.network import Layer, Network, Tensor

Shape = tuple[int, ...]
Product = tuple[Shape, Shape, Shape, dict[str, Any]]  # input, weight, output and attributes of a convolution
ATTENTION = ("_scaled_dot_product", "_flash_attention", "_efficient_attention")


@dataclass(frozen=True)
class Costing:
    """How a module and its smaller copies are costed, per input of ``example``'s batch.

    ``why`` is "" for modules that hwsim knows layer by layer, and else says what it does not know. ``bits`` is the
    width of all tensors; None costs float32.
    """

    example: Sequence[torch.Tensor]
    why: str
    bits: int | None = None

    def network(self, module: nn.Module) -> Network:
        """The module's network, or that of its products."""
        if self.why:
            return products(module, self.example)
        return import_torch(module, tuple(self.example[0].shape[1:]))[0]

    def __call__(self, module: nn.Module, field: str) -> float:
        """One cost field: params, macs, or TARGET.FIELD as in :func:`hwsim.targets.cost`.

        Raises:
            InputError: an FPGA's field of a module that hwsim does not know.
            UnknownNameError: no such count, target or field.
        """
        if field == "params":
            return float(sum(parameter.numel() for parameter in module.parameters()))
        if field.startswith("fpga:") and self.why:
            raise InputError(
                f"budget {field}: {type(module).__name__} is no pipeline of known layers ({self.why}); expected macs, "
                "params, or a field of a cpu, gpu or npu target"
            )
        network = self.network(module)
        return targets.cost(network if self.bits is None else network.with_bits(self.bits), field)


def costing(module: nn.Module, example: Sequence[torch.Tensor], bits: int | None = None) -> Costing:
    """How to cost the module: layer by layer where hwsim knows it, by its products otherwise."""
    if len(example) != 1 or not example[0].is_floating_point():
        return Costing(example, "it does not take one float tensor", bits)
    try:
        import_torch(module, tuple(example[0].shape[1:]))
    except UnsupportedError as error:
        return Costing(example, str(error), bits)
    return Costing(example, "", bits)


def products(module: nn.Module, example: Sequence[torch.Tensor]) -> Network:
    """The products of one input of ``example``, as convolutions side by side."""
    modes = [(one, one.training) for one in module.modules()]
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # it would hide the products of a whole encoder in one call
    recorder = _Recorder(len(example[0]))
    try:
        with torch.no_grad(), recorder:
            module.eval()(*example)
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
        for one, mode in modes:
            one.training = mode
    return _network(type(module).__name__, recorder.found)


class _Recorder(TorchDispatchMode):
    """Writes down inputs, weights and attributes of convolutions, of one image of the batch."""

    def __init__(self, batch: int) -> None:
        super().__init__()
        self.batch = batch
        self.found: list[Product] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name, result = func.overloadpacket.__name__, func(*args, **(kwargs or {}))
        if name in ("mm", "bmm"):
            self.product(args[0].shape, args[1].shape)
        elif name in ("addmm", "baddbmm"):
            self.product(args[1].shape, args[2].shape)
        elif name == "convolution":
            self.convolution(result, *args)
        elif name.startswith(ATTENTION):
            query, key, value = (tuple(one.shape) for one in args[:3])
            self.product(query, (*key[:-2], key[-1], key[-2]))
            self.product((*query[:-1], key[-2]), value)
        return result

    def product(self, left: Shape, right: Shape) -> None:
        """(…, M, K) by (…, K, N), of one image; what the batch does not divide is the same for all."""
        groups, rows = math.prod(left[:-2]), left[-2]
        if groups % self.batch == 0:
            groups //= self.batch
        elif rows % self.batch == 0:
            rows //= self.batch
        self.matrix(groups, rows, left[-1], right[-1])

    def matrix(self, groups: int, rows: int, inner: int, columns: int) -> None:
        """``groups`` products of (rows, inner) by (inner, columns), as a pointwise convolution."""
        attrs = {"kernel": (1, 1), "groups": groups}
        weight = (groups * columns, inner, 1, 1)
        self.found.append(((groups * inner, rows, 1), weight, (groups * columns, rows, 1), attrs))

    def convolution(
        self, result: Any, x: Any, weight: Any, _: Any, stride: Any, padding: Any, dilation: Any, *rest: Any
    ) -> None:
        """In two dimensions and one as it is; transposed or in three, by its products."""
        transposed, _, groups = rest
        if transposed:
            self.matrix(groups, math.prod(x.shape[2:]), len(weight) // groups, math.prod(weight.shape[1:]))
        elif weight.ndim == 5:
            pixels = math.prod(result.shape[2:])
            self.matrix(groups, pixels, math.prod(weight.shape[1:]), len(weight) // groups)
        else:
            missing = 4 - weight.ndim  # a sequence is an image of one row
            (top, left), kernel = (*[0] * missing, *padding), (*[1] * missing, *weight.shape[2:])
            attrs = {
                "kernel": kernel,
                "stride": (*[1] * missing, *stride),
                "padding": (top, left, top, left),
                "dilation": (*[1] * missing, *dilation),
                "groups": groups,
            }
            shape, made = ((one.shape[1], *[1] * missing, *one.shape[2:]) for one in (x, result))
            self.found.append((shape, (*weight.shape[:2], *kernel), made, attrs))


def _network(name: str, found: Sequence[Product]) -> Network:
    layers, tensors = [], {}
    for number, (shape, weight, made, attrs) in enumerate(found):
        source, kernel, result = f"in{number}", f"weight{number}", f"out{number}"
        tensors[source], tensors[kernel], tensors[result] = Tensor(shape), Tensor(weight), Tensor(made)
        layer = Layer(f"product{number}", "conv2d", (source,), (result,), attrs, {"weight": kernel})
        layers += [Layer(f"input{number}", "input", (), (source,)), layer]
    inputs, outputs = (tuple(f"{end}{n}" for n in range(len(found))) for end in ("in", "out"))
    return Network(name, tuple(layers), tensors, inputs, outputs)
