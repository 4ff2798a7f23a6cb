# SPDX-License-Identifier: Apache-2.0
"""From the golden network to an hls4ml project, and the proof that every executor computes the same integers."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hwsim import device as devices
from hwsim import serial
from hwsim.design import Design
from hwsim.errors import VerifyError
from hwsim.network import Network
from slimfab.flow import Run, Summary
from slimfab.stages.compress import float_network, golden, pruned_module, quantised_module
from slimfab.stages.train import dataset, float_module

if TYPE_CHECKING:
    from hls.project import Project


def hardware_stage(run: Run) -> Summary:
    """Choose the folding that makes the most of the board and write the hls4ml project."""
    from hls.lowering import lower
    from hls.project import write_project
    from hwsim.fpga.folding import choose_design

    section = run.recipe.hardware
    folder = run.folder("hardware")
    network, weights = golden(run)
    board = devices.load(section.board)
    design = choose_design(network, board, "hls4ml", section.clock_mhz, section.io_type)
    design = replace(design, backend=section.backend)
    lowered = lower(network, weights, design)
    run.memory["project"] = write_project(lowered, folder / "project")
    serial.write_json(folder / "design.json", design)
    return {
        "board": section.board,
        "backend": section.backend,
        "io_type": section.io_type,
        "clock_mhz": design.clock_mhz,
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
    networks = {
        "float": float_network(run, float_module(run))[0],
        "pruned": float_network(run, pruned_module(run))[0],
        "quantised": golden(run)[0],
    }
    names = list(dict.fromkeys([*section.targets, built]))
    found: dict[str, list[Any]] = {}
    for index, (variant, network) in enumerate(networks.items()):
        found[variant] = []
        for position, name in enumerate(names):
            run.listener.advanced((index + position / len(names)) / len(networks), f"{variant} on {name}")
            chosen = design(run) if variant == "quantised" and name == built else None
            found[variant].append(serial.to_json(estimate(network, name, section.batch, chosen)))
    serial.write_json(run.folder("compare") / "estimates.json", found)
    serial.write_json(run.folder("compare") / "networks.json", {name: _size(one) for name, one in networks.items()})
    return {"targets": len(names)}


def _size(network: Network) -> dict[str, Any]:
    return {
        "macs": network.macs(),
        "parameters": network.parameters(),
        "weight_bits": network.weight_bits(),
        "layers": len(network.layers),
        "hash": network.hash,
    }


def verify_stage(run: Run) -> Summary:
    """Compare torch, the QONNX file and hls4ml's C simulation with the golden executor on test images.

    Raises:
        VerifyError: an integer differs; names the executor and the first layer.
    """
    raise VerifyError("pending")
