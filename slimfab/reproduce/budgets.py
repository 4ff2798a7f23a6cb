# SPDX-License-Identifier: Apache-2.0
"""Half of a residual network's products, and a budget of cycles beside one of products.

Everything is trained for as long as everything else. What was cut may learn from the unpruned network (``distil``);
controls are other channels, other widths, the same shape from scratch, and the unpruned network itself.
"""

import copy
from collections.abc import Mapping
from dataclasses import replace

from torch import nn

from hwsim.errors import RecipeError
from hwsim.importers.torch import import_torch
from prune import METHODS, Method, Pruned, prune
from prune.hardware import hardware_cost
from slimfab.reproduce.card import Bar, Row
from slimfab.reproduce.experiment import HardwareBudget
from slimfab.reproduce.lab import Lab

#: Channels from which the next layer's weights can be found again by least squares, and those weights.
OURS = replace(METHODS["backward"], update="refit")
CYCLES = "cycles"  # the figure: what the hardware budget's field says of a network
OURS_NAME, SCRATCH = "backward + refit", "from scratch, same shape"
HARDWARE, ALIGNED = "budget of cycles", "budget of MACs, widths aligned"


def run(lab: Lab) -> tuple[tuple[Row, ...], tuple[Bar, ...]]:
    """``keep`` of the MACs by our method and by controls, then the same method within the hardware budget."""
    hardware = _hardware(lab)
    model = lab.train(lab.new_model(), lab.scale.train, "train")
    base, macs = lab.accuracy(model), {"macs": lab.scale.keep}
    ours = _cut(lab, model, OURS, macs)
    aligned = _cut(lab, model, OURS, macs, hardware.align)
    within = _cut(lab, model, OURS, {hardware.field: hardware.share}, hardware.align)
    rows = [
        _tuned(lab, model, OURS_NAME, ours.module),
        *(
            _tuned(lab, model, name, _cut(lab, model, _uniform(method), macs).module, control=True)
            for name, method in (("uniform L1", "magnitude"), ("random channels", "random"))
        ),
        _tuned(lab, model, *lab.random_search(model, lab.scale.keep, hardware.bits), control=True),
        lab.from_scratch(ours.module, lab.scale.train.epochs + lab.scale.finetune.epochs),
        _tuned(lab, model, "unpruned, trained on", model, control=True),
        _tuned(lab, model, HARDWARE, within.module),
        replace(lab.row(ALIGNED, aligned.module, True), figures={CYCLES: _cycles(lab, aligned.module)}),
    ]
    return tuple(replace(row, base=base) for row in rows), _bars(lab, {row.name: row for row in rows}, base)


def _hardware(lab: Lab) -> HardwareBudget:
    if lab.scale.hardware is None:
        raise RecipeError("experiment: no section 'hardware'; expected field, share, align and bits; add it")
    return lab.scale.hardware


def _cut(lab: Lab, model: nn.Module, method: Method, budget: Mapping[str, float], align: int = 1) -> Pruned:
    lab.say(f"cut to {budget}")
    bits = _hardware(lab).bits
    return prune(
        model,
        lab.data.shape,
        method=method,
        budget=budget,
        samples=lab.samples,
        align=align,
        bits=bits,
        seed=lab.seed,
    )


def _uniform(method: str) -> Method:
    return replace(METHODS[method], allocator="uniform")


def _tuned(lab: Lab, model: nn.Module, name: str, module: nn.Module, *, control: bool = False) -> Row:
    """The row of a cut network: as it is, and fine-tuned, taught by the unpruned one where the section distils."""
    tuned = lab.train(copy.deepcopy(module), lab.scale.finetune, f"fine-tune {name}", teacher=model)
    return replace(
        lab.row(name, module, control),
        epochs=lab.scale.finetune.epochs,
        cut=lab.accuracy(module),
        final=lab.accuracy(tuned),
        figures={CYCLES: _cycles(lab, module)},
    )


def _cycles(lab: Lab, module: nn.Module) -> float:
    """What the hardware budget's field says of the network as it would be deployed."""
    network = import_torch(module, lab.data.shape)[0].with_bits(_hardware(lab).bits)
    return hardware_cost(network)(network, _hardware(lab).field)


def _bars(lab: Lab, rows: Mapping[str, Row], base: float) -> tuple[Bar, ...]:
    bound, final = lab.scale.bars, {name: row.final or 0.0 for name, row in rows.items()}
    cycles, within = rows[HARDWARE].figures[CYCLES], final[OURS_NAME] - final[HARDWARE]
    return (
        Bar("lost against the unpruned network", base - final[OURS_NAME], "<=", bound["loss"]),
        Bar("over the same shape from scratch", final[OURS_NAME] - final[SCRATCH], ">=", bound["over_scratch"]),
        Bar("budget of cycles: lost against the budget of MACs", within, "<=", bound["loss"]),
        Bar("its cycles beside the budget of MACs", cycles / rows[OURS_NAME].figures[CYCLES], "<=", bound["cycles"]),
        Bar("beside that with aligned widths", cycles / rows[ALIGNED].figures[CYCLES], "<=", bound["cycles"]),
    )
