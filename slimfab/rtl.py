# SPDX-License-Identifier: Apache-2.0
"""The way without vendor tools: an integer network as SystemVerilog, simulated image by image and cycle by cycle."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hwsim import device as devices
from hwsim.errors import InputError
from hwsim.estimate import Estimate
from hwsim.network import Network, Weights, load
from slimfab.models import is_torch

if TYPE_CHECKING:
    from hwsim.exact import Exact
    from hwsim.fixed import FixedPoint, IntArray
    from hwsim.fpga.folding import Goal

Listen = Callable[[float, str], None]


@dataclass(frozen=True)
class Simulated:
    """One simulation of a design, with the estimate of the same design.

    ``cycles`` run from the first input of an image to its last output, ``ii`` from image to image, while source and
    sink never wait. ``mismatches`` of ``integers`` differ from the golden executor's. ``folding`` says in words how
    good the design's folding is proven to be.
    """

    target: str
    clock_mhz: float
    cycles: int
    ii: int
    images: int
    integers: int
    mismatches: int
    estimate: Estimate
    folding: str

    @property
    def latency_us(self) -> float:
        """From the first input of an image to its last output."""
        return self.cycles / self.clock_mhz

    @property
    def interval_us(self) -> float:
        """From image to image."""
        return self.ii / self.clock_mhz


def simulate(
    network: Network,
    weights: Weights,
    images: "IntArray",
    folder: Path,
    board: str,
    clock_mhz: float | None = None,
    goal: "Goal | None" = None,
    *,
    cache: Path | None = None,
    listen: Listen = lambda share, text: None,
) -> Simulated:
    """Emit the folding that makes the most of the board, simulate it, compare integers and count cycles.

    Args:
        images: (N, *shape) integers of the input's format, N at least 2.
        goal: what the folding makes smallest, and its budgets; the shortest interval by default.
        folder: where the SystemVerilog is written; replaced if it holds some.
        cache: folder of compiled designs; the user's cache folder by default.
        listen: called with the share that is done and with what is done next.

    Raises:
        UnsupportedError: a layer has no template; names it.
        ToolMissing, ToolFailed: Verilator or g++ is missing or failed.
        InputError: there are too few images, or a budget is more than the board has.
        BudgetError: no folding meets the goal's budgets.
        VerifyError: an integer differs from the golden executor's; names the first layer.
        OutputError: the folder cannot be written.
    """
    from hls.rtl_compile import QUICK, compile_design, find_compiler, find_verilator
    from hls.rtl_sim import RtlExecutor
    from hls.verify import verify
    from hwsim.fpga.assemble import estimate_folded
    from hwsim.fpga.folding import choose

    _expect_two(len(images))
    find_verilator(), find_compiler()  # before anything is written
    choice = choose(network, devices.load(board), "folded", clock_mhz, goal=goal)
    design = (choice.require() if goal is not None and goal.budgets else choice).design
    # Few images are sooner through a library that is compiled in little time than through one that is fast.
    executor = RtlExecutor(network, weights, design, folder, cache=cache, optimise=QUICK)
    listen(0.0, f"{len(executor.manifest.units)} units: Verilator and g++")
    compile_design(executor.folder, executor.manifest, cache, QUICK)
    listen(0.5, f"{len(images)} images")
    (found,) = verify(network, weights, images, {"rtl": executor}).require().comparisons
    run, target = executor.last_run, f"fpga:{board}/folded"
    assert run is not None  # verify has run it
    assert run.interval is not None  # of two images or more
    predicted = estimate_folded(network, devices.load(board), 1, design, weights)
    counted = run.latency, run.interval, found.images, found.outputs, found.mismatches
    return Simulated(target, design.clock_mhz, *counted, predicted, choice.text())


def load_integers(source: str, input_format: "FixedPoint | None" = None) -> "Exact":
    """The integer network of a quantised ONNX or QONNX file, whatever its scales, or of a folder with network.json.

    Args:
        input_format: of the file's inputs, where it does not say it; None leaves quantising them to the host.

    Raises:
        InputError: it cannot be read, is not quantised, or names a torch module; says what to do.
    """
    from hwsim.exact import Exact
    from hwsim.importers.onnx import import_exact

    if is_torch(source):
        raise InputError(
            f"{source}: got no quantised network; expected a QONNX file or a folder with network.json; quantise a "
            "torch module with 'slimfab run', whose recipe may have an rtl section"
        )
    if Path(source).suffix.lower() == ".onnx":
        return import_exact(source, input_format=input_format)
    if input_format is not None:
        raise InputError(f"{source}: got input format {input_format}; expected none, the folder says it; leave it out")
    network, weights = load(Path(source))
    if not network.is_quantised:
        raise InputError(f"{source}: is not quantised; expected a format on every tensor; quantise it first")
    return Exact(network, weights)


def sample_inputs(network: Network, count: int, seed: int = 0) -> "IntArray":
    """(count, *shape) inputs: all smallest, all largest, all 0, a mix of the ends, and then random integers.

    Raises:
        InputError: fewer than two.
    """
    _expect_two(count)
    tensor = network.tensors[network.inputs[0]]
    assert tensor.format is not None
    low, high = tensor.format.min_int, tensor.format.max_int
    rng = np.random.default_rng(seed)
    images = rng.integers(low, high + 1, (count, *tensor.shape))
    images[:1], images[1:2], images[2:3] = low, high, 0
    images[3:4] = rng.choice([low, high], tensor.shape)
    return images


def read_inputs(exact: "Exact", path: Path) -> "IntArray":
    """(N, *shape) integers of the input's format from a .npy file: as they are, or real numbers for the whole model.

    Real numbers go through what the host computes in front of the integers.

    Raises:
        InputError: the file is missing, damaged or pickled, or its data do not fit the network's input.
    """
    from hls.mappable import check_images

    try:
        with path.open("rb") as file:
            data = np.lib.format.read_array(file, allow_pickle=False)
    except OSError as error:
        raise InputError(f"{path}: cannot read ({error.strerror}); check the path") from error
    except (ValueError, EOFError, MemoryError) as error:
        raise InputError(f"{path}: is no .npy file of plain numbers; write it with numpy.save") from error
    return check_images(exact.network, exact.quantise(data) if data.dtype.kind == "f" else data)


def _expect_two(images: int) -> None:
    if images < 2:
        raise InputError(f"images: got {images}; expected at least 2, to count what lies between them")
