# SPDX-License-Identifier: Apache-2.0
"""hls4ml designs with the ``axi_master`` wrapper: topology from a row's text or its training file, reuse factors from
the conversion file.

A layer's reuse factor is the legal one nearest to what is asked for (hls4ml, FPGABackend.set_closest_reuse_factor).
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from hwsim.fpga.hls4ml import PIXEL_OVERHEAD, PIXEL_SKIP, divisors
from hwsim.fpga.pixels import PixelStage, same_padding
from hwsim.fpga.system import transfers
from hwsim.validate.board_design import BoardDesign, Row

ACTIVATION_DEPTH = 3.0  # cycles of an activation behind a layer (reports of github:Keb-L/ALVEO-PYNQ_ML)


@dataclass(frozen=True)
class Convolution:
    """A square convolution with "same" padding."""

    kernel: int
    filters: int
    stride: int


@dataclass(frozen=True)
class Topology:
    """An image of size x size x channels through convolutions to dense layers; an MLP has an image of one pixel."""

    size: int
    channels: int
    convolutions: tuple[Convolution, ...]
    dense: tuple[int, ...]


AD03 = Topology(1, 128, (), (64, 8, 64, 128))  # github:mlcommons/tiny_results_v0.5, open/hls4ml/code/ad/AD03


def design(row: Row, configs: Sequence[Any]) -> BoardDesign | None:
    """The design a row describes; None where its topology or reuse factors are not known."""
    text = row["network"]
    topology = _from_text(text) or _from_training(configs) or (AD03 if text.startswith("AD03") else None)
    if topology is None:
        return None
    reuse = _reuse(text, configs, len(topology.convolutions) + len(topology.dense))
    return None if reuse is None else _pipeline(topology, reuse)


def legal_reuse(n_in: int, n_out: int, asked: int) -> int:
    """The legal reuse factor nearest to the asked one, the smaller of two (hls4ml, FPGABackend)."""
    legal = {*divisors(n_in), *(n_in * each for each in divisors(n_out))}
    return min(sorted(legal), key=lambda each: abs(each - asked))


def _from_text(text: str) -> Topology | None:
    layers = re.findall(r"conv(\d+)x\1x(\d+) s(\d+)", text)
    image = re.search(r"(\d+)x\1x(\d+)", text)
    dense = tuple(int(size) for size in re.findall(r"dense (\d+)", text))
    if layers and image and dense:
        found = tuple(Convolution(int(kernel), int(filters), int(stride)) for kernel, filters, stride in layers)
        return Topology(int(image.group(1)), int(image.group(2)), found, dense)
    sizes = re.search(r"\b\d+(?:-\d+){2,}", text)
    if sizes is None:
        return None
    widths = [int(size) for size in sizes.group().split("-")]
    return Topology(1, widths[0], (), tuple(widths[1:]))


def _from_training(configs: Sequence[Any]) -> Topology | None:
    """CIFAR-10 networks of two layers per stack, ``filters``, ``kernels`` and one text of ``strides`` per stack."""
    for config in configs:
        model = config.get("model", {}) if isinstance(config, dict) else {}
        if not {"filters", "kernels", "strides"} <= set(model):
            continue
        filters, kernels = [int(each) for each in model["filters"]], [int(each) for each in model["kernels"]]
        strides = [str(each) for each in model["strides"]]
        # The first layer of the first stack stands alone, and the stack ends with as many filters again.
        order = [filters[0], filters[1], filters[0], *filters[2:]]
        steps = [int(each) for each in strides[0]] + [int(each) for stack in strides[1:] for each in stack[:2]]
        layers = zip(kernels, order, steps, strict=False)
        return Topology(32, 3, tuple(Convolution(*layer) for layer in layers), (10,))
    return None


def _reuse(text: str, configs: Sequence[Any], layers: int) -> list[int] | None:
    """Reuse factors as asked for, layer by layer."""
    found = re.search(r"\bRF ?(\d+)", text)
    if found:
        return [int(found.group(1))] * layers
    listed = [list(_layer_factors(config)) for config in configs if isinstance(config, dict)]
    whole = [int(factor) for config in configs if isinstance(config, dict) for factor in _global_factors(config)]
    for factors in listed:
        if len(factors) == layers:
            return factors
    return [whole[0]] * layers if whole else None


def _global_factors(config: dict[str, Any]) -> Iterator[int]:
    for section in (config, config.get("convert"), config.get("Model")):
        if isinstance(section, dict):
            for key in ("REUSE", "ReuseFactor"):
                if key in section:
                    yield section[key]


def _layer_factors(config: dict[str, Any]) -> Iterator[int]:
    """Of layers with a matrix, the last layer behind the numbered ones (QKeras names it without "batchnorm")."""
    layers = config.get("LayerName") or config.get("HLSConfig", {}).get("LayerName") or {}
    matrices = {name: each for name, each in layers.items() if name.startswith(("q_dense", "q_conv"))}
    for name in sorted(matrices, key=lambda name: ("batchnorm" not in name and "q_dense_batchnorm" in matrices, name)):
        if isinstance(matrices[name], dict) and "ReuseFactor" in matrices[name]:
            yield int(matrices[name]["ReuseFactor"])


def _pipeline(topology: Topology, reuse: list[int]) -> BoardDesign:
    stages: list[PixelStage] = []

    def put(**fields: Any) -> None:
        stages.append(PixelStage(**fields, sources=(len(stages) - 1,) if stages else ()))

    size, channels = topology.size, topology.channels
    factors = iter(reuse)
    for layer in topology.convolutions:
        out, before = same_padding(size, layer.kernel, layer.stride)
        factor = legal_reuse(channels * layer.kernel**2, layer.filters, next(factors))
        put(rows_in=size, columns_in=size, rows_out=out, columns_out=out, work=factor + PIXEL_OVERHEAD,
            take=PIXEL_SKIP, depth=ACTIVATION_DEPTH, kernel=(layer.kernel, layer.kernel),
            stride=(layer.stride, layer.stride), padding=(before, before), order="in_turn")  # fmt: skip
        size, channels = out, layer.filters
    width = size * size * channels
    for position, outputs in enumerate(topology.dense):
        # The first dense layer collects the pixels of the image in front of it.
        whole = {"rows_in": size, "columns_in": size, "kernel": (size, size)} if position == 0 else {}
        factor = legal_reuse(width, outputs, next(factors))
        put(**{"rows_in": 1, "columns_in": 1, **whole}, rows_out=1, columns_out=1, work=factor + PIXEL_OVERHEAD,
            depth=ACTIVATION_DEPTH)  # fmt: skip
        width = outputs
    return BoardDesign(tuple(stages), transfers("copied", topology.size**2, topology.channels, width),
                       topology.size**2)  # fmt: skip
