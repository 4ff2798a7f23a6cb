# SPDX-License-Identifier: Apache-2.0
"""Which nodes a runtime runs for the kernels of a network, and in which memory layout.

The kernels of :mod:`hwsim.workload` are what runtimes have in common; here is what differs, as a table of nodes. Each
belongs to a kernel and has a form: a way to compute that has a speed of its own.

``onnxruntime`` keeps floats in blocks of channels where it can (core/optimizer/nchwc_transformer.cc): images of fewer
channels than a block, and of channels that are no multiple of ALIGNED, it reads in the plain layout, and other nodes
convert between the two. Additions go into a convolution before them. In 8 bits (qdq_transformer,
nhwc_transformer.cc) channels are innermost throughout, and only the network's ends are converted.
``eager`` runs every layer by itself, as torch does; convolutions of small images without groups in ATen's own kernels,
others in oneDNN (aten/src/ATen/native/Convolution.cpp, ConvParams::use_mkldnn), which depends on the number of threads.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from hwsim.columns import Column
from hwsim.workload import KINDS, Kernel, Workload

ALIGNED = 4  # channels that a conversion between layouts handles at a time
CONVOLUTIONS = ("conv", "pointwise", "depthwise", "grouped")
MATRIX_FORMS = (*CONVOLUTIONS, *(f"blocked_{kind}" for kind in CONVOLUTIONS), "direct", "dense",
                "native_conv", "native_pointwise")  # fmt: skip
NATIVE_ELEMENTS, NATIVE_WINDOW = 20480, 3  # torch leaves larger images, or windows larger both ways, to oneDNN
POOLS = {"max_pool2d": "pool", "avg_pool2d": "pool", "global_avg_pool": "global_pool", "global_max_pool": "global_pool"}
TAILS = ("relu", "clip", "batch_norm", "elementwise")  # operators of an epilogue that run by themselves
#: All forms: plain, in blocks of channels, from the plain layout to blocks ("direct"), and what moves data.
FORMS = (
    *MATRIX_FORMS, "pool", "blocked_pool", "global_pool", "blocked_global_pool", "add", "blocked_add", *TAILS, "other",
    "to_blocks", "from_blocks", "quantise", "channels_last", "channels_first", "dequantise",
)  # fmt: skip
FOLDED = (
    "batch_norm",
    "relu",
    "clip",
    "requantise",
    "leaky_relu",
    "sigmoid",
    "tanh",
    "hard_sigmoid",
)  # into convolutions
Flags = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Nodes:
    """The nodes of a workload, arrays of shape (nodes,).

    ``kernel``: row of the kernel that a node belongs to; ``form``: index into FORMS; ``sums``: 1 where it adds another
    tensor to its result, else 0. ``dispatched``: whether each is a call of its own through an interpreter and a
    dispatcher, whose code and state the nodes in between push out of the caches.
    """

    kernel: Rows
    form: Rows
    sums: Column
    dispatched: bool = False


class _Grid:
    """Columns of a workload as (kernels, variants), and who reads whom."""

    def __init__(self, work: Workload) -> None:
        self.work = work
        self.variants: int = getattr(work, "count", 1)
        self.base: tuple[Kernel, ...] = work.kernels[: len(work.kernels) // max(self.variants, 1)]
        self.shape = (len(self.base), self.variants)
        self.rows = np.arange(len(self.base) * self.variants, dtype=np.intp).reshape(self.variants, -1).T

    def column(self, name: str) -> Column:
        return self.work.column(name).reshape(self.variants, -1).T

    @cached_property
    def kinds(self) -> Rows:
        return self.work.kind_index.reshape(self.variants, -1).T

    @cached_property
    def readers(self) -> list[list[int]]:
        """Rows of the kernels that read what each kernel writes."""
        return [[row for row, one in enumerate(self.base) if source in one.reads] for source in range(len(self.base))]

    @cached_property
    def convolutions(self) -> Rows:
        """Index into FORMS of every kernel as a plain convolution, (kernels, variants)."""
        by_kind = np.array([FORMS.index(kind) if kind in FORMS else FORMS.index("other") for kind in KINDS])
        forms = by_kind[self.kinds]
        grouped = (self.column("groups") > 1) & (forms != FORMS.index("depthwise"))
        return np.where(grouped & (forms < FORMS.index("grouped")), FORMS.index("grouped"), forms)

    def table(self, form: Rows | str, where: Flags, sums: Column | float = 0.0) -> tuple[Rows, Rows, Column]:
        """Nodes of the kernels and variants in `where`: rows, forms, sums."""
        index = np.full(self.shape, FORMS.index(form)) if isinstance(form, str) else form
        return self.rows[where], index[where], np.broadcast_to(np.asarray(sums, dtype=np.float64), self.shape)[where]


def _joined(tables: Sequence[tuple[Rows, Rows, Column]]) -> Nodes:
    kernel, form, sums = (np.concatenate(parts) for parts in zip(*tables, strict=True))
    return Nodes(kernel, form, sums)


def eager_nodes(work: Workload, dtype: str, block: int) -> Nodes:
    """Every layer by itself, on several threads."""
    return _layer_by_layer(_Grid(work), single=False)


def single_eager_nodes(work: Workload, dtype: str, block: int) -> Nodes:
    """Every layer by itself, on one thread: convolutions of one pixel stay in ATen's kernels, whatever their size."""
    return _layer_by_layer(_Grid(work), single=True)


