# SPDX-License-Identifier: Apache-2.0
"""When every pixel leaves every stage of a streaming pipeline, from the orders in which stages take and give pixels.

A stage serves pixels one after the other, so with needs n and work w its pixel i is done at

    done[i] = max(done[i - 1], n[i]) + w[i]    =    W[i] + max over j <= i of (n[j] - W[j - 1]),    W = cumsum(w),

one running maximum per stage. What pixel i needs is the difference between the generators of hardware:

* ``windows``   the last pixel of its window, padding included, which takes as long as pixels do; input is taken
                meanwhile (fpgaConvNet)
* ``rows``      all rows of its window, and while a row of outputs is made the next row of inputs is read in step, one
                word per word written, so a missing row holds it up (finn-hlslib, slidingwindow.h
                ConvolutionInputGenerator)
* ``values``    its own first value: outputs follow inputs value by value (activations, conversions of width)
* ``in_turn``   input pixels, padding included, are taken one by one; the one that completes a window costs its matrix
                product before the next is taken (hls4ml nnet_utils/nnet_conv_stream.h, resource strategy)

A pixel's time is that of its last value, in cycles; the values before it have come in the ``take`` cycles before.
FIFOs are taken as large enough.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hwsim.errors import InputError
from hwsim.registry import suggest

Times = npt.NDArray[np.float64]
Positions = npt.NDArray[np.intp]
ORDERS = ("windows", "rows", "values", "in_turn")


@dataclass(frozen=True)
class PixelStage:
    """One stage: images of ``rows_in`` x ``columns_in`` pixels become images of ``rows_out`` x ``columns_out``.

    ``work`` cycles per output pixel, ``take`` per input pixel, ``depth`` from a pixel's last cycle of work to its
    output. ``kernel``, ``stride`` and ``padding`` (rows before the first, columns before the first) say what an output
    pixel reads. ``sources`` are the stages it reads, by position; an empty tuple reads the pipeline's input.
    """

    rows_in: int
    columns_in: int
    rows_out: int
    columns_out: int
    work: float
    take: float = 1.0
    depth: float = 0.0
    kernel: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    order: str = "windows"
    sources: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.order not in ORDERS:
            raise InputError(f"pixels: unknown order '{self.order}'; {suggest(self.order, ORDERS)}")
        if min(self.rows_in, self.columns_in, self.rows_out, self.columns_out) < 1:
            raise InputError(f"pixels: got images of {self.rows_in} x {self.columns_in} and {self.rows_out} x "
                             f"{self.columns_out}; expected at least one pixel; check the layer")  # fmt: skip


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Outputs and padding before the first pixel where outputs cover ceil(size / stride) (TensorFlow's "same")."""
    out = -(-size // stride)
    return out, max((out - 1) * stride + kernel - size, 0) // 2


def served(needs: Times, work: Times | float) -> Times:
    """Completion of pixels that are served in order, each from its need on; arrays of shape (pixels,)."""
    each = np.broadcast_to(np.asarray(work, dtype=np.float64), needs.shape)
    total = np.cumsum(each)
    return np.asarray(total + np.maximum.accumulate(needs - (total - each)))


def departures(stages: Sequence[PixelStage], arrivals: Times) -> list[Times]:
    """Times at which the output pixels of every stage are given, one array of (rows_out * columns_out,) per stage.

    Args:
        stages: in topological order.
        arrivals: times of the pixels of the pipeline's input.

    Raises:
        InputError: the pixels a stage reads are not as many as its sources give.
    """
    given: list[Times] = []
    for index, stage in enumerate(stages):
        sources = [given[source] for source in stage.sources] or [arrivals]
        for source in sources:
            if source.size != stage.rows_in * stage.columns_in:
                raise InputError(
                    f"stage {index}: got {source.size} pixels; expected {stage.rows_in} x {stage.columns_in}; "
                    "check the layer in front of it"
                )
        arrived = np.max(np.stack(sources), axis=0)
        given.append(_MODELS[stage.order](stage, arrived) + stage.depth)
    return given


def busy(stage: PixelStage) -> float:
    """Cycles a stage needs for one image when nothing holds it up."""
    pixels_in, pixels_out = stage.rows_in * stage.columns_in, stage.rows_out * stage.columns_out
    if stage.order == "in_turn":
        return stage.work * pixels_out + stage.take * (pixels_in - pixels_out if pixels_in > pixels_out else 0)
    if stage.order == "windows":
        pixels_in = _padded(stage, np.zeros(pixels_in))[0].size
    return max(stage.work * pixels_out, stage.take * pixels_in)


def _windows(stage: PixelStage, arrived: Times) -> Times:
    needs, completes = _padded(stage, arrived - stage.take)
    return served(served(needs, stage.take)[completes], stage.work)


def _rows(stage: PixelStage, arrived: Times) -> Times:
    return served(served(arrived - stage.take, stage.take)[_rows_needed(stage)], stage.work)


def _values(stage: PixelStage, arrived: Times) -> Times:
    return served(arrived - stage.take, stage.work)


def _rows_needed(stage: PixelStage) -> Positions:
    """A window of ``taps`` words is written per output pixel, and meanwhile as many words of the next rows are read."""
    taps = stage.kernel[0] * stage.kernel[1]
    last = _last_read(stage.rows_out, stage.stride[0], stage.padding[0], stage.kernel[0], stage.rows_in)
    ahead = np.minimum(last + stage.stride[0], stage.rows_in - 1)
    read = np.minimum((np.arange(stage.columns_out) + 1) * taps, stage.stride[0] * stage.columns_in) - 1
    more = last[:, None] * stage.columns_in + stage.columns_in + read[None, :]
    whole = last * stage.columns_in + stage.columns_in - 1
    return np.where((ahead > last)[:, None], np.minimum(more, stage.rows_in * stage.columns_in - 1),
                    whole[:, None]).ravel()  # fmt: skip


def _last_read(outputs: int, stride: int, padding: int, kernel: int, inputs: int) -> Positions:
    return np.clip(np.arange(outputs) * stride - padding + kernel - 1, 0, inputs - 1)


def _in_turn(stage: PixelStage, arrived: Times) -> Times:
    needs, completes = _padded(stage, arrived)
    done = served(needs, np.where(completes, stage.work, stage.take))
    return np.asarray(done[completes])


def _padded(stage: PixelStage, arrived: Times) -> tuple[Times, npt.NDArray[np.bool_]]:
    """When the pixels of the padded image are there, in order, and which of them complete a window.

    Padding in front of a pixel is there before it, padding behind it as soon as it.
    """
    read = [(outputs - 1) * stride + kernel for outputs, stride, kernel in
            zip((stage.rows_out, stage.columns_out), stage.stride, stage.kernel, strict=True)]  # fmt: skip
    rows = np.arange(max(read[0], stage.rows_in + stage.padding[0])) - stage.padding[0]
    columns = np.arange(max(read[1], stage.columns_in + stage.padding[1])) - stage.padding[1]
    row, column = np.clip(rows, -1, stage.rows_in - 1), np.clip(columns, -1, stage.columns_in - 1)
    position = row[:, None] * stage.columns_in + column[None, :]
    real = (row >= 0)[:, None] & (column >= 0)[None, :]
    needs = np.where(real, arrived[np.maximum(position, 0)], 0.0)
    completes = np.zeros(position.shape, dtype=np.bool_)
    completes[np.ix_(np.arange(stage.rows_out) * stage.stride[0] + stage.kernel[0] - 1,
                     np.arange(stage.columns_out) * stage.stride[1] + stage.kernel[1] - 1)] = True  # fmt: skip
    return needs.ravel(), completes.ravel()


_MODELS = {"windows": _windows, "rows": _rows, "values": _values, "in_turn": _in_turn}
