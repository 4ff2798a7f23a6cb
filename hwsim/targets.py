# SPDX-License-Identifier: Apache-2.0
"""Targets by name, and the one call that costs a network on any of them.

    cpu:NAME           a processor, all cores               hwsim/cpu.py
    cpu:NAME/sparse    the same, kernels that leave out zeros   hwsim/cpu_sparse.py
    gpu:NAME           a GPU, one engine or CUDA graph      hwsim/gpu.py
    gpu:NAME/eager     a GPU, every operation launched      hwsim/gpu.py
    npu:NAME           an array of processing elements      hwsim/npu
    npu:NAME/ws        the same, weight stationary; also os, is and rs
    fpga:NAME          an FPGA board, stages by hls4ml      hwsim/fpga
    fpga:NAME/folded   the same board, PE x SIMD stages     hwsim/fpga

NAME is a file in hwsim/devices (``pynq-z2``), the path of another one, or ``host`` for this machine.  A new kind of
target is a function like those below and a line in TARGET_KINDS.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from hwsim import cpu, cpu_sparse, device, gpu, npu, ops
from hwsim.design import Design
from hwsim.device import Device
from hwsim.errors import InputError, UnknownNameError
from hwsim.estimate import FIGURE_NAMES, Estimate
from hwsim.fpga import assemble, stated_zeros
from hwsim.fpga.folding import Choice, Goal, choose
from hwsim.network import Network, Weights
from hwsim.registry import Registry, suggest
from hwsim.sparsity import Pattern, check_layers, remarks, unstructured

Model = Callable[[Network, Device, int, Design | None], Estimate]

TARGET_KINDS: Registry[Model] = Registry("target kind")
TARGET_KINDS.register("cpu")(cpu.estimate)
TARGET_KINDS.register("cpu/sparse")(cpu_sparse.estimate)
TARGET_KINDS.register("gpu")(gpu.estimate)
TARGET_KINDS.register("gpu/eager")(gpu.estimate_eager)
TARGET_KINDS.register("npu")(npu.estimate)
for _dataflow in npu.DATAFLOWS:
    TARGET_KINDS.register(f"npu/{_dataflow}")(partial(npu.estimate, dataflow=_dataflow))
TARGET_KINDS.register("fpga")(assemble.estimate_hls4ml)
TARGET_KINDS.register("fpga/folded")(assemble.estimate_folded)

#: Models that are given patterns of zeros, by kind; the other kinds compute zeros as they compute all weights.
SPARSE_KINDS: Mapping[str, Callable[..., Estimate]] = {
    "cpu/sparse": cpu_sparse.estimate,
    "gpu": gpu.estimate_sparse,
    "npu": npu.estimate,
    **{f"npu/{dataflow}": partial(npu.estimate, dataflow=dataflow) for dataflow in npu.DATAFLOWS},
    "fpga/folded": stated_zeros.estimate,
}

COUNTS: dict[str, Callable[[Network], int]] = {
    "macs": Network.macs,
    "params": Network.parameters,
    "weight_bits": Network.weight_bits,
}


@dataclass(frozen=True)
class Target:
    """A parsed target: the model to ask, the device to ask it about, and the model to ask about zeros, if any."""

    name: str
    model: Model
    device: Device
    sparse: Callable[..., Estimate] | None


def names() -> list[str]:
    """Every target that works without a device file of your own."""
    found = []
    for name in device.names():
        kind = device.load(name).kind
        found += [f"{kind}:{name}{suffix}" for suffix in _suffixes(kind)]
    return sorted(found)


def parse(name: str) -> Target:
    """Find the model and the device a target names.

    Raises:
        UnknownNameError: the kind, the device or the mapping does not exist; the message has the nearest spelling.
        InputError: the text is not of the form kind:name, or the device is of another kind.
    """
    kind, colon, rest = name.partition(":")
    if not colon:
        raise InputError(f"target: got '{name}'; expected kind:name such as cpu:cortex-a72; {suggest(name, names())}")
    if kind not in TARGET_KINDS or "/" in kind:
        kinds = {known.split("/")[0] for known in TARGET_KINDS}
        raise UnknownNameError(f"unknown target kind '{kind}'; {suggest(kind, kinds)}")
    device_name, mapping = _split_mapping(kind, rest)
    try:
        found = device.load(device_name)
    except UnknownNameError:
        raise UnknownNameError(f"unknown target '{name}'; {suggest(name, names())}") from None
    if found.kind != kind:
        raise InputError(f"target: got '{name}', but {device_name} is a {found.kind}; use {found.kind}:{device_name}")
    return Target(name, TARGET_KINDS[kind + mapping], found, SPARSE_KINDS.get(kind + mapping))


def _suffixes(kind: str) -> list[str]:
    return [known.removeprefix(kind) for known in TARGET_KINDS if known.split("/")[0] == kind]


def _split_mapping(kind: str, rest: str) -> tuple[str, str]:
    if rest.endswith((".yaml", ".yml")):
        return rest, ""
    for suffix in _suffixes(kind):
        if suffix and rest.endswith(suffix):
            return rest.removesuffix(suffix), suffix
    head, slash, mapping = rest.rpartition("/")
    if slash:
        known = [suffix.removeprefix("/") for suffix in _suffixes(kind) if suffix]
        raise UnknownNameError(f"unknown mapping '{mapping}' of {kind}:{head}; {suggest(mapping, known)}")
    return rest, ""


def estimate(
    network: Network, target: str, batch: int = 1, design: Design | None = None,
    sparsity: Mapping[str, Pattern] | None = None, weights: Weights | None = None,
) -> Estimate:  # fmt: skip
    """What a network costs on a target.

    Args:
        network: the network; its formats and shapes count.
        target: see the head of this file.
        batch: inferences handed over together.
        design: the layout on an FPGA; None chooses the one with the shortest interval that fits.
        sparsity: zeros among the weights of some layers; a note says where they save nothing, and why.
        weights: integers by tensor: on an FPGA, PE x SIMD stages leave out blocks of zeros, and layers that hls4ml
            unrolls products by zero. Other targets compute all, and a note says so.

    Raises:
        InputError, UnknownNameError: the target, batch or design is wrong.
    """
    if batch < 1:
        raise InputError(f"batch: got {batch}; expected a whole number >= 1; use 1 for single inferences")
    found = parse(target)
    if design is not None and design.network_hash != network.hash:
        raise InputError(f"design: made for network {design.network_hash}, got {network.hash}; choose a design again")
    if weights is not None and found.device.kind == "fpga":
        model = assemble.estimate_folded if target.endswith("/folded") else assemble.estimate_hls4ml
        return model(network, found.device, batch, design, weights)
    patterns = _zeros(network, weights or {}) if sparsity is None else sparsity
    if patterns and found.sparse is not None and design is None:
        return found.sparse(network, found.device, batch, sparsity=patterns)
    dense = found.model(network, found.device, batch, design)
    check_layers(network, patterns)
    return replace(dense, notes=(*dense.notes, *remarks(patterns.values(), found.device.kind, target)))


def _zeros(network: Network, weights: Weights) -> dict[str, Pattern]:
    """The zeros among the weights of single layers, anywhere; layers without any, or with no others, are left out."""
    found = {}
    for layer in network.layers:
        if layer.op in ops.WEIGHTED and layer.params["weight"] in weights:
            array = np.asarray(weights[layer.params["weight"]])
            kept = float(np.count_nonzero(array) / array.size)
            found.update({layer.name: unstructured(kept)} if 0 < kept < 1 else {})
    return found


def design(network: Network, target: str, clock_mhz: float | None = None) -> Design:
    """The folding with the shortest interval that fits the board of an fpga target; see :func:`best_folding`."""
    return best_folding(network, target, clock_mhz).design


def best_folding(
    network: Network, target: str, clock_mhz: float | None = None, goal: Goal | None = None
) -> Choice:  # fmt: skip
    """The folding that serves a goal best on the board of an fpga target, with what is proven about it.

    Args:
        goal: the shortest interval within the board's resources by default.

    Raises:
        InputError: the target is not an FPGA, or a budget is more than it has.
    """
    found = parse(target)
    if found.device.kind != "fpga":
        raise InputError(f"target: got '{target}'; expected an fpga target; only those have a design")
    return choose(network, found.device, "folded" if target.endswith("/folded") else "hls4ml", clock_mhz, goal=goal)


def compare(
    network: Network, targets: Sequence[str], batch: int = 1, sparsity: Mapping[str, Pattern] | None = None
) -> list[Estimate]:
    """Estimates on several targets in the order given."""
    return [estimate(network, target, batch, sparsity=sparsity) for target in targets]


def cost(network: Network, what: str) -> float:
    """One number for a search to minimise: macs, params, weight_bits, or TARGET.FIELD ("fpga:pynq-z2.dsp").

    Raises:
        UnknownNameError: no such count, target or field.
    """
    if what in COUNTS:
        return float(COUNTS[what](network))
    target, dot, name = what.rpartition(".")
    if not dot or ":" not in target:
        raise UnknownNameError(
            f"unknown cost '{what}'; {suggest(what, COUNTS)}, or TARGET.FIELD such as "
            f"cpu:cortex-a72.latency_us with a field of {', '.join(FIGURE_NAMES)}"
        )
    return estimate(network, target).field(name)