def _layer_by_layer(grid: _Grid, single: bool) -> Nodes:
    inputs, groups = grid.column("inputs"), grid.column("groups")
    windows = np.array([min(kernel.window) for kernel in grid.base], dtype=np.intp).reshape(-1, 1)
    small = (inputs <= NATIVE_ELEMENTS) & (windows <= NATIVE_WINDOW)
    same_size = inputs == grid.column("rows") * grid.column("channels") * groups
    native = (groups == 1) & (small | (single & same_size & (grid.column("taps") == 1)))
    forms = _plain_forms(grid)
    for kind in ("conv", "pointwise"):
        forms = np.where(native & (forms == FORMS.index(kind)), FORMS.index(f"native_{kind}"), forms)
    tables = [grid.table(forms, np.ones(grid.shape, dtype=bool))]
    deepest = max((len(kernel.epilogue) for kernel in grid.base), default=0)
    for position in range(deepest):
        ops = [kernel.epilogue[position] if position < len(kernel.epilogue) else "" for kernel in grid.base]
        for form in TAILS:
            here = [op not in ("", "requantise") and _tail(op) == form for op in ops]
            tables.append(grid.table(form, np.repeat(np.array(here)[:, None], grid.variants, axis=1)))
    return replace(_joined(tables), dispatched=True)


def _tail(op: str) -> str:
    return op if op in TAILS else "elementwise"


def onnxruntime_nodes(work: Workload, dtype: str, block: int) -> Nodes:
    """What ONNX Runtime runs after its optimisations of the highest level."""
    return _channels_last(_Grid(work)) if dtype == "int8" else _blocked(_Grid(work), block)


def _plain_forms(grid: _Grid, blocked: Flags | None = None) -> Rows:
    """Forms of all kernels, (kernels, variants), in blocks of channels where `blocked`."""
    forms = grid.convolutions.copy()
    for row, kernel in enumerate(grid.base):
        if kernel.op in POOLS or kernel.op in ("add", "batch_norm"):
            forms[row] = FORMS.index(POOLS.get(kernel.op, kernel.op))
        elif kernel.op not in ("conv2d", "dense", "concat"):
            forms[row] = FORMS.index(_tail(kernel.op))
    if blocked is None:
        return forms
    names = [f"blocked_{name}" if f"blocked_{name}" in FORMS else name for name in FORMS]
    return np.where(blocked, np.array([FORMS.index(name) for name in names])[forms], forms)


def _channels_last(grid: _Grid) -> Nodes:
    """8 bits: a node per kernel, and conversions where images and numbers come in and go out."""
    enters, leaves, flattens = (np.zeros(grid.shape, dtype=bool) for _ in range(3))
    image = np.zeros(grid.shape, dtype=bool)
    for row, kernel in enumerate(grid.base):
        dense = kernel.kind == "dense"
        enters[row] = any(source < 0 for source in kernel.reads)
        image[row] = enters[row] & (not dense)
        leaves[row] = not grid.readers[row]
        flattens[row] = not dense and any(grid.base[reader].kind == "dense" for reader in grid.readers[row])
    every = np.ones(grid.shape, dtype=bool)
    return _joined(
        [grid.table(_plain_forms(grid), every), grid.table("quantise", enters), grid.table("channels_last", image),
         grid.table("channels_first", flattens), grid.table("dequantise", leaves)]
    )  # fmt: skip


