# SPDX-License-Identifier: Apache-2.0
"""Quantisers: torch modules that put a tensor on a grid and let gradients through.

A quantiser is a class in :data:`QUANTISERS`. Brevitas calls it as the ``tensor_quant`` of its proxies, so that
Brevitas's layers and QONNX export work with every quantiser here. Arithmetic is exact: scales are powers of two,
and division by them never rounds.
"""

import math
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from hwsim.errors import WeightsError
from hwsim.fixed import FixedPoint
from hwsim.registry import Registry

#: Rounding, as ap_fixed spells it → (in-place torch function, QONNX name).
ROUND = {"RND_CONV": (Tensor.round_, "ROUND"), "TRN": (Tensor.floor_, "FLOOR")}

_CANDIDATES = 5  # each clips one bit more than the last; beyond 4 bits clipping never pays
_MAX_FRAC = 48  # tensors of denormal size are zeros to every network


class Quantiser(Protocol):
    """What a registered class offers; ``forward`` returns Brevitas's (value, scale, zero point, bit width)."""

    def __init__(self, bit_width: int, signed: bool, narrow_range: bool, rounding: str) -> None: ...

    @property
    def format(self) -> FixedPoint:
        """The fixed-point format of the result."""

    def fit(self, samples: Tensor, max_frac: int | None = None) -> None:
        """Choose the scale from samples of the tensor, at most ``max_frac`` bits after the point."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]: ...


QUANTISERS: Registry[type[Any]] = Registry("quantiser")


class _RoundClipped(torch.autograd.Function):
    """Clip and round to multiples of ``step``; the gradient is that of the clipping alone.

    Straight-through estimator: Bengio et al., "Estimating or Propagating Gradients Through Stochastic Neurons",
    arXiv:1308.3432; zero outside the range as in Hubara et al., arXiv:1609.07061.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, step: float, low: float, high: float, rounding: str) -> Tensor:
        ctx.save_for_backward(x)
        ctx.range = low - step / 2, high + step / 2  # what rounds into the range is not clipped
        # Four vectorised passes; torch.fake_quantize_per_tensor_affine gives the same values but is scalar code
        # on CPUs, a hundred times slower.
        y = x.clamp(low, high).mul_(1.0 / step)
        return ROUND[rounding][0](y).mul_(step)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (x,) = ctx.saved_tensors
        return torch.ops.aten.hardtanh_backward(gradients[0], x, *ctx.range), None, None, None, None


@QUANTISERS.register("fixed_point")
class FixedPointQuantiser(nn.Module):
    """Uniform quantiser with a power-of-two step: :class:`FixedPoint` for training.

    Args:
        bit_width: bits in all, the sign included.
        narrow_range: leave out the most negative value, so that the range is symmetric (usual for weights).
        rounding: key of :data:`ROUND`.
    """

    frac: Tensor
    bit_width: Tensor
    scale: Tensor
    zero_point: Tensor

    def __init__(self, bit_width: int, signed: bool, narrow_range: bool, rounding: str) -> None:
        super().__init__()
        self.width, self.signed, self.narrow_range, self.rounding = bit_width, signed, narrow_range, rounding
        self.register_buffer("frac", torch.tensor(0))
        self.register_buffer("bit_width", torch.tensor(float(bit_width)))
        # Derived from the above, so not part of a checkpoint.
        self.register_buffer("scale", torch.tensor(1.0), persistent=False)
        self.register_buffer("zero_point", torch.tensor(0.0), persistent=False)
        self.set_frac(bit_width - signed)

    @property
    def format(self) -> FixedPoint:
        """The fixed-point format of the result."""
        return self._format

    def set_frac(self, frac: int) -> None:
        """Fix the number of fractional bits."""
        overflow = "SAT_SYM" if self.signed and self.narrow_range else "SAT"
        self._format = FixedPoint(self.width, frac, self.signed, self.rounding, overflow)
        self.frac.fill_(frac)
        self.scale.fill_(self._format.step)

    def fit(self, samples: Tensor, max_frac: int | None = None) -> None:
        """Choose ``frac`` for the least mean squared error over ``samples``.

        The finest step that still holds the largest magnitude comes first, then ever finer ones that clip more.

        Raises:
            WeightsError: a sample is NaN or infinite.
        """
        values = samples.detach().double().flatten()
        if not bool(torch.isfinite(values).all()):
            raise WeightsError("a tensor to be quantised holds NaN or infinite values; restore an earlier checkpoint")
        peak = float(values.abs().max()) if values.numel() else 0.0
        if peak < 2.0**-_MAX_FRAC:
            first = self.width - self.signed
        else:
            first = min(math.floor(math.log2((self._format.max_int + 0.5) / peak)), _MAX_FRAC)
        candidates = range(first, first + _CANDIDATES)
        if max_frac is not None:
            candidates = range(min(first, max_frac), min(first + _CANDIDATES, max_frac + 1))
        self.set_frac(min(candidates, key=lambda frac: self._error(values, frac)))

    def _error(self, values: Tensor, frac: int) -> float:
        step = 2.0**-frac
        return float((self._on_grid(values, step) - values).square().sum())

    def _on_grid(self, x: Tensor, step: float) -> Tensor:
        low, high = self._format.min_int * step, self._format.max_int * step
        return _RoundClipped.apply(x, step, low, high, self.rounding)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Values on the grid, of the shape and dtype of ``x``, and what describes the grid."""
        return self._on_grid(x, self._format.step), self.scale, self.zero_point, self.bit_width

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *arguments: Any) -> None:
        saved = int(state_dict.get(f"{prefix}bit_width", self.width))
        if saved != self.width:
            where = prefix.rstrip(".").removesuffix(".tensor_quant")
            raise WeightsError(f"{where}: the checkpoint has {saved} bits; expected {self.width}; use its own widths")
        super()._load_from_state_dict(state_dict, prefix, *arguments)
        self.set_frac(int(self.frac))


def integers(values: Tensor, fmt: FixedPoint) -> Any:
    """The int64 numpy integers of values that lie on the grid of ``fmt``."""
    return fmt.quantise(values.detach().cpu().double().numpy())
