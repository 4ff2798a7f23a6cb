# SPDX-License-Identifier: Apache-2.0
"""From the golden network to an hls4ml project, and the proof that every executor computes the same integers."""

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hwsim import device as devices
from hwsim import serial
from hwsim.design import Design
from hwsim.errors import VerifyError
from hwsim.network import Network, Weights
from slimfab.flow import Run, Summary
from slimfab.stages.compress import float_network, golden, pruned_module, qonnx_path, quantised_module
from slimfab.stages.train import dataset, float_module

if TYPE_CHECKING:
    from torch import nn

    from hls.project import Project
    from hwsim.fixed import IntArray


def hardware_stage(run: Run) -> Summary:
    """Choose the folding that makes the most of the board and write the hls4ml project.

    Raises:
        BudgetError: no folding meets the recipe's budgets.
    """
    from hls.lowering import lower
    from hls.project import write_project
    from hwsim.fpga.folding import choose

    section = run.recipe.hardware
    folder = run.folder("hardware")
    network, weights = golden(run)
    board = devices.load(section.board)
    choice = choose(network, board, "hls4ml", section.clock_mhz, section.io_type, section.goal)
    if section.budget:
        choice.require()
    design = replace(choice.design, backend=section.backend)
    lowered = lower(network, weights, design)
    run.memory["project"] = write_project(lowered, folder / "project")
    serial.write_json(folder / "design.json", design)
    return {
        "board": section.board,
        "backend": section.backend,
        "io_type": section.io_type,
        "clock_mhz": design.clock_mhz,
        "folding": choice.text().removeprefix("folding: "),
        "hls4ml_layers": len(lowered.nodes),
        "notes": list(lowered.notes),
    }


def design(run: Run) -> Design:
    """The chosen folding."""
    path = run.folder("hardware") / "design.json"
    return serial.from_json(Design, serial.read_json(path), str(path))


def project(run: Run) -> "Project":
    """The written hls4ml project."""

    def load() -> "Project":
        from hls.lowering import lower
        from hls.project import Project

        network, weights = golden(run)
        return Project(run.folder("hardware") / "project", lower(network, weights, design(run)))

    found: Project = run.remember("project", load)
    return found


def evaluate_stage(run: Run) -> Summary:
    """Open the test split, once: accuracy of the float, pruned and quantised network."""
    from quant.train import evaluate

    x, y = dataset(run).as_float("test")
    modules: dict[str, Any] = {
        "float": float_module(run),
        "pruned": pruned_module(run),
        "quantised": quantised_module(run),
    }
    accuracy = {}
    for index, (name, module) in enumerate(modules.items()):
        run.listener.advanced(index / len(modules), name)
        accuracy[name] = evaluate(module, x, y)
    serial.write_json(run.folder("evaluate") / "accuracy.json", accuracy)
    return accuracy


def compare_stage(run: Run) -> Summary:
    """Cost the float, pruned and quantised network on every target; on the recipe's board as it was built."""
    from hwsim.targets import estimate

    section, built = run.recipe.compare, f"fpga:{run.recipe.hardware.board}"
    quantised, weights = golden(run)
    networks = {
        "float": float_network(run, float_module(run))[0],
        "pruned": float_network(run, pruned_module(run))[0],
        "quantised": quantised,
    }
    names = list(dict.fromkeys([*section.targets, built]))
    fits = True
    found: dict[str, list[Any]] = {}
    for index, (variant, network) in enumerate(networks.items()):
        found[variant] = []
        for position, name in enumerate(names):
            run.listener.advanced((index + position / len(names)) / len(networks), f"{variant} on {name}")
            integers = variant == "quantised"
            chosen = design(run) if integers and name == built else None
            one = estimate(network, name, section.batch, chosen, weights=weights if integers else None)
            fits = one.fits() if chosen is not None else fits
            found[variant].append(serial.to_json(one))
    serial.write_json(run.folder("compare") / "estimates.json", found)
    serial.write_json(run.folder("compare") / "networks.json", {name: _size(one) for name, one in networks.items()})
    return {"targets": len(names), "fits_board": fits}


def _size(network: Network) -> dict[str, Any]:
    return {
        "macs": network.macs(),
        "parameters": network.parameters(),
        "weight_bits": network.weight_bits(),
        "layers": len(network.layers),
        "hash": network.hash,
    }


def verify_stage(run: Run) -> Summary:
    """Compare torch, the QONNX file (executed, and imported) and hls4ml's C simulation with the golden executor.

    qonnx executes in float32. A file whose sums need more bits is only imported and executed exactly.

    Raises:
        VerifyError: an integer differs; names the executor and the first layer.
    """
    import torch

    from hls.executors import CsimExecutor, Executor, GoldenExecutor, QonnxExecutor, TorchExecutor
    from hls.verify import verify
    from hwsim.importers.onnx import import_onnx
    from quant.executor import exact_dtype

    network, weights = golden(run)
    images = test_images(run, network, run.recipe.verify.images)
    csim = CsimExecutor(
        network,
        weights,
        run.folder("verify") / "csim",
        design(run),
        cache=run.folder("verify") / "cache",
        progress=run.progress("C simulation"),
    )
    executors: dict[str, Callable[[], Executor]] = {
        "torch": lambda: TorchExecutor(_exact_module(run, network, weights), network),
        "qonnx": lambda: QonnxExecutor(qonnx_path(run), network, progress=run.progress("QONNX")),
        "imported": lambda: GoldenExecutor(*import_onnx(qonnx_path(run))),
        "csim": lambda: csim,
    }
    remarks = {}
    if exact_dtype(network, weights) is not torch.float32:
        executors["qonnx"] = executors.pop("imported")
        remarks["qonnx"] = "imported and executed exactly: its sums exceed qonnx's float32"
    _same_sources(run, csim.project)
    found = {}
    for name, make in executors.items():
        run.listener.advanced(0.0, f"{name}: {len(images)} images")
        report = verify(network, weights, images, {name: make()})
        serial.write_json(run.folder("verify") / f"{name}.json", report)
        report.require()
        found[name] = report.comparisons[0]
    counts = {
        name: {
            "images": one.images,
            "integers": one.outputs,
            "mismatches": one.mismatches,
            "against": "golden",
            "remark": remarks.get(name, ""),
        }
        for name, one in found.items()
    }
    # Golden and torch were compared with each other; the golden executor's row is that comparison seen from its side.
    counts["golden"] = {**counts.pop("torch"), "against": "torch"}
    serial.write_json(run.folder("verify") / "verify.json", counts)
    return {"images": len(images), "mismatches": sum(one.mismatches for one in found.values())}


def _same_sources(run: Run, simulated: "Project") -> None:
    """What is simulated is what was built.

    Raises:
        VerifyError: the C++ in the hardware stage's project is not what the golden network gives.
    """
    built = project(run)
    if simulated.source_hash != built.source_hash:
        raise VerifyError(
            f"{built.folder}: its C++ is not what the golden network gives; delete the folder and run again"
        )


def test_images(run: Run, network: Network, count: int) -> "IntArray":
    """The first ``count`` test images as integers of the network's input format."""
    data = dataset(run)
    source = network.tensors[network.inputs[0]].format
    assert source is not None  # a golden network has formats everywhere
    if data.input_format is not None:
        return data.as_ints("test")[0][:count]
    return source.quantise(data.as_float("test")[0][:count])


def _exact_module(run: Run, network: Network, weights: Weights) -> "nn.Module":
    """The quantised torch module in the narrowest type in which its sums are exact."""
    from quant.executor import exact_dtype

    return copy.deepcopy(quantised_module(run)).to(exact_dtype(network, weights))
