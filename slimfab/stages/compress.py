# SPDX-License-Identifier: Apache-2.0
"""Pruning, quantisation and export: from the float network to the golden integer network."""

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hwsim import network as networks
from hwsim.network import Network, Weights
from slimfab.flow import Run, Summary
from slimfab.recipe import PruneSection, QuantiseSection
from slimfab.stages.train import WEIGHTS, dataset, fit_section, float_module, load_weights, new_module, save_weights

if TYPE_CHECKING:
    from torch import nn

    from prune import Pruned
    from prune.api import Train, Tune
    from quant.hooks import Hook
    from quant.module import QuantModule
    from quant.spec import QuantSpec

QONNX_FILE = "model.onnx"


def prune_stage(run: Run) -> Summary:
    """Remove channels until the budget holds, then fine-tune."""
    from quant.train import evaluate

    section = run.recipe.prune
    folder = run.folder("prune")
    if section is None:
        run.memory["pruned"] = float_module(run)
        return {"skipped": "the recipe has no prune section"}
    teacher = float_module(run)

    def tune(module: "nn.Module", step: int) -> None:
        fit_section(run, module, section.finetune, folder / f"step-{step + 1}", teacher)

    trainings = 0

    def train(module: "nn.Module", hooks: "Sequence[Hook]") -> None:
        nonlocal trainings
        trainings += 1
        fit_section(run, module, section.training, folder / f"training-{trainings}", teacher, hooks)

    result = cut(run, float_module(run), section, tune, train)
    result.save(folder)
    run.memory["pruned"] = result.module
    x, y = dataset(run).as_float("val")
    changes = {f"{c.field}": round(c.after / c.before, 4) for c in result.costs if c.before}
    return {"val_accuracy": evaluate(result.module, x, y), **changes}


def cut(
    run: Run,
    module: "nn.Module",
    section: PruneSection,
    tune: "Tune | None" = None,
    train: "Train | None" = None,
) -> "Pruned":
    """A copy of ``module`` that meets the recipe's budget; ``tune`` fine-tunes after each step, ``train`` before."""
    import torch

    from prune import Samples, prune

    x, y = (array[: section.calibration_images] for array in dataset(run).as_float("train"))
    return prune(
        module,
        dataset(run).shape,
        method=section.method,
        budget=section.budget,
        criterion=section.criterion,
        allocator=section.allocator,
        ratios=section.ratios,
        schedule=section.schedule,
        steps=section.steps,
        strength=section.strength,
        samples=Samples(torch.from_numpy(x.copy()), torch.from_numpy(y.copy())),
        train=train,
        tune=tune,
        skip=section.skip,
        floor=section.floor,
        cap=section.cap,
        align=section.align,
        bits=deployed_bits(run.recipe.quantise),
        seed=run.recipe.seed,
    )


def deployed_bits(section: QuantiseSection) -> int:
    """The one width at which budgets are met: the widest that is deployed, so that they hold there too."""
    widths = [section.weight_width, section.activation_width, section.operand_width]
    single = [section.first_width, section.last_width]
    for one in section.overrides.values():
        single += [one.weight_width, one.activation_width]
    return max([*widths, *(width for width in single if width is not None)])


def pruned_module(run: Run) -> "nn.Module":
    """The pruned (or, without a prune section, the float) network."""
    from prune.store import rebuild

    def load() -> "nn.Module":
        if run.recipe.prune is None:
            return float_module(run)
        folder = run.folder("prune")
        return rebuild(lambda: new_module(run), folder / "choice.json", folder / WEIGHTS)

    return copy.deepcopy(run.remember("pruned", load))


def float_network(run: Run, module: "nn.Module") -> tuple[Network, Weights]:
    """A module as a float network with batch norms folded."""
    from hwsim.importers.torch import import_torch

    return import_torch(module, dataset(run).shape, name=run.recipe.name)


def _new_quantised(run: Run) -> "QuantModule":
    from quant.module import QuantModule

    network, weights = float_network(run, pruned_module(run))
    return QuantModule(network, weights, quant_spec(run))


def quant_spec(run: Run) -> "QuantSpec":
    """The recipe's widths, and the input format of its data."""
    from hwsim.fixed import FixedPoint
    from quant.spec import LayerWidths, QuantSpec

    section = run.recipe.quantise
    source = dataset(run).input_format or FixedPoint(16, 10)
    return QuantSpec(
        section.weight_width,
        section.activation_width,
        section.operand_width,
        section.bias_width,
        section.first_width,
        section.last_width,
        source,
        rounding=section.rounding,
        overrides={k: LayerWidths(v.weight_width, v.activation_width) for k, v in section.overrides.items()},
    )


def quantise_stage(run: Run) -> Summary:
    """Calibrate the number formats, then train with quantisation."""
    import torch

    from quant.calibrate import calibrate
    from quant.train import evaluate

    section = run.recipe.quantise
    folder = run.folder("quantise")
    module = _new_quantised(run)
    x, y = dataset(run).as_float("val")
    images = dataset(run).as_float("train")[0][: section.calibration_images]
    run.listener.advanced(0.0, "calibrating")
    calibrate(module, torch.from_numpy(images))
    calibrated = evaluate(module, x, y)
    fit_section(run, module, section.finetune, folder, pruned_module(run))
    save_weights(module, folder / WEIGHTS)
    run.memory["quantised"] = module
    return {"val_accuracy": evaluate(module, x, y), "val_accuracy_calibrated": calibrated}


def quantised_module(run: Run) -> "QuantModule":
    """The trained quantised network."""

    def load() -> "QuantModule":
        module = load_weights(_new_quantised(run), run.folder("quantise") / WEIGHTS)
        return module.eval()  # type: ignore[return-value]

    found: QuantModule = run.remember("quantised", load)
    return found


def export_stage(run: Run) -> Summary:
    """Write the QONNX file and the golden integer network."""
    from quant.convert import to_network
    from quant.export import export

    folder = run.folder("export")
    module = quantised_module(run)
    export(module, folder / QONNX_FILE)
    network, weights = to_network(module)
    networks.save(network, weights, folder / "golden")
    run.memory["golden"] = network, weights
    return {
        "layers": len(network.layers),
        "macs": network.macs(),
        "parameters": network.parameters(),
        "weight_kib": round(network.weight_bits() / 8192, 2),
    }


def golden(run: Run) -> tuple[Network, Weights]:
    """The golden integer network and its weights."""
    found: tuple[Network, Weights] = run.remember("golden", lambda: networks.load(run.folder("export") / "golden"))
    return found


def qonnx_path(run: Run) -> Path:
    """The exported QONNX file."""
    return run.folder("export") / QONNX_FILE