def _blocked(grid: _Grid, block: int) -> Nodes:
    """Floats: which kernels write blocks, which additions go into convolutions, where layouts are converted."""
    blocked = np.zeros(grid.shape, dtype=bool)
    taker = np.full(grid.shape, -1, dtype=np.intp)  # the convolution that takes an addition along
    for row, kernel in enumerate(grid.base):
        if kernel.op == "add":
            blocked[row], taker[row] = _addition(grid, row, blocked)
        else:
            blocked[row] = _takes_blocks(grid, row, blocked, block)
    sums = np.zeros(grid.shape)
    for taken in np.flatnonzero((taker >= 0).any(axis=1)).tolist():
        for source in set(grid.base[taken].reads):
            sums[source] += taker[taken] == source
    direct = blocked & (grid.convolutions < FORMS.index("dense")) & _is_direct(grid, block)
    forms = np.where(direct, FORMS.index("direct"), _plain_forms(grid, blocked))
    tables = [grid.table(forms, taker < 0, sums)]
    for form in TAILS:
        behind = [_is_left_behind(kernel) and _tail(kernel.epilogue[0]) == form for kernel in grid.base]
        tables.append(grid.table(form, (taker < 0) & np.array(behind, dtype=bool)[:, None]))
    plain_readers, block_readers = _layouts_read(grid, blocked, direct, taker)
    return _joined([*tables, grid.table("from_blocks", blocked & plain_readers),
                    grid.table("to_blocks", ~blocked & block_readers)])  # fmt: skip


def _is_direct(grid: _Grid, block: int) -> Flags:
    """Convolutions that read the plain layout and write blocks."""
    return np.asarray((grid.column("groups") == 1) & (grid.column("channels") < block), dtype=bool)


def _takes_blocks(grid: _Grid, row: int, blocked: Flags, block: int) -> Flags:
    """Whether a kernel other than an addition writes blocks of channels, (variants,)."""
    kernel = grid.base[row]
    sources = [blocked[source] if source >= 0 else np.zeros(grid.variants, dtype=bool) for source in kernel.reads]
    if kernel.op == "conv2d":
        channels, columns, groups = (grid.column(name)[row] for name in ("channels", "columns", "groups"))
        single = (channels == 1) & (columns == 1) & (groups % ALIGNED == 0)
        whole = (channels % block == 0) & (columns % block == 0)
        plain = (channels < block) | (channels % ALIGNED == 0)
        return np.asarray(np.where(groups == 1, plain, single | whole), dtype=bool)
    aligned = np.asarray(grid.column("out_channels")[row] % block == 0, dtype=bool)
    if POOLS.get(kernel.op) == "pool":  # worth a conversion
        return aligned
    if kernel.op in POOLS or kernel.op == "concat":
        return np.asarray(np.all(sources, axis=0) & aligned, dtype=bool)
    return np.zeros(grid.variants, dtype=bool)


def _addition(grid: _Grid, row: int, blocked: Flags) -> tuple[Flags, Rows]:
    """Whether an addition is of blocks, and the convolution that takes it along, -1 for none, (variants,) each."""
    reads = grid.base[row].reads
    sources = [blocked[source] if source >= 0 else np.zeros(grid.variants, dtype=bool) for source in reads]
    in_blocks = np.asarray(np.all(sources, axis=0), dtype=bool)
    taker = np.full(grid.variants, -1, dtype=np.intp)
    for source in reversed(reads if len(reads) == 2 else ()):  # the first that can, takes it
        kernel = grid.base[source]
        if source >= 0 and kernel.op == "conv2d" and len(grid.readers[source]) == 1 and not _activates(kernel):
            taker = np.where(in_blocks | ~blocked[source], source, taker)
    return in_blocks, taker


def _is_left_behind(kernel: Kernel) -> bool:
    """Whether some of the epilogue is a node of its own."""
    return any(op not in FOLDED or kernel.op not in ("conv2d", "dense") for op in kernel.epilogue)


def _activates(kernel: Kernel) -> bool:
    return any(op != "batch_norm" for op in kernel.epilogue)


def _layouts_read(grid: _Grid, blocked: Flags, direct: Flags, taker: Rows) -> tuple[Flags, Flags]:
    """Whether any reader of a kernel wants its result plain, and whether any wants it in blocks."""
    plain, blocks = np.zeros(grid.shape, dtype=bool), np.zeros(grid.shape, dtype=bool)
    for source, readers in enumerate(grid.readers):
        plain[source] = not readers
        for row in readers:
            stored = taker[row] != source  # a convolution that takes an addition along only stores the sum
            wants_blocks = blocked[row] & ~direct[row]
            plain[source] |= stored & ~wants_blocks
            blocks[source] |= stored & wants_blocks
    return plain, blocks


LOWERINGS: Mapping[str, Callable[[Workload, str, int], Nodes]] = {
    "onnxruntime": onnxruntime_nodes, "eager": eager_nodes, "eager-single": single_eager_nodes
}  # fmt: skip
