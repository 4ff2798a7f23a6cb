# SPDX-License-Identifier: Apache-2.0
"""From a network, a board and a goal to the design that serves it best, with what is proven about it."""

import math
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from hwsim.design import Design
from hwsim.device import Device
from hwsim.errors import BudgetError
from hwsim.fpga.folding import search
from hwsim.fpga.folding.board import Board, allowed_by, exceeded
from hwsim.fpga.folding.goal import RESOURCES, Goal
from hwsim.fpga.folding.joints import Joints, joints
from hwsim.fpga.folding.lanes import Converter, converters, matched, slowest
from hwsim.fpga.folding.options import Options, all_options, chain_fifo_depths, safe_fifo_depths
from hwsim.fpga.folding.paths import Path, longest_path, parallel_path
from hwsim.fpga.folding.relaxation import Index
from hwsim.fpga.folding.search import Answer, Problem
from hwsim.fpga.resources import SHELL, Array
from hwsim.fpga.stages import Pipeline, pipeline
from hwsim.network import Network

TIMED_KEPT = 100  # partial choices that are followed where paths are limits too, which takes longer
WHOLE = ("dsp", "bram18")  # resources that come in whole blocks


@dataclass(frozen=True)
class Choice:
    """A design and how good it is.

    ``value`` is the objective's figure of the design and ``bound`` what no other folding goes below, both by the cost
    model and without what lies outside of the pipeline: start and stop of the DMA, and the driver. ``used`` are the
    resources with the board's shell and with what is between and around the stages. ``misses`` says by how much budgets
    are exceeded, and by name; where it is not empty, nothing fits, and the design is the nearest to it.
    """

    design: Design
    objective: str
    value: float
    bound: float
    used: Mapping[str, float]
    misses: Mapping[str, float]

    @property
    def gap(self) -> float:
        """By what share the design could be worse than the best there is."""
        return self.value / self.bound - 1 if self.bound > 0 else 0.0 if self.value == self.bound else math.inf

    def text(self) -> str:
        """The objective's figure and how far it is from the best there could be, in one line."""
        if self.misses:
            return f"folding: none fits, the nearest exceeds {self._missed()}"
        best = f"at most {100 * self.gap:.2g} % above the smallest, proven to be no less than {self.bound:.4g}"
        if self.gap < 5e-4:
            best = "proven to be the smallest"
        return f"folding: {self.objective} {self.value:.4g}, {best}"

    def require(self) -> "Choice":
        """The same choice.

        Raises:
            BudgetError: a budget is exceeded; names each, by how much, and the nearest design.
        """
        if not self.misses:
            return self
        occupied = ", ".join(f"{name}={value:.0f}" for name, value in self.used.items())
        raise BudgetError(
            f"{self.design.device}: no folding fits; the nearest exceeds {self._missed()} and has {occupied}, "
            f"{self.objective}={self.value:.4g}; allow that much, use fewer bits, or prune"
        )

    def _missed(self) -> str:
        return ", ".join(f"{name} by {excess:.4g}" for name, excess in self.misses.items())


def choose_design(
    network: Network, device: Device, mapping: str, clock_mhz: float | None = None, io_type: str | None = None,
    goal: Goal | None = None,
) -> Design:  # fmt: skip
    """The design of :func:`choose`; where not even the smallest fits the board, the one that comes nearest."""
    return choose(network, device, mapping, clock_mhz, io_type, goal).design


def choose(
    network: Network, device: Device, mapping: str, clock_mhz: float | None = None, io_type: str | None = None,
    goal: Goal | None = None,
) -> Choice:  # fmt: skip
    """The folding that serves a goal best: the shortest interval within the board's resources by default.

    Args:
        network: what to place.
        device: an FPGA board; a resource without a budget may take ``device["utilisation"]`` of what is there.
        mapping: "hls4ml" or "folded".
        clock_mhz: the device's default clock if None.
        io_type: for hls4ml; None chooses io_stream for images and io_parallel for vectors.
        goal: objective and budgets.

    Raises:
        InputError: a budget is more than the device has.
    """
    stages, goal = pipeline(network), goal or Goal()
    clock = device["clock_mhz"] if clock_mhz is None else clock_mhz
    io = io_type or ("io_stream" if stages.has_images or mapping == "folded" else "io_parallel")
    key = (network.hash, device.name, mapping, clock, io, goal.objective, tuple(sorted(goal.budgets.items())))
    if key not in _CACHE:
        _CACHE[key] = _choose(network, device, mapping, clock, io, goal)
        if len(_CACHE) > _CACHE_SIZE:
            _CACHE.popitem(last=False)
    return _CACHE[key]


_CACHE: OrderedDict[tuple[object, ...], Choice] = OrderedDict()
_CACHE_SIZE = 256


