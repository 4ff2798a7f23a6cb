# SPDX-License-Identifier: Apache-2.0
"""Widths, bits and folding chosen together for one board, beside the 8-bit network folded by simpler rules.

The unpruned network and everything that was found are fine-tuned for as long, in float and then with quantisation.
Training moves number formats, and with them what the best folding takes: where that ends beyond the budget, the search
is repeated under a limit that is tighter by as much. The winner is emitted as SystemVerilog and simulated: its integers
must be the golden executor's, and its cycles say what the estimate was worth.
"""

import copy
import math
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np
from torch import nn

from hwsim import targets
from hwsim.errors import RecipeError
from hwsim.fixed import FixedPoint
from hwsim.fpga.folding import Goal, choose, fastest_uniform
from hwsim.importers.torch import import_torch
from hwsim.network import Network, Weights
from prune.budget import Bounds
from prune.ladder import restart
from prune.search import Problem, pose_joint
from prune.search.bits import with_bits
from quant.calibrate import calibrate
from quant.convert import to_network
from quant.module import QuantModule
from quant.spec import QuantSpec
from slimfab.reproduce.card import Bar, Row
from slimfab.reproduce.experiment import JointSection
from slimfab.reproduce.lab import Lab

REUSE, BEST_REUSE = "8 bits, one reuse factor", "8 bits, best reuse factors"
FOLDED, UNIFORM, RANDOM = "8 bits, best folding", "uniform widths and bits", "random widths and bits"
JOINT, SCRATCH = "joint", "from scratch, same shape and bits"
TRIES = 10  # random points per evaluation
FIGURES = ("latency_us", "interval_us", "lut", "dsp", "bram18")
ESTIMATED, COUNTED = "cycles estimated", "cycles in RTL"  # from the first input to the last output
REAL_INPUTS = FixedPoint(16, 10)
TIMES = ("latency_us", "interval_us")
SEARCHES = 3  # the first, and up to two under tighter limits of time
SEARCHED = "searches"


@dataclass(frozen=True)
class Deployed:
    """A trained network as integers, and the quantised module that computes the same."""

    network: Network
    weights: Weights
    module: nn.Module


def run(lab: Lab) -> tuple[tuple[Row, ...], tuple[Bar, ...]]:
    """The unpruned network in 8 bits in three designs, widths and bits by simple rules, and the joint search."""
    model = lab.train(lab.new_model(), lab.scale.train, "train")
    base = lab.accuracy(model)
    problem = _problem(lab, model)
    plain = _deploy(lab, model, _spec(lab), FOLDED)
    rules = {UNIFORM: _uniform, RANDOM: _random}
    rows = [*_plain_rows(lab, plain)]
    rows += [_trained_row(lab, _searched(lab, problem, rule(lab, problem), name), name) for name, rule in rules.items()]
    values, deployed, searches = _joint(lab, model)
    row = _trained_row(lab, deployed, JOINT)
    rows.append(replace(row, figures={**row.figures, **_simulated(lab, deployed), SEARCHED: searches}))
    rows.append(_from_scratch(lab, problem, values))
    return tuple(replace(one, base=base) for one in rows), _bars(lab, {one.name: one for one in rows}, base)


def _joint(lab: Lab, model: nn.Module) -> tuple[Mapping[str, int], Deployed, int]:
    """What was found and trained within the budget, or after the last search beyond it, and how many it took.

    Scores do not depend on limits: later searches take them from the first.
    """
    tightened, searches, taken = 1.0, 0, math.inf
    with tempfile.TemporaryDirectory() as scores:
        while taken > 1 and searches < SEARCHES:
            problem = _problem(lab, model, tightened)
            lab.say(f"joint search, limits of time x {tightened:.3f}")
            found = problem.run("knapsack", problem.environment(_section(lab).evaluations, scores), lab.seed)
            lab.say(found.remark)
            deployed = _searched(lab, problem, found.best.values, JOINT)
            taken = _taken(lab, _figures(lab, deployed.network))
            lab.say(f"{100 * taken:.1f} % of the budget")
            tightened, searches = tightened / taken, searches + 1
    return found.best.values, deployed, searches


