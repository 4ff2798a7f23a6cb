# SPDX-License-Identifier: Apache-2.0
"""Costs on hardware while widths change.

Time on an FPGA is asked of the fastest design that fits the board. Area cannot be asked that way: the fastest design
always fills the board, however small the network. An area budget therefore carries the unpruned network's design
along: every layer keeps at most its parallelism, so that removed channels give back the logic that served them, and
the interval does not get longer.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache

from hwsim import targets
from hwsim.design import Design, Folding
from hwsim.estimate import RESOURCE_NAMES
from hwsim.fpga.folded import legal_pe, legal_simd
from hwsim.fpga.hls4ml import legal_reuse_factors
from hwsim.fpga.stages import Stage, pipeline
from hwsim.network import Network
from prune.budget import Cost

AREA_TARGET = "fpga:"


def hardware_cost(unpruned: Network) -> Cost:
    """``(network, field) -> cost`` for budgets: :func:`hwsim.targets.cost`, with the design carried along for area.

    Args:
        unpruned: the network whose design area fields refer to, as deployed.
    """

    @cache
    def original(target: str) -> Design:
        return targets.design(unpruned, target)

    def cost(network: Network, field: str) -> float:
        target = area_target(field)
        if target is None:
            return targets.cost(network, field)
        carried = carry_design(original(target), unpruned, network)
        return targets.estimate(network, target, design=carried).field(field.rpartition(".")[2])

    return cost


def area_target(field: str) -> str | None:
    """The FPGA target of an area field such as ``fpga:pynq-z2.dsp``; None for every other field."""
    target, _, name = field.rpartition(".")
    return target if target.startswith(AREA_TARGET) and name in RESOURCE_NAMES else None


def carried_designs(unpruned: Network, network: Network, fields: Mapping[str, object]) -> dict[str, Design]:
    """The design, by target, at which the area fields among ``fields`` hold for ``network``."""
    found = dict.fromkeys(target for target in map(area_target, fields) if target)
    return {target: carry_design(targets.design(unpruned, target), unpruned, network) for target in found}


def carry_design(design: Design, before: Network, after: Network) -> Design:
    """The design for the same layers with fewer channels: the most parallel legal folding that is no wider."""
    wide = {stage.name: stage for stage in pipeline(before).stages}
    choose = _narrow_folded if design.backend == "Slimfab" else _narrow_reuse
    foldings = {
        stage.name: choose(design.folding[stage.name], wide[stage.name], stage)
        for stage in pipeline(after).stages
        if stage.name in design.folding
    }
    return replace(design, network_hash=after.hash, folding=foldings)


def _narrow_reuse(folding: Folding, before: Stage, after: Stage) -> Folding:
    """hls4ml: no more multipliers than before; fully parallel layers stay so."""
    if folding.strategy != "resource":
        return folding
    multipliers = _products(before) / folding.reuse_factor
    reuse = next(reuse for reuse in legal_reuse_factors(after) if _products(after) / reuse <= multipliers)
    return replace(folding, reuse_factor=reuse)


def _narrow_folded(folding: Folding, before: Stage, after: Stage) -> Folding:
    """PE x SIMD: no more of either than before."""
    pe = max(lanes for lanes in legal_pe(after) if lanes <= folding.pe)
    simd = max(lanes for lanes in legal_simd(after) if lanes <= folding.simd)
    return replace(folding, pe=pe, simd=simd, reuse_factor=max(1, _products(after) // (pe * simd)))


def _products(stage: Stage) -> int:
    return stage.mw * stage.mh * stage.groups