def _choose(network: Network, device: Device, mapping: str, clock: float, io: str, goal: Goal) -> Choice:
    stages = pipeline(network)
    backend = "Slimfab" if mapping == "folded" else "Vitis"
    fifo_depths = chain_fifo_depths if mapping == "folded" else safe_fifo_depths
    depths = {} if io == "io_parallel" else fifo_depths(stages)
    draft = Design(network.hash, device.name, clock, io, backend, {}, depths)  # refuses impossible clocks
    board = allowed_by(network, device, clock, goal)
    if not stages.stages:
        return Choice(draft, goal.objective, 0.0, 0.0, dict(SHELL), {})
    options = all_options(stages, mapping, io)
    is_folded = mapping == "folded"
    between = converters(network, stages, options.stage, options.foldings) if is_folded else []
    beside = joints(stages, options.stage, options.foldings, between) if is_folded else Joints()
    asked = _problem(stages, options, board, io, goal.objective, beside)
    picks, value, bound = _best(asked, board, goal.objective, between, beside)
    rows = asked.rows[np.arange(len(picks)), picks]
    folding = {
        stage.name: options.foldings[row]
        for stage, row in zip(stages.stages, rows.tolist(), strict=True)
        if stage.kind in ("matrix", "depthwise") or is_folded
    }
    extra = dict(zip(RESOURCES, beside.cells(rows).tolist(), strict=True))
    used = {name: float(getattr(options.cost, name)[rows].sum()) + extra[name] + SHELL[name] for name in RESOURCES}
    interval, latency = max(asked.interval(picks), slowest(between, rows)), asked.longest(picks)[0] + board.outside
    if goal.objective == "interval_us":
        value = max(value, interval / clock)
    misses = exceeded(board, used, max(interval, board.shortest), latency)
    return Choice(replace(draft, folding=folding), goal.objective, value, bound, used, misses)


def _problem(
    stages: Pipeline, options: Options, board: Board, io_type: str, objective: str, beside: Joints
) -> Problem:  # fmt: skip
    """Resources in shares of what the device has; limits leave room for what every design has beside its stages."""
    scale = np.array([board.scale[name] for name in RESOURCES])
    used = np.stack([getattr(options.cost, name) for name in RESOURCES], axis=1) / scale
    limits = (np.array([board.limits[name] - SHELL[name] for name in RESOURCES]) - beside.least) / scale
    path = _parallel(stages, board) if io_type == "io_parallel" else _streaming(stages, board)
    timed = objective in ("latency_us", "energy_uj") or board.latency < math.inf
    found = search.problem(used, options.cost.busy, options.cost.depth, options.starts, limits, path, timed)
    kept = TIMED_KEPT if timed else found.kept
    further = (lambda rows: (beside.cells(rows).T - beside.least) / scale) if beside.parts else None
    latency = board.latency - board.outside
    return replace(found, slowest=board.interval, latency=latency, kept=kept, further=further)


def _streaming(stages: Pipeline, board: Board) -> Callable[[Array, Array], Path]:
    return lambda busy, depth: longest_path(stages, busy, depth, board.input_cycles)


def _parallel(stages: Pipeline, board: Board) -> Callable[[Array, Array], Path]:
    path = parallel_path(stages, board.input_cycles)
    return lambda busy, depth: path


@dataclass(frozen=True, eq=False)
class Served:
    """An objective's answer, the problem that demands as much, and the figure that a value stands for."""

    answer: Answer
    held: Problem
    figure: Callable[[float], float]


def _serve(asked: Problem, board: Board, objective: str, beside: Joints) -> Served:
    if objective == "interval_us":
        answer = search.shortest_interval(asked, board.shortest)
        return Served(answer, replace(asked, slowest=answer.value), lambda cycles: cycles / board.clock_mhz)
    if objective in ("latency_us", "energy_uj"):
        answer = search.shortest_latency(asked)
        figure = board.energy_uj if objective == "energy_uj" else lambda cycles: cycles / board.clock_mhz
        held = replace(asked, latency=answer.value * (1 + 1e-9))
        return Served(answer, held, lambda cycles: figure(cycles + board.outside))
    resource, scale = RESOURCES.index(objective), board.scale[objective]
    answer = search.least_resource(asked, resource, 1 / scale if objective in WHOLE else 0.0)
    limits = np.where(np.arange(len(RESOURCES)) == resource, answer.value, asked.limits)
    always = SHELL[objective] + float(beside.least[resource])
    return Served(answer, replace(asked, limits=limits), lambda share: share * scale + always)


def _best(
    asked: Problem, board: Board, objective: str, between: Sequence[Converter], beside: Joints
) -> tuple[Index, float, float]:  # fmt: skip
    """Picks, the objective's figure of them, and its bound."""
    served = _serve(asked, board, objective, beside)
    if served.answer.picks is not None:
        others = np.array([name != objective for name in RESOURCES])
        picks = search.balanced(served.held, served.answer.picks, others)
        picks = matched(served.held, picks, between, max(asked.interval(picks), board.shortest))
        return picks, served.figure(served.answer.value), served.figure(served.answer.bound)
    picks = _nearest(asked, board)
    longest, shares = asked.longest(picks)[0], asked.sums(picks)
    values = {"interval_us": max(asked.interval(picks), board.shortest), "latency_us": longest, "energy_uj": longest}
    value = values[objective] if objective in values else float(shares[RESOURCES.index(objective)])
    return picks, served.figure(value), served.figure(value)


def _nearest(asked: Problem, board: Board) -> Index:
    """Where not all limits can be met: nearest to those of the resources, or, within these, the shortest time."""
    untimed = replace(asked, slowest=math.inf, latency=math.inf)
    answer = search.nearest(untimed)
    assert answer.picks is not None  # its limits rise until something fits
    if answer.value > 1e-9:
        return search.lightest(replace(untimed, limits=untimed.limits + answer.value), answer.picks)
    interval = search.shortest_interval(untimed, board.shortest)
    if interval.picks is not None and interval.value > asked.slowest:
        return search.lightest(replace(untimed, slowest=interval.value), interval.picks)
    latency = search.shortest_latency(replace(asked, latency=math.inf))
    return answer.picks if latency.picks is None else latency.picks