def _taken(lab: Lab, figures: Mapping[str, float]) -> float:
    """The largest share of a limit."""
    return max(figures[field] / limit for field, limit in _section(lab).budget.items())


def _section(lab: Lab) -> JointSection:
    if lab.scale.joint is None:
        raise RecipeError("experiment: no section 'joint'; expected board, budget, bits and widths; add it")
    return lab.scale.joint


def _problem(lab: Lab, model: nn.Module, tightened: float = 1.0) -> Problem:
    """The search, with limits of time ``tightened`` by that factor."""
    section = _section(lab)
    x, y = lab.data.as_float("val")
    amounts = {name: asked * (tightened if name in TIMES else 1.0) for name, asked in section.budget.items()}
    return pose_joint(
        model,
        lab.data.shape,
        {f"fpga:{section.board}/folded.{name}": f"={amount}" for name, amount in amounts.items()},
        (x[: section.val_images], y[: section.val_images]),
        lab.samples.x.numpy(),
        bits=section.bits,
        spec=_spec(lab),
        bounds=Bounds(align=section.align, cap=section.cap),
        options=section.widths,
        seed=lab.seed,
    )


def _deploy(lab: Lab, model: nn.Module, spec: QuantSpec, what: str) -> Deployed:
    """Fine-tune a copy, calibrate it, and train it with quantisation."""
    tuned = lab.train(copy.deepcopy(model), lab.scale.finetune, what)
    network, weights = import_torch(tuned, lab.data.shape)
    module = calibrate(QuantModule(network, weights, spec), lab.samples.x)
    lab.train(module, _section(lab).quantised, f"quantised {what}")
    golden, integers = to_network(module.eval())
    return Deployed(golden, integers, module)


def _spec(lab: Lab) -> QuantSpec:
    """Eight bits everywhere, on the data's own input format."""
    return QuantSpec(input_format=lab.data.input_format or REAL_INPUTS)


def _plain_rows(lab: Lab, plain: Deployed) -> Iterator[Row]:
    """One trained network, in hls4ml's design with one reuse factor, with the best ones, and folded by us."""
    board = _section(lab).board
    device = targets.parse(f"fpga:{board}").device
    designs = {
        REUSE: fastest_uniform(plain.network, device),
        BEST_REUSE: choose(plain.network, device, "hls4ml", goal=Goal("latency_us")).design,
    }
    for name, design in designs.items():
        estimate = targets.estimate(plain.network, f"fpga:{board}", design=design)
        figures = {field: estimate.field(field) for field in FIGURES}
        yield replace(_row(lab, name, plain, control=True), figures=figures)
    yield replace(_row(lab, FOLDED, plain, control=True), figures=_figures(lab, plain.network))


def _searched(lab: Lab, problem: Problem, values: Mapping[str, int], name: str) -> Deployed:
    module, _ = problem.evaluator.cut(values)
    return _deploy(lab, module, with_bits(_spec(lab), values), name)


def _trained_row(lab: Lab, deployed: Deployed, name: str) -> Row:
    return replace(_row(lab, name, deployed, control=name != JOINT), figures=_figures(lab, deployed.network))


def _row(lab: Lab, name: str, deployed: Deployed, *, control: bool) -> Row:
    """Size and accuracy on the test images, which is that of the quantised module."""
    network, accuracy = deployed.network, lab.accuracy(deployed.module)
    return Row(name, control, network.macs(), network.parameters(), _after(lab), final=accuracy)


def _after(lab: Lab) -> int:
    """Epochs after the base."""
    return lab.scale.finetune.epochs + _section(lab).quantised.epochs


def _goal(lab: Lab) -> Goal:
    """The shortest latency within the budget's resources."""
    resources = {k: v for k, v in _section(lab).budget.items() if k not in TIMES}
    return Goal("latency_us", resources)


