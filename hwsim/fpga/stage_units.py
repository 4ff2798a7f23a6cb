# SPDX-License-Identifier: Apache-2.0
"""The hardware units of PE x SIMD stages with their parameters, for many design points at once.

What hls/layers*.py builds of a layer, one function per operator there: a window or a FIFO of vectors, the unit that
computes, a cast where bits change, and a FIFO for every reader. Weights are not known here: no zeros are left out.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from hwsim.fpga.multipliers import rows_per_dsp, spacing
from hwsim.fpga.resources import DSP_MIN_BITS, Array
from hwsim.fpga.units.memory import bank_words, line_words

Columns = Callable[[str], Array]
Mask = npt.NDArray[np.bool_]
Values = Array | npt.NDArray[np.str_] | float
WINDOWED, POOLS, MEANS = ("max_pool2d", "avg_pool2d", "global_max_pool"), ("max_pool2d", "global_max_pool"), (
    "avg_pool2d",
    "global_avg_pool",
)  # fmt: skip
CAST_ONLY = ("relu", "clip")
SCALED = ("batch_norm", "threshold", "lookup")
SHAPES = ("add", "concat", "pad2d", "upsample2d", "argmax")


@dataclass(frozen=True, eq=False)
class Materials:
    """Out of what design points are made, shape (points,): products and constants that are not left to synthesis."""

    products_in_luts: Mask
    products_in_dsp: Mask
    constants_in_luts: Mask
    constants_in_blocks: Mask

    def in_dsp(self, w: Array, a: Array) -> Mask:
        """Whether products of w by a bits are in DSP blocks."""
        wide_enough = np.minimum(w, a) >= DSP_MIN_BITS
        found: Mask = self.products_in_dsp | (wide_enough & ~self.products_in_luts)
        return found

    @property
    def style(self) -> npt.NDArray[np.str_]:
        """The parameter MEMORY of units."""
        return np.where(self.constants_in_luts, "luts", np.where(self.constants_in_blocks, "block", "auto"))


@dataclass(frozen=True, eq=False)
class Points:
    """Design points: one number of their stages by name, operator, folding, and depth of the FIFOs behind in pixels."""

    column: Columns
    op: npt.NDArray[np.str_]
    folds: Mask
    pe: Array
    simd: Array
    fifo_depth: Array
    made: Materials

    def lanes(self) -> Array:
        """Values per beat in front; a depthwise layer reads as many channels as it computes side by side."""
        return np.where(self.folds, self.simd * self.vectors(), self.pe)

    def vectors(self) -> Array:
        """Vectors that a matrix takes side by side."""
        return np.maximum(1.0, self.pe / np.maximum(self.column("mh"), 1.0))


@dataclass(frozen=True, eq=False)
class Group:
    """Units of one module: the points that have it, (points,), how many each, and parameters of shape (points,)."""

    module: str
    where: Mask
    parameters: dict[str, Values] = field(default_factory=dict)
    count: Array | float = 1.0


def unit_groups(points: Points) -> Iterator[Group]:
    """The units of all points, module by module."""
    yield from _in_front(points)
    yield _matrix(points)
    yield from _means(points)
    yield from _per_channel(points)
    yield from _moving(points)
    yield from _behind(points)


def _in_front(points: Points) -> Iterator[Group]:
    """Windows of convolutions and poolings; the FIFO for the next vector of matrices without a window."""
    column, folds, lanes, op = points.column, points.folds, points.lanes(), points.op
    taps = column("kernel_rows") * column("kernel_columns")
    strided = (column("stride_rows") > 1) | (column("stride_columns") > 1)
    padded = (column("padded_rows") > column("rows_in")) | (column("padded_columns") > column("columns_in"))
    windows = (folds & ((taps > 1) | strided | padded)) | np.isin(op, WINDOWED)
    blocks = np.maximum(column("channels_in") / lanes, 1.0)
    whole = op == "global_max_pool"
    kernel_rows = np.where(whole, column("rows_in"), column("kernel_rows"))
    extent = column("dilation_rows") * (kernel_rows - 1) + 1
    # One row more where windows that do not overlap are read as fast as they come.
    buffered = BUFFERED_EXTENTS * extent + np.where((column("stride_rows") == extent) & (extent > 1), 1.0, 0.0)
    width = lanes * column("input_bits")
    line = column("columns_in") * blocks
    yield Group("sliding_window", windows, {
        "LANES": lanes, "WIDTH": column("input_bits"), "BLOCKS": blocks,
        "ROWS": column("rows_in"), "COLUMNS": column("columns_in"), "KERNEL_Y": kernel_rows,
        "KERNEL_X": np.where(whole, column("columns_in"), column("kernel_columns")),
        "STRIDE_Y": column("stride_rows"), "STRIDE_X": column("stride_columns"),
        "DILATION_Y": column("dilation_rows"), "DILATION_X": column("dilation_columns"),
        "PAD_TOP": column("pad_top"), "OUT_ROWS": column("rows_out"), "OUT_COLUMNS": column("columns_out"),
        "BUFFER_ROWS": buffered, "BANK": bank_words(width, buffered * line),
        "GROUPS": np.where(folds, column("groups") / points.vectors(), blocks),
    })  # fmt: skip
    again = column("mh") * points.vectors() > points.pe
    waits = folds & ~windows & (again | (op == "dense"))
    yield Group("fifo", waits, {"WIDTH": width, "DEPTH": np.maximum(column("mw") / points.simd, 2.0)})


BUFFERED_EXTENTS = 2  # of a window: rows that are read, and as many that the next image brings meanwhile


def _matrix(points: Points) -> Group:
    column, pe, simd, made = points.column, points.pe, points.simd, points.made
    w, x = np.maximum(column("weight_bits"), 1.0), column("input_bits")
    in_dsp, vectors = made.in_dsp(w, x), points.vectors()
    words = np.maximum(column("mw") * column("mh") * column("groups") / (pe * simd), 1.0)
    banked = line_words(pe * simd * w, words)
    return Group("matrix_vector", points.folds, {
        "MW": column("mw"), "MH": column("mh") * vectors, "MATRICES": column("groups") / vectors,
        "PARALLEL": vectors, "PE": pe, "SIMD": simd, "IN_WIDTH": x, "IN_SIGNED": column("input_signed"),
        "W_WIDTH": w, "W_SIGNED": column("weight_signed"), "ACC_WIDTH": column("exact_bits"),
        "ROWS_PER_DSP": np.where(in_dsp, rows_per_dsp(x, w), 0.0),
        "SPACING": np.where(in_dsp, spacing(x, w), x + w), "MEMORY": made.style,
        "WEIGHT_BANK": np.where(made.constants_in_luts, words, banked),
        "VECTOR_BANK": bank_words(simd * x, column("mw") / simd), "BIAS_BITS": column("bias_bits"),
    })  # fmt: skip


def _means(points: Points) -> Iterator[Group]:
    """The sums of averages, and their division where it is no shift."""
    column, lanes = points.column, points.pe
    means, over_windows = np.isin(points.op, MEANS), points.op == "avg_pool2d"
    taps = column("kernel_rows") * column("kernel_columns")
    blocks = np.where(over_windows, 1.0, column("channels_in") / lanes)
    yield Group("accumulate", means, {
        "LANES": lanes, "ACC_WIDTH": column("sum_bits"), "BLOCKS": blocks,
        "PIXELS": np.where(over_windows, taps, column("rows_in") * column("columns_in")),
        "BANK": bank_words(lanes * column("sum_bits"), blocks),
    })  # fmt: skip
    yield Group("divide", means & (column("mean_divisor") > 0), {
        "LANES": lanes, "WIDTH": column("mean_bits"), "DIVISOR": np.maximum(column("mean_divisor"), 3.0),
        "OUT_WIDTH": column("exact_bits"), "OFFSET": column("mean_offset"), "ROUNDING": column("cast_rounding"),
    })  # fmt: skip
    whole = points.op == "global_max_pool"
    yield Group("max_pool", np.isin(points.op, POOLS), {
        "LANES": lanes, "WIDTH": column("input_bits"),
        "TAPS": np.where(whole, column("rows_in") * column("columns_in"), taps),
    })  # fmt: skip


def _per_channel(points: Points) -> Iterator[Group]:
    """Scales, thresholds, and tables; every other function is a table too, as hls asks for."""
    column, op, lanes, made = points.column, points.op, points.pe, points.made
    blocks, factor = np.maximum(column("channels_in") / lanes, 1.0), np.maximum(column("factor_bits"), 1.0)
    x, style = column("input_bits"), made.style
    yield Group("scale", op == "batch_norm", {
        "LANES": lanes, "BLOCKS": blocks, "IN_WIDTH": x, "IN_SIGNED": column("input_signed"), "S_WIDTH": factor,
        "S_SIGNED": column("factor_signed"), "OUT_WIDTH": column("exact_bits"),
        "DSP": np.where(made.in_dsp(factor, x), 1.0, 0.0), "MEMORY": style, "SHIFT_BITS": column("shift_bits"),
    })  # fmt: skip
    yield Group("threshold", op == "threshold", {
        "LANES": lanes, "BLOCKS": blocks, "STEPS": np.maximum(column("steps"), 1.0), "IN_WIDTH": x,
        "S_WIDTH": factor, "OUT_WIDTH": column("exact_bits"), "MEMORY": style,
    })  # fmt: skip
    other = ~points.folds & ~np.isin(op, (*WINDOWED, *MEANS, *CAST_ONLY, *SHAPES, "batch_norm", "threshold"))
    result = np.where(op == "lookup", factor, column("exact_bits"))
    yield Group("lookup", other, {
        "LANES": lanes, "IN_WIDTH": x, "OUT_WIDTH": result, "MEMORY": style,
        "BANK": np.where(made.constants_in_luts, 2.0**x, line_words(result, 2.0**x)),
    })  # fmt: skip


def _moving(points: Points) -> Iterator[Group]:
    """What joins, moves and compares values."""
    column, op, lanes = points.column, points.op, points.pe
    casts, terms, width = column("term_casts"), column("terms"), column("exact_bits")
    none = dict.fromkeys(("RIGHT", "ROUNDING", "HAS_LOW", "HAS_HIGH", "LOW", "HIGH"), np.zeros_like(lanes))
    yield Group("cast", casts > 0, {
        "LANES": lanes, "IN_WIDTH": column("input_bits"), "IN_SIGNED": np.ones_like(lanes),
        "LEFT": column("term_left"), "WIDTH": column("term_bits"), "OUT_WIDTH": width, **none,
    }, casts)  # fmt: skip
    yield Group("add", op == "add", {"COUNT": terms, "LANES": lanes, "WIDTH": width})
    most = np.maximum(column("most_channels") / lanes, 1.0)
    yield Group("concat", op == "concat", {"COUNT": terms, "WIDTH": lanes * width, "MOST": most})
    blocks = np.maximum(column("channels_in") / lanes, 1.0)
    taller, wider = (column(f"{name}_out") - column(f"{name}_in") for name in ("rows", "columns"))
    yield Group("pad", op == "pad2d", {
        "WIDTH": lanes * width, "BLOCKS": blocks, "ROWS": column("rows_in"), "COLUMNS": column("columns_in"),
        "TOP": np.floor(taller / 2), "BOTTOM": np.ceil(taller / 2), "LEFT": np.floor(wider / 2),
        "RIGHT": np.ceil(wider / 2),
    })  # fmt: skip
    yield Group("upsample", op == "upsample2d", {
        "WIDTH": lanes * column("input_bits"), "BLOCKS": blocks, "COLUMNS": column("columns_in"),
        "FACTOR_Y": column("rows_out") / column("rows_in"), "FACTOR_X": column("columns_out") / column("columns_in"),
    })  # fmt: skip
    yield Group("argmax", op == "argmax", {
        "LANES": lanes, "BLOCKS": blocks, "IN_WIDTH": column("input_bits"), "OUT_WIDTH": width,
    })  # fmt: skip


def _behind(points: Points) -> Iterator[Group]:
    """The cast at the end of every layer, and a FIFO for every reader."""
    column = points.column
    lanes = np.where(points.op == "argmax", 1.0, np.minimum(points.pe, column("channels_out")))
    yield Group("cast", column("casts") > 0, {
        "LANES": lanes, "IN_WIDTH": column("exact_bits"), "IN_SIGNED": column("exact_signed"),
        "OUT_WIDTH": column("cast_out"),
        **{name: column(f"cast_{name.lower()}") for name in ("LEFT", "RIGHT", "ROUNDING", "HAS_LOW", "HAS_HIGH", "LOW",
                                                             "HIGH")},
        "WIDTH": column("cast_bits"),
    })  # fmt: skip
    readers, everywhere = column("readers"), np.ones(lanes.shape, dtype=np.bool_)
    width = lanes * column("cast_out")
    yield Group("stream_fork", readers > 1, {"COUNT": readers})
    depth = np.maximum(points.fifo_depth * np.ceil(column("channels_out") / lanes), 2.0)
    yield Group("fifo", everywhere, {"WIDTH": width, "DEPTH": depth}, readers)
