# SPDX-License-Identifier: Apache-2.0
"""A quantised network as one C++ file, the layers that it calls, and its parameters: the golden integers on any CPU.

    g++ -std=c++17 -O3 -shared -fPIC -o network.so network.cpp

    uint64_t slimfab_network();                                                    // its hash
    void slimfab_run(const void *parameters, const void *x, void *y, int64_t images);

Images go in and come out as the network has them, (N, *shape), in the smallest integers of C++ that hold the formats of
its ends. Calls from several threads do not disturb each other.
"""

from collections.abc import Mapping
from pathlib import Path

from boards.cpu.calls import RULES
from boards.cpu.writer import Array, Writer
from boards.driver.cpu import FOLDER, PARAMETERS, REASON, SOURCE
from hwsim.errors import UnsupportedError
from hwsim.network import Layer, Network, check_weights

LAYERS = "layers.h"


def emit(network: Network, weights: Mapping[str, Array]) -> dict[str, bytes]:
    """The files by name.

    Raises:
        UnsupportedError: a layer has no exact integer form, or an exact result might leave 62 bits.
        WeightsError: weights are missing or misshapen.
    """
    if not network.is_quantised or len(network.inputs) != 1 or len(network.outputs) != 1:
        raise UnsupportedError(
            f"{network.name}: expected one input, one output and a fixed-point format of every tensor; quantise it"
        )
    check_weights(network, weights)
    writer = Writer(network, weights)
    for writer.step, layer in enumerate(network.layers):
        writer.lines.append(f"// {layer.name}: {layer.op}")
        if layer.op == "input":
            _take(writer, layer)
        elif layer.op in RULES:
            RULES[layer.op](writer, layer)
        else:
            raise UnsupportedError(f"{layer.name}: {layer.op} has no exact integer form; end the network before it")
    _give(writer)
    text = _text(writer).encode()
    layers = (Path(__file__).parent / LAYERS).read_bytes()
    return {SOURCE: text, LAYERS: layers, PARAMETERS: bytes(writer.parameters)}


def _take(writer: Writer, layer: Layer) -> None:
    shape, kind = writer.shape(layer.output), writer.kind(layer.output)
    result = writer.output(layer)
    size = writer.network.tensors[layer.output].size
    planes, pixels = (shape[0], shape[1] * shape[2]) if len(shape) == 3 else (1, size)
    writer.lines.append(f"const auto *taken = static_cast<const {kind} *>(x) + image * {size};")
    writer.lines.append(f"interleave<{planes}, {pixels}>(taken, {result});")


def _give(writer: Writer) -> None:
    name = writer.network.outputs[0]
    shape, size = writer.shape(name), writer.network.tensors[name].size
    planes, pixels = (shape[0], shape[1] * shape[2]) if len(shape) == 3 else (1, size)
    writer.lines.append(f"auto *given = static_cast<{writer.kind(name)} *>(y) + image * {size};")
    writer.lines.append(f"interleave<{pixels}, {planes}>({writer.names[name]}, given);")


def _text(writer: Writer) -> str:
    network = writer.network
    first, last = network.inputs[0], network.outputs[0]
    ends = " to ".join(f"{writer.shape(end)} of {writer.format(end)}" for end in (first, last))
    types, lines = "\n".join(writer.types), "\n        ".join(writer.lines)
    return f"""\
// Network {network.hash}: {ends}, computed on integers as the golden executor does.
// g++ -std=c++17 -O3 -shared -fPIC -o network.so network.cpp
#include "layers.h"

using namespace slimfab;

namespace {{
{types}
alignas(64) thread_local unsigned char memory[{writer.memory.size}];
}}  // namespace

extern "C" uint64_t slimfab_network() {{ return 0x{network.hash}u; }}

extern "C" void slimfab_run(const void *parameters, const void *x, void *y, int64_t images) {{
    (void)parameters;
    for (int64_t image = 0; image < images; image++) {{
        {lines}
    }}
}}
"""


def bundle_files(network: Network, weights: Mapping[str, Array]) -> dict[str, bytes]:
    """The files by the names that they have in a bundle; where a network cannot be written as C++, the reason."""
    try:
        files = emit(network, weights)
    except UnsupportedError as error:
        files = {REASON: f"{error}\n".encode()}
    return {f"{FOLDER}/{name}": data for name, data in files.items()}
