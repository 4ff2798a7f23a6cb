# SPDX-License-Identifier: Apache-2.0
"""fpgaConvNet designs: layers with coarse and fine folding, from a partition file or a table of layers.

Cycles of a convolution per output pixel are ceil(taps / fine) per product of an input by an output channel, shared by
``coarse_in`` x ``coarse_out`` x ``coarse_group`` units (github:AlexMontgomerie/fpgaconvnet-model,
models/layers/ConvolutionLayer.py); other layers move channels, ``coarse`` at a time. Every multiplier of a convolution
that asks for DSP blocks is one; a batch normalisation, here the rescaling of 24-bit sums, takes 2 per stream, and an
addition three rescalings (the five designs of github:mlcommons/tiny_results_v1.1 then are within one block).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hwsim.fpga.pixels import PixelStage, same_padding
from hwsim.fpga.system import transfers
from hwsim.validate.board_design import BoardDesign

CONVOLUTION_DEPTH = 20.0  # cycles through window, fork, products, adder tree, accumulator and bias
LAYER_DEPTH = 2.0
SCALE_DSP = 2  # blocks of a product of 24 bits by a scale of up to 35 (25 x 18 each, UG479)
FIELDS = ("rows_in", "cols_in", "ch_in", "rows_out", "cols_out", "ch_out", "stride", "groups", "coarse_in",
          "coarse_out", "coarse_group", "fine")  # fmt: skip
LARGEST = 4096  # side of an image, channels, folding


@dataclass(frozen=True)
class ConvNetLayer:
    """One layer; the names of the sizes are fpgaConvNet's."""

    name: str
    kind: str
    rows_in: int
    cols_in: int
    ch_in: int
    rows_out: int
    cols_out: int
    ch_out: int
    stride: int
    groups: int
    coarse_in: int
    coarse_out: int
    coarse_group: int
    fine: int
    kernel: tuple[int, int]
    use_dsp: bool = True

    @property
    def dsp(self) -> float:
        """DSP blocks."""
        streams = self.coarse_in * self.coarse_group
        if self.kind in ("CONVOLUTION", "INNER_PRODUCT"):
            return streams * self.coarse_out * self.fine * self.use_dsp
        return float(
            {"BATCH_NORM": SCALE_DSP, "ELTWISE": 3 * SCALE_DSP, "AVERAGE_POOLING": 1}.get(self.kind, 0) * streams
        )

    @property
    def busy(self) -> float:
        """Cycles per image."""
        rows, columns = self.rows_in, self.cols_in
        if self.kind == "CONVOLUTION":  # padding takes as long as pixels do
            rows = max(rows, (self.rows_out - 1) * self.stride + self.kernel[0])
            columns = max(columns, (self.cols_out - 1) * self.stride + self.kernel[1])
        taken = self.ch_in / (self.coarse_in * self.coarse_group) * rows * columns
        return max(self.work * self.rows_out * self.cols_out, taken)

    @property
    def work(self) -> float:
        """Cycles per output pixel."""
        moved = max(
            self.ch_in / (self.coarse_in * self.coarse_group), self.ch_out / (self.coarse_out * self.coarse_group)
        )
        if self.kind not in ("CONVOLUTION", "INNER_PRODUCT"):
            return moved
        passes = -(-self.kernel[0] * self.kernel[1] // self.fine)
        units = self.coarse_in * self.coarse_out * self.coarse_group
        return max(moved, passes * self.ch_in * self.ch_out / self.groups / units)


def layers_of_partition(config: Any) -> list[ConvNetLayer]:
    """The layers of fpgaConvNet's partition file; empty where it is none."""
    partitions = config.get("partition", []) if isinstance(config, dict) else []
    found = []
    for layer in (layer for partition in partitions[:1] for layer in partition["layers"]):
        given = layer["parameters"]
        names = {"ch_in": "channels_in", "ch_out": "channels_out", "stride": "stride_rows"}
        values = {name: int(given.get(names.get(name, name), 1)) for name in FIELDS}
        if "coarse" in given:
            values |= {"coarse_in": int(given["coarse"]), "coarse_out": int(given["coarse"])}
        kernel = (int(given.get("kernel_rows", 1)), int(given.get("kernel_cols", 1)))
        found.append(ConvNetLayer(layer["name"], layer["type"], **values, kernel=kernel,
                                  use_dsp=bool(given.get("use_dsp", True))))  # fmt: skip
    return found


def layer_of_row(row: Mapping[str, str]) -> ConvNetLayer | None:
    """The layer of a row of a table with fpgaConvNet's names; empty cells are 1. None where a cell is no size."""
    sides = row["k"].split("x") if "x" in row["k"] else ["1", "1"]
    values = {name: _size(row[name]) if row[name] not in ("", "None") else 1 for name in FIELDS}
    kernel = [_size(side) for side in sides]
    whole = {name: value for name, value in values.items() if value is not None}
    if len(whole) < len(FIELDS) or len(kernel) != 2 or kernel[0] is None or kernel[1] is None:
        return None
    return ConvNetLayer(row["name"], row["type"], **whole, kernel=(kernel[0], kernel[1]),
                        use_dsp=row.get("use_dsp") != "False")  # fmt: skip


def _size(cell: str) -> int | None:
    try:
        value = float(cell)
    except ValueError:
        return None
    return int(value) if 1 <= value <= LARGEST and value.is_integer() else None


def design(layers: Sequence[ConvNetLayer]) -> BoardDesign | None:
    """The pipeline of layers in topological order; None where there are none.

    A 1 x 1 convolution with a stride directly behind a split is the short branch around the layers that follow, an
    element-wise layer where the branches meet; a split without one feeds the element-wise layer itself.
    """
    if not layers:
        return None
    stages: list[PixelStage] = []
    chain, split, branch, branch_name = -1, -1, -1, ""
    for position, layer in enumerate(layers):
        short = (layer.kind == "CONVOLUTION" and layer.kernel == (1, 1) and layer.stride > 1
                 and layers[position - 1].kind == "SPLIT")  # fmt: skip
        on_branch = bool(branch_name) and layer.name.startswith(branch_name + "_")
        sources = {branch if on_branch else chain}
        if layer.kind == "ELTWISE":
            sources = {chain, branch if branch >= 0 else split}
        stages.append(_stage(layer, tuple(sorted(source for source in sources if source >= 0)), stages))
        if short or on_branch:
            branch, branch_name = len(stages) - 1, layer.name if short else branch_name
            continue
        chain = len(stages) - 1
        if layer.kind == "SPLIT":
            split = chain
        if layer.kind == "ELTWISE":
            branch, branch_name = -1, ""
    first, last = layers[0], layers[-1]
    pixels = first.rows_in * first.cols_in
    results = last.rows_out * last.cols_out * last.ch_out
    blocks = sum(layer.dsp for layer in layers)
    return BoardDesign(tuple(stages), transfers("stream", pixels, first.ch_in, results), pixels, blocks)


def _stage(layer: ConvNetLayer, sources: tuple[int, ...], stages: Sequence[PixelStage]) -> PixelStage:
    given = stages[sources[0]] if sources else None
    rows, columns = (layer.rows_in, layer.cols_in) if given is None else (given.rows_out, given.columns_out)
    if layer.kind in ("AVERAGE_POOLING", "INNER_PRODUCT") or rows * columns == 1:
        # Behind a global pooling a vector counts as an image of one channel.
        work = layer.work if layer.kind == "INNER_PRODUCT" else layer.rows_out * layer.cols_out * layer.ch_out
        return PixelStage(rows, columns, 1, 1, work, layer.ch_in, LAYER_DEPTH, (rows, columns), sources=sources)
    take = layer.ch_in / (layer.coarse_in * layer.coarse_group)
    if layer.kind != "CONVOLUTION":
        return PixelStage(rows, columns, rows, columns, layer.work, take, LAYER_DEPTH, order="values", sources=sources)
    top, left = (same_padding(size, kernel, layer.stride)[1]
                 for size, kernel in zip((rows, columns), layer.kernel, strict=True))  # fmt: skip
    return PixelStage(rows, columns, layer.rows_out, layer.cols_out, layer.work, take, CONVOLUTION_DEPTH, layer.kernel,
                      (layer.stride, layer.stride), (top, left), sources=sources)  # fmt: skip
