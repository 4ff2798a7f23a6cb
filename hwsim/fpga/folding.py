# SPDX-License-Identifier: Apache-2.0
"""How parallel each stage should be: the shortest interval that fits the device.

The interval of a pipeline is the busy time of its slowest stage, so for a target interval each stage takes the
cheapest folding that meets it, and the smallest target whose sum fits is found by bisection over the intervals that
occur at all.  With one scarce resource this is exact.  With several, "cheapest" is judged under several weightings
of the resources (each one emphasised in turn), and a target counts as feasible if one of them fits.
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import numpy as np
import numpy.typing as npt

from hwsim.design import Design, Folding
from hwsim.device import Device
from hwsim.fpga import folded, hls4ml
from hwsim.fpga.hls4ml import Cost, Masks
from hwsim.fpga.resources import SHELL, Array
from hwsim.fpga.stages import Pipeline, Stage, pipeline
from hwsim.network import Network

SEARCHED = ("lut", "ff", "dsp", "bram18")
CHAIN_FIFO_DEPTH = 32  # what shift registers hold in one LUT per bit
EMPHASIS = 8.0  # how much more a resource counts when it is emphasised
Index = npt.NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Options:
    """Every legal folding of every stage, stage after stage; ``starts`` are the first rows of the stages."""

    stage: Index
    starts: Index
    foldings: tuple[Folding, ...]
    cost: Cost


def choose_design(
    network: Network, device: Device, mapping: str, clock_mhz: float | None = None, io_type: str | None = None
) -> Design:  # fmt: skip
    """The folding with the shortest interval within ``device["utilisation"]`` of the device's resources.

    Args:
        network: what to place.
        device: an FPGA board.
        mapping: "hls4ml" or "folded".
        clock_mhz: the device's default clock if None.
        io_type: for hls4ml; None chooses io_stream for images and io_parallel for vectors.

    Where not even the smallest design fits, the smallest design is returned; its estimate says what is missing.
    """
    stages = pipeline(network)
    clock = device["clock_mhz"] if clock_mhz is None else clock_mhz
    io = io_type or ("io_stream" if stages.has_images or mapping == "folded" else "io_parallel")
    key = (network.hash, device.name, mapping, clock, io)
    if key not in _CACHE:
        options = all_options(stages, mapping, io)
        rows = _search(options, _budget(device))
        foldings = {
            stage.name: options.foldings[row]
            for stage, row in zip(stages.stages, rows.tolist(), strict=True)
            if stage.kind in ("matrix", "depthwise") or mapping == "folded"
        }
        backend = "Slimfab" if mapping == "folded" else "Vitis"
        fifo_depths = chain_fifo_depths if mapping == "folded" else safe_fifo_depths
        depths = {} if io == "io_parallel" else fifo_depths(stages)
        _CACHE[key] = Design(network.hash, device.name, clock, io, backend, foldings, depths)
        if len(_CACHE) > _CACHE_SIZE:
            _CACHE.popitem(last=False)
    return _CACHE[key]


_CACHE: OrderedDict[tuple[str, str, str, float, str], Design] = OrderedDict()
_CACHE_SIZE = 256


def all_options(stages: Pipeline, mapping: str, io_type: str) -> Options:
    """Every legal folding of every stage with its cost, in one vectorised call."""
    list_options = _folded_options if mapping == "folded" else _hls4ml_options
    per_stage = [list_options(stage, io_type) for stage in stages.stages]
    counts = np.array([len(options) for options in per_stage], dtype=np.intp)
    foldings = tuple(folding for options in per_stage for folding in options)
    stage = np.repeat(np.arange(len(per_stage)), counts)
    cost = cost_of(stages, stage, foldings, mapping, io_type, safe_fifo_depths(stages))
    return Options(stage, np.cumsum(counts) - counts, foldings, cost)


def cost_of(
    stages: Pipeline, stage: Index, foldings: tuple[Folding, ...], mapping: str, io_type: str, depths: Mapping[str, int]
) -> Cost:  # fmt: skip
    """Cost of design points: point i folds stage number ``stage[i]`` by ``foldings[i]``.

    ``depths`` gives the depth of the FIFOs of tensors; where it does not, a FIFO holds a whole image, as hls4ml makes
    it (backends/fpga/fpga_types.py).
    """
    whole = stages.column("rows_out") * stages.column("columns_out")
    given = [depths.get(item.tensor, pixels) for item, pixels in zip(stages.stages, whole.tolist(), strict=True)]
    fifo_depth = np.maximum(np.array(given), 2.0)[stage]
    kinds = np.array([item.kind in ("matrix", "depthwise") for item in stages.stages], dtype=np.bool_)
    folds = kinds[stage]

    def column(name: str) -> Array:
        return stages.column(name)[stage]

    if mapping == "folded":
        pe = np.array([folding.pe for folding in foldings], dtype=np.float64)
        simd = np.array([folding.simd for folding in foldings], dtype=np.float64)
        return folded.cost(column, folds, pe, simd, fifo_depth)
    dense = np.array([item.op == "dense" for item in stages.stages], dtype=np.bool_)
    pipelined = np.array([folding.strategy != "resource" for folding in foldings], dtype=np.bool_)
    masks = Masks(folds, dense[stage], pipelined)
    reuse = np.array([folding.reuse_factor for folding in foldings], dtype=np.float64)
    return hls4ml.cost(column, masks, reuse, fifo_depth, io_type)


def safe_fifo_depths(stages: Pipeline) -> dict[str, int]:
    """FIFO depths that cannot deadlock: short in chains, a whole image where branches part and meet again.

    A chain of stages runs with any depth.  A branch that waits at an addition or concatenation for a longer one must
    be held meanwhile, and the longer one may need all of its input first.
    """
    return {**{stage.tensor: stage.pixels_out for stage in stages.stages}, **chain_fifo_depths(stages)}


def chain_fifo_depths(stages: Pipeline) -> dict[str, int]:
    """The short ones of :func:`safe_fifo_depths` alone, for builders that know how long branches wait."""
    meeting = {source for stage in stages.stages if stage.op in ("add", "concat") for source in stage.sources} | {
        index for index, stage in enumerate(stages.stages) if stage.readers > 1
    }
    return {
        stage.tensor: min(stage.pixels_out, CHAIN_FIFO_DEPTH)
        for index, stage in enumerate(stages.stages)
        if index not in meeting
    }


def _hls4ml_options(stage: Stage, io_type: str) -> tuple[Folding, ...]:
    return _reuse_options(stage.kind, stage.mw * stage.mh * stage.groups, hls4ml.legal_reuse_factors(stage, io_type))


def _folded_options(stage: Stage, io_type: str) -> tuple[Folding, ...]:
    return _lane_options(stage.mw * stage.mh * stage.groups, folded.legal_pe(stage), folded.legal_simd(stage))


@lru_cache(maxsize=4096)
def _reuse_options(kind: str, products: int, legal: tuple[int, ...]) -> tuple[Folding, ...]:
    if kind not in ("matrix", "depthwise"):
        return (Folding(strategy="latency"),)
    unrollable = [reuse for reuse in legal if products / reuse <= hls4ml.MAX_UNROLL] or legal[-1:]
    options = [Folding(reuse_factor=reuse) for reuse in unrollable if reuse > 1]
    if unrollable[0] == 1:
        options.append(Folding(reuse_factor=1, strategy="latency"))
    return tuple(options)


@lru_cache(maxsize=4096)
def _lane_options(products: int, legal_pe: tuple[int, ...], legal_simd: tuple[int, ...]) -> tuple[Folding, ...]:
    return tuple(
        Folding(pe, simd, max(1, products // (pe * simd)))
        for pe, simd in product(legal_pe, legal_simd)
        if pe * simd <= hls4ml.MAX_UNROLL
    )


def _budget(device: Device) -> dict[str, float]:
    return {name: device[name] * device["utilisation"] - SHELL[name] for name in SEARCHED}


def _weightings(budget: dict[str, float]) -> list[Array]:
    base = np.array([1 / max(budget[name], 1.0) for name in SEARCHED])
    emphasised = [np.where(np.arange(len(SEARCHED)) == index, EMPHASIS, 1.0) * base for index in range(len(SEARCHED))]
    return [base, *emphasised]


def _search(options: Options, budget: dict[str, float]) -> Index:
    """Row of the chosen folding of every stage."""
    if not options.foldings:
        return np.zeros(0, dtype=np.intp)
    used = np.stack([getattr(options.cost, name) for name in SEARCHED], axis=1)
    limits = np.array([budget[name] for name in SEARCHED])
    weighted = [used @ weights for weights in _weightings(budget)]
    fastest = np.minimum.reduceat(options.cost.busy, options.starts)
    targets = np.unique(options.cost.busy[options.cost.busy >= fastest.max()])
    low, high = 0, len(targets) - 1
    best = _feasible(options, used, limits, weighted, targets[high])
    if best is None:
        return _cheapest(options, weighted[0], targets[high])
    while low < high:
        middle = (low + high) // 2
        found = _feasible(options, used, limits, weighted, targets[middle])
        if found is None:
            low = middle + 1
        else:
            best, high = found, middle
    return best


def _feasible(options: Options, used: Array, limits: Array, weighted: list[Array], target: float) -> Index | None:
    for weights in weighted:
        rows = _cheapest(options, weights, target)
        if np.all(used[rows].sum(axis=0) <= limits):
            return rows
    return None


def _cheapest(options: Options, weights: Array, target: float) -> Index:
    """Of every stage the row with the smallest weight that meets the target, the faster one when equal."""
    allowed = np.where(options.cost.busy <= target, weights, np.inf)
    order = np.lexsort((options.cost.busy, allowed, options.stage))
    return order[options.starts]
