# SPDX-License-Identifier: Apache-2.0
"""Every legal folding of every stage, and what it costs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import numpy as np

from hwsim.design import Folding
from hwsim.fpga import folded, hls4ml
from hwsim.fpga.folding.relaxation import Index
from hwsim.fpga.hls4ml import Cost, Masks
from hwsim.fpga.resources import Array
from hwsim.fpga.stage_units import Points
from hwsim.fpga.stages import Pipeline, Stage

MULTIPLIERS = ("dsp", "lut")  # of stages with weights; UltraRAM cannot start with them (AMD UG573)
DSP_POSSIBLE_BITS = 4
MEMORIES = ("block", "distributed")
CHAIN_FIFO_DEPTH = 32  # what shift registers hold in one LUT per bit


@dataclass(frozen=True, eq=False)
class Options:
    """Every legal folding of every stage, stage after stage; ``starts`` are the first rows of the stages."""

    stage: Index
    starts: Index
    foldings: tuple[Folding, ...]
    cost: Cost


def all_options(
    stages: Pipeline, mapping: str, io_type: str, depths: Mapping[str, int] | None = None
) -> Options:  # fmt: skip
    """Every legal folding of every stage with its cost, in one vectorised call.

    ``depths`` are those of FIFOs as :func:`cost_of` takes them; by default what the mapping gives this pipeline.
    """
    list_options = _folded_options if mapping == "folded" else _hls4ml_options
    per_stage = [list_options(stage, io_type) for stage in stages.stages]
    counts = np.array([len(options) for options in per_stage], dtype=np.intp)
    foldings = tuple(folding for options in per_stage for folding in options)
    stage = np.repeat(np.arange(len(per_stage)), counts)
    depths = fifo_depths(stages, mapping) if depths is None else depths
    cost = cost_of(stages, stage, foldings, mapping, io_type, depths)
    return Options(stage, np.cumsum(counts) - counts, foldings, cost)


def cost_of(
    stages: Pipeline, stage: Index, foldings: tuple[Folding, ...], mapping: str, io_type: str,
    depths: Mapping[str, int], known: hls4ml.Constants | None = None,
) -> Cost:  # fmt: skip
    """Cost of design points: point i folds stage number ``stage[i]`` by ``foldings[i]``.

    ``depths`` gives the depth of the FIFOs of tensors; where it does not, a FIFO holds a whole image, as hls4ml makes
    it (backends/fpga/fpga_types.py), and hls/dataflow.py behind forks. ``known`` are the weights of hls4ml's stages.
    """
    if mapping == "folded":
        return folded.cost(points_of(stages, stage, foldings, depths))
    whole = np.maximum(stages.column("rows_out") * stages.column("columns_out"), 2.0)
    kinds = np.array([item.kind in ("matrix", "depthwise") for item in stages.stages], dtype=np.bool_)
    folds = kinds[stage]

    def column(name: str) -> Array:
        return stages.column(name)[stage]

    dense = np.array([item.op == "dense" for item in stages.stages], dtype=np.bool_)
    pipelined = np.array([folding.strategy != "resource" for folding in foldings], dtype=np.bool_)
    masks = Masks(folds, dense[stage], pipelined)
    reuse = np.array([folding.reuse_factor for folding in foldings], dtype=np.float64)
    return hls4ml.cost(column, masks, reuse, _depths(stages, whole, depths)[stage], io_type, known)


def points_of(stages: Pipeline, stage: Index, foldings: Sequence[Folding], depths: Mapping[str, int]) -> Points:
    """Design points of PE x SIMD stages, as :func:`cost_of` takes them."""
    whole = stages.column("rows_out") * stages.column("columns_out")
    # A whole image where branches part alone, and two words elsewhere.
    rest = np.where(stages.column("readers") > 1, whole, 0.0)
    kinds = np.array([item.kind in ("matrix", "depthwise") for item in stages.stages], dtype=np.bool_)
    return Points(
        lambda name: stages.column(name)[stage],
        np.array([item.op for item in stages.stages], dtype=np.str_)[stage],
        kinds[stage],
        np.array([folding.pe for folding in foldings], dtype=np.float64),
        np.array([folding.simd for folding in foldings], dtype=np.float64),
        _depths(stages, rest, depths)[stage],
        folded.materials(foldings),
    )


def _depths(stages: Pipeline, rest: Array, given: Mapping[str, int]) -> Array:
    """Depth of every stage's FIFOs in pixels; ``rest`` where it is not given."""
    pairs = zip(stages.stages, rest.tolist(), strict=True)
    return np.array([given.get(item.tensor, pixels) for item, pixels in pairs], dtype=np.float64)


def fifo_depths(stages: Pipeline, mapping: str) -> dict[str, int]:
    """Depths of FIFOs by tensor, as "hls4ml" or "folded" designs have them."""
    return chain_fifo_depths(stages) if mapping == "folded" else safe_fifo_depths(stages)


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
    has_matrix = stage.kind in ("matrix", "depthwise")
    # yosys does not put the narrowest products into DSP blocks, whatever it is told.
    in_dsp = min(stage.weight_bits, stage.input_bits) >= DSP_POSSIBLE_BITS
    multipliers = MULTIPLIERS if stage.weight_bits and in_dsp else ("lut",) if stage.weight_bits else ("auto",)
    memories = MEMORIES if has_matrix else ("auto",)
    lanes = folded.legal_pe(stage), folded.legal_simd(stage)
    return _lane_options(stage.mw * stage.mh * stage.groups, *lanes, multipliers, memories)


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
def _lane_options(
    products: int, legal_pe: tuple[int, ...], legal_simd: tuple[int, ...], multipliers: tuple[str, ...],
    memories: tuple[str, ...],
) -> tuple[Folding, ...]:  # fmt: skip
    return tuple(
        Folding(pe, simd, max(1, products // (pe * simd)), multiplier=multiplier, memory=memory)
        for pe, simd, multiplier, memory in product(legal_pe, legal_simd, multipliers, memories)
        if pe * simd <= hls4ml.MAX_UNROLL
    )
