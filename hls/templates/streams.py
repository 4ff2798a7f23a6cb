# SPDX-License-Identifier: Apache-2.0
"""What stands between layers – FIFOs, width converters, forks – and the addition that joins branches."""

from hls.templates.unit import Unit
from hwsim.fixed import FixedPoint
from hwsim.fpga import dataflow
from hwsim.fpga.dataflow import MIN_DEPTH


def fifo(name: str, layer: str, wires: tuple[str, str], width: int, beats: int, depth: int) -> Unit:
    """A FIFO of at least :data:`MIN_DEPTH` words of ``width`` bits."""
    parameters: dict[str, int | str] = {"WIDTH": width, "DEPTH": max(depth, MIN_DEPTH)}
    return Unit(name, "fifo", layer, parameters, dataflow.fifo(beats), (wires[0],), (wires[1],))


def width_converter(
    name: str, layer: str, wires: tuple[str, str], width: int, lanes: tuple[int, int], beats_in: int
) -> Unit:
    """From ``lanes[0]`` values of ``width`` bits per beat to ``lanes[1]``; one of the two divides the other."""
    parameters: dict[str, int | str] = {"WIDTH": width, "IN_LANES": lanes[0], "OUT_LANES": lanes[1]}
    timing = dataflow.width_converter(beats_in, *lanes)
    return Unit(name, "width_converter", layer, parameters, timing, (wires[0],), (wires[1],))


def stream_fork(name: str, layer: str, source: str, readers: tuple[str, ...], width: int, beats: int) -> Unit:
    """The same ``width`` bits to every reader's wire."""
    parameters: dict[str, int | str] = {"WIDTH": width, "COUNT": len(readers)}
    return Unit(name, "stream_fork", layer, parameters, dataflow.stream_fork(beats), (source,), readers)


def add(
    name: str, layer: str, sources: tuple[str, ...], result: str, exact: FixedPoint, lanes: int, beats: int
) -> Unit:
    """The sum of several streams that all have the format ``exact``, which holds the sum too."""
    parameters: dict[str, int | str] = {"COUNT": len(sources), "LANES": lanes, "WIDTH": exact.width}
    return Unit(name, "add", layer, parameters, dataflow.add(beats, len(sources)), sources, (result,))