def _figures(lab: Lab, network: Network) -> dict[str, float]:
    target = f"fpga:{_section(lab).board}/folded"
    design = targets.best_folding(network, target, goal=_goal(lab)).design
    estimate = targets.estimate(network, target, design=design)
    return {field: estimate.field(field) for field in FIGURES}


def _uniform(lab: Lab, problem: Problem) -> Mapping[str, int]:
    """Of one width and one number of bits everywhere, those within the budget that are best on validation images."""
    section, space = _section(lab), problem.space
    env = problem.environment(section.widths * len(section.bits))
    lab.say(UNIFORM)
    for width, bits in product(range(section.widths), range(len(section.bits))):
        wanted = [bits if name.name.endswith("_width") else width for name in space.variables]
        point = np.minimum(np.array(wanted, dtype=np.int64), space.widest)
        if env.fits(point[None])[0]:
            env.rate([point])
    return env.best().values


def _random(lab: Lab, problem: Problem) -> Mapping[str, int]:
    """Of random widths and bits within the budget, those that are best on validation images."""
    env, rng = problem.environment(_section(lab).random_points), np.random.default_rng(lab.seed)
    lab.say(RANDOM)
    for _ in range(TRIES * env.evaluations):
        point = rng.integers(0, problem.space.sizes)
        if env.left and env.fits(point[None])[0]:
            env.rate([point])
    if not env.spent:
        env.rate([problem.space.narrowest])
    return env.best().values


def _from_scratch(lab: Lab, problem: Problem, values: Mapping[str, int]) -> Row:
    """The control that inherits nothing: the found shape with new weights, trained as the base and then quantised."""
    module = restart(problem.evaluator.cut(values)[0], lab.seed)
    lab.train(module, lab.scale.train, SCRATCH)
    deployed = _deploy(lab, module, with_bits(_spec(lab), values), SCRATCH)
    epochs = lab.scale.train.epochs + _after(lab)
    return replace(_row(lab, SCRATCH, deployed, control=True), epochs=epochs)


def _simulated(lab: Lab, deployed: Deployed) -> dict[str, float]:
    """Cycles of an image through the emitted winner; an integer that differs is an error."""
    from slimfab.rtl import simulate

    section = _section(lab)
    source = deployed.network.tensors[deployed.network.inputs[0]].format
    assert source is not None  # a golden network has formats everywhere
    has_raw = lab.data.input_format is not None
    images = lab.data.as_ints("test")[0] if has_raw else source.quantise(lab.data.as_float("test")[0])
    lab.say("simulate SystemVerilog")
    with tempfile.TemporaryDirectory() as name:
        folder, network, few = Path(name), deployed.network, images[: section.rtl_images]
        found = simulate(
            network, deployed.weights, few, folder / "design", section.board, goal=_goal(lab), cache=folder / "cache"
        )
    return {ESTIMATED: found.estimate.field("cycles"), COUNTED: float(found.cycles)}


def _bars(lab: Lab, rows: Mapping[str, Row], base: float) -> tuple[Bar, ...]:
    bound, ours = lab.scale.bars, rows[JOINT]
    latency = {name: row.figures["latency_us"] for name, row in rows.items() if row.figures}
    final = {name: row.final or 0.0 for name, row in rows.items()}
    reuse, folded = (latency[name] / latency[JOINT] for name in (REUSE, FOLDED))
    plain = max(base, final[FOLDED])  # a control that its own training spoilt is none
    counted = abs(ours.figures[COUNTED] / ours.figures[ESTIMATED] - 1)
    return (
        Bar("one reuse factor: its latency beside the joint design's", reuse, ">=", bound["reuse"]),
        Bar("best folding of 8 bits: its latency beside the joint design's", folded, ">=", bound["folding"]),
        Bar("largest share of a limit that the joint design takes", _taken(lab, ours.figures), "<=", bound["budget"]),
        Bar("lost against float or 8 bits, unpruned, the better", plain - final[JOINT], "<=", bound["loss"]),
        Bar("over uniform widths and bits", final[JOINT] - final[UNIFORM], ">=", bound["over_uniform"]),
        Bar("cycles in RTL: off the estimate", counted, "<=", bound["rtl"]),
    )
