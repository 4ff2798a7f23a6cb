# SPDX-License-Identifier: Apache-2.0
"""What stands around a design on a board: Verilog that every tool accepts, and C++ that packs as the RTL does."""

import subprocess
from pathlib import Path

import board_designs
import numpy as np
import pytest

from boards import board
from boards.manifest import Port
from boards.vivado import accelerator, network_cpp, plan, shell
from boards.vivado.accelerator import Accelerator
from boards.vivado.releases import Release
from hls import emit
from hls.beats import pack, unpack
from hls.dataflow import Stream, arrival_order
from hls.rtl_compile import lint
from hwsim import execute
from hwsim.errors import OutputError, UnsupportedError
from hwsim.fixed import FixedPoint

_MAIN = """
#include <cstdio>
int main() {{
    hls::stream<in_beat> source("source");
    hls::stream<out_beat> sink("sink");
    unsigned long long word;
    while (std::scanf("%llx", &word) == 1) source.write(in_beat(word));
    for (unsigned image = 0; image < {images}; image++) network(source, sink);
    while (!sink.empty()) std::printf("%llx\\n", (unsigned long long) sink.read());
}}
"""


def stream_of(port: Port) -> Stream:
    return Stream("", FixedPoint.parse(port.format), port.lanes, port.image, arrival_order(port.image))


def words(port: Port, values: np.ndarray) -> list[str]:
    """Images as hexadecimal beats."""
    arranged = values.reshape(len(values), -1)[:, arrival_order(port.image)]
    return [row.tobytes()[::-1].hex() for row in pack(stream_of(port), arranged)]


@pytest.mark.needs("hls4ml", "g++")
@pytest.mark.parametrize("io_type", ["io_stream", pytest.param("io_parallel", marks=pytest.mark.slow)])
def test_the_network_between_streams_is_exact(io_type, tmp_path):
    """hls4ml's C++ behind our streams computes the golden integers, packed as emitted SystemVerilog packs them."""
    made = board_designs.hls4ml(tmp_path / "project", io_type)
    images = board_designs.images(5)
    source = tmp_path / "main.cpp"
    source.write_text(network_cpp.text(made) + _MAIN.format(images=len(images)))
    command = [
        "g++", "-O1", "-w", "-std=c++17", "-I", tmp_path / "project", "-I", tmp_path / "project/firmware/ap_types",
        source, tmp_path / "project/firmware/net.cpp", "-o", tmp_path / "net",
    ]  # fmt: skip
    subprocess.run(command, check=True, cwd=tmp_path)
    (tmp_path / "weights").symlink_to(tmp_path / "project/firmware/weights")
    text = "\n".join(words(made.input, images))
    answer = subprocess.run([tmp_path / "net"], input=text, capture_output=True, text=True, check=True, cwd=tmp_path)
    size = shell.data_bits(made.output) // 8
    beats = [np.frombuffer(bytes.fromhex(line.zfill(2 * size))[::-1], np.uint8) for line in answer.stdout.split()]
    network, weights = board_designs.network()
    expected = execute(network, weights, images)
    np.testing.assert_array_equal(unpack(stream_of(made.output), np.array(beats)).reshape(expected.shape), expected)


@pytest.mark.needs("hls4ml", "verilator")
@pytest.mark.parametrize("flow", ["rtl", "hls4ml"])
def test_the_shell_is_clean_verilog(flow, tmp_path):
    made = getattr(board_designs, flow)(tmp_path / "design")
    plan.write(board.load("pynq-z2"), "pynq-z2", made, Release(2022, 2), tmp_path / "build", "tiny")
    sources = tmp_path / "build" / "sources"
    files = [f"{module}.sv" for module in shell.modules(made)] or list(made.sources)
    assert lint(sources, [f"{shell.NAME}.v", *files], shell.NAME) == ""


@pytest.mark.parametrize(("lanes", "word_bytes"), [(1, 1), (2, 2), (3, 4), (5, 8), (9, 16), (128, 128)])
def test_a_beat_is_a_word_of_the_dma(lanes, word_bytes):
    port = accelerator._port(emit.Port("ap_fixed<8,4>", lanes, 1, lanes, (lanes, 1, 1)), (lanes,))
    assert (port.word_bytes, port.lanes, port.beats, port.scale) == (word_bytes, lanes, 1, 0.0625)


def test_a_beat_that_is_wider_than_any_word():
    with pytest.raises(UnsupportedError, match="a beat of 129 x 8 bits takes 129 bytes; expected at most 128"):
        accelerator._port(emit.Port("ap_fixed<8,4>", 129, 1, 129, (129, 1, 1)), (129,))


@pytest.mark.parametrize(
    ("image", "width", "io_type", "lanes"),
    [((3, 8, 8), 8, "io_stream", 3), ((784, 1, 1), 8, "io_stream", 8), ((10, 1, 1), 16, "io_stream", 2),
     ((1, 28, 28), 8, "io_parallel", 8), ((7, 1, 1), 16, "io_parallel", 1), ((2, 1, 1), 53, "io_stream", 1)],
)  # fmt: skip
def test_pixels_of_many_channels_come_in_parts(image, width, io_type, lanes):
    assert accelerator._lanes(image, width, io_type) == lanes


@pytest.mark.needs("hls4ml", "g++")
def test_a_design_of_another_network(tmp_path):
    board_designs.rtl(tmp_path / "design")
    network, _ = board_designs.network()
    other = board_designs.Builder((3,), board_designs.S6)
    with pytest.raises(OutputError, match="was emitted from network .*; expected .*; emit it again"):
        accelerator.from_rtl(
            tmp_path / "design", other.build(other.dense("x", 2, board_designs.S6, board_designs.S6))[0]
        )
    assert accelerator.from_rtl(tmp_path / "design", network).network_hash == network.hash


def test_what_a_shell_offers(tmp_path: Path):
    made: Accelerator = board_designs.rtl(tmp_path / "design")
    assert (made.input.word_bytes, made.output.word_bytes) == (4, 4)  # 18 and 30 bits
    assert "to_core" not in shell.text(made)
    assert "to_core_tdata" in shell.text(board_designs.fixed("hls4ml"))
