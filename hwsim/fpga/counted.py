# SPDX-License-Identifier: Apache-2.0
"""Cycles of a whole design on our own dataflow back end, beat by beat: the ones that its SystemVerilog takes."""

from dataclasses import dataclass

from hwsim.design import Design
from hwsim.errors import FormatError, UnsupportedError
from hwsim.fixed import FixedPoint
from hwsim.fpga.outline import outline
from hwsim.fpga.stages import FLOAT_BITS
from hwsim.fpga.tokens import Pipeline, simulate, steady
from hwsim.network import Network, Weights

MOST_BEATS = 20_000_000  # per image on all wires together: some seconds, and two gigabytes
MOST_IMAGES = 32  # after which a pipeline with a FIFO that fills up slowly counts as not settled


@dataclass(frozen=True)
class Counted:
    """Cycles without the DMA around a pipeline, at whose ends nothing waits.

    ``total`` runs from the first beat of the first image in to the last beat of the last one out, ``interval`` between
    images in steady state, ``taken`` is how long the pipeline takes for the input of the first image. Where images have
    not settled, ``fastest`` is the interval that the slowest unit allows, else the interval itself.
    """

    total: int
    interval: float
    fastest: float
    taken: int


def count(network: Network, design: Design, batch: int, weights: Weights | None = None) -> Counted | str:
    """Cycles of ``batch`` images, or why they cannot be counted.

    Without weights they are those of weights of which none is zero: a layer that leaves out blocks of zeros is faster,
    but it stores a vector before it begins. What has no number format is taken for fixed point of as many bits.
    """
    try:
        found = outline(_with_formats(network), design, weights)
    except (UnsupportedError, FormatError) as error:
        return str(error)
    stages = found.pipeline()
    beats = sum(stages.beats.values())
    if beats > MOST_BEATS:
        return f"{beats:,} beats per image are too many to follow; at most {MOST_BEATS:,} are"
    images = steady(stages, MOST_IMAGES)
    if images.flow.circle:
        return f"it stands still: {', '.join(images.flow.circle)} wait for each other; deepen their FIFOs"
    taken = int(images.flow.in_cycles[0, -1] - images.flow.in_cycles[0, 0]) + 1
    fastest = images.interval if images.settled else min(images.interval, float(found.interval))
    return Counted(_total(stages, batch, images.interval), images.interval, fastest, taken)


def _total(stages: Pipeline, batch: int, interval: float) -> int:
    """Cycles of images that come as fast as they are taken; beyond those that are followed, at the interval.

    Images at an even pace, as :func:`steady` sends them where that is enough, may be a cycle later at first.
    """
    seen = max(1, min(batch, MOST_IMAGES, MOST_BEATS // max(1, sum(stages.beats.values()))))
    flow = simulate(stages, seen)
    return int(flow.out_cycles[-1, -1] - flow.in_cycles[0, 0]) + round((batch - seen) * interval)


def _with_formats(network: Network) -> Network:
    """The network with a number format for every tensor; those that have one keep it."""
    missing = {name: tensor for name, tensor in network.tensors.items() if tensor.format is None}
    if not missing:
        return network
    return network.with_formats(
        {name: FixedPoint(tensor.storage_bits or FLOAT_BITS, 0) for name, tensor in missing.items()}
    )
