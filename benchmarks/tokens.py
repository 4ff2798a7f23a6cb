# SPDX-License-Identifier: Apache-2.0
"""The token level on whole networks: exact cycles, FIFOs, and how many networks it answers for per second.

    python benchmarks/tokens.py [--board pynq-z2] [--rtl IMAGES] [--depths] [--trace FILE] [NETWORK ...]

NETWORK is one of the zoo, quantised to 6 bits with random weights at the fastest folding that fits the board, or "cnv",
the convolutional network of FINN's BNN-PYNQ examples at the folding of its W1A1 build; by default all of them. Latency
and interval are those of images that come as fast as they can be kept up with, for ever. "two images" is how many
networks per second of CPU time, on one core, are answered for with the cycle of every beat of two images, "for ever"
until images repeat. --rtl also runs so many images under Verilator and compares the cycle of every beat at both ends;
--depths finds the smallest FIFOs; --trace writes the last network's first images for a trace viewer.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"  # before numpy loads

import numpy as np
from rtl_networks import folded_design, quantised

from hls.dataflow import Dataflow
from hls.emit import write
from hls.layers import build
from hls.rtl_compile import QUICK
from hls.rtl_sim import simulate as simulate_rtl
from hls.tokens import pipeline
from hwsim import ops
from hwsim.design import Design, Folding
from hwsim.fixed import FixedPoint
from hwsim.fpga.tokens import Pipeline, simulate, smallest_depths, steady
from hwsim.fpga.tokens.timeline import write_chrome_trace
from hwsim.network import Layer, Network, Tensor, Weights

NETWORKS = ("jet_mlp", "vgg_tiny", "resnet8", "mobilenet_tiny", "ds_cnn", "cnv")
TITLES = ("network", "stages", "beats", "latency", "interval", "two images", "for ever", "FIFO words", "least", "RTL")
WIDTHS = (16, 7, 9, 9, 9, 11, 9, 11, 9, 5)
REPEATS = 5
# FINN examples, bnn-pynq/cnv-w1a1: (PE, SIMD) of six convolutions and three dense layers; the last PE was 1 of 10 + 6.
CNV_FOLDING = ((16, 3), (32, 32), (16, 32), (16, 32), (4, 32), (1, 32), (1, 4), (1, 8), (5, 1))
CNV_CHANNELS = (64, 64, 128, 128, 256, 256)
CNV_FEATURES = (512, 512, 10)


def main() -> None:
    """Print a line per network; exit code 1 if RTL takes other cycles."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("networks", nargs="*", default=NETWORKS)
    parser.add_argument("--board", default="pynq-z2")
    parser.add_argument("--rtl", type=int, default=0)
    parser.add_argument("--depths", action="store_true")
    parser.add_argument("--trace")
    arguments = parser.parse_args()
    print(row(TITLES))
    wrong = False
    for name in arguments.networks:
        dataflow = built(name, arguments.board)
        stages = pipeline(dataflow)
        found = steady(stages)
        least = sum(smallest_depths(stages).values()) if arguments.depths else ""
        same = equals_rtl(dataflow, stages, arguments.rtl) if arguments.rtl else None
        wrong |= same is False
        interval = f"{found.interval:g}" + ("" if found.settled else "?")
        words = sum(node.stage.depth for node in stages.queues)
        rates = (f"{rate(lambda one=stages: simulate(one, 2)):.0f}/s", f"{rate(lambda one=stages: steady(one)):.0f}/s")
        beats = simulate(stages, 1).beats
        verdict = {None: "", True: "=", False: "differs"}[same]
        print(row((name, len(stages.nodes), beats, found.latency, interval, *rates, words, least, verdict)), flush=True)
        if arguments.trace:
            write_chrome_trace(arguments.trace, stages, found.flow)
    sys.exit(1 if wrong else 0)


def rate(work: object) -> float:
    """How often per second of CPU time something can be done: the best of several times, as others use the machine."""
    assert callable(work)
    best = np.inf
    for _ in range(REPEATS):
        start = time.process_time()
        work()
        best = min(best, time.process_time() - start)
    return float(1 / best)


def built(name: str, board: str) -> Dataflow:
    """The hardware of a network."""
    if name == "cnv":
        return build(*cnv(), skip_zeros=False)
    network, weights = quantised(name)
    return build(network, weights, folded_design(network, board, None))


def cnv() -> tuple[Network, Weights, Design]:
    """FINN's CNV: six convolutions without padding, two poolings, three dense layers; here with 2 bits."""
    act, weight = FixedPoint(2, 0, False), FixedPoint(2, 0)
    layers, tensors = [Layer("x", "input", (), ("x",))], {"x": Tensor((3, 32, 32), FixedPoint(8, 0, False))}
    weights: Weights = {}
    folding = {}

    def append(op: str, name: str, shape: tuple[int, ...] | None = None, **attrs: object) -> None:
        source = layers[-1].output
        params = {} if shape is None else {"weight": f"{name}.w"}
        if shape is not None:
            tensors[f"{name}.w"] = Tensor(shape, weight)
            weights[f"{name}.w"] = np.ones(shape, dtype=np.int64)
        layer = Layer(name, op, (source,), (name,), attrs, params)
        complete = Layer(name, op, (source,), (name,), ops.complete_attrs(layer), params)
        shapes = {role: tensors[tensor].shape for role, tensor in params.items()}
        (out,) = ops.output_shapes(complete, [tensors[source].shape], shapes)
        tensors[name] = Tensor(out, act)
        layers.append(layer)

    for number, channels in enumerate(CNV_CHANNELS):
        before = tensors[layers[-1].output].shape[0]
        append("conv2d", f"conv{number}", (channels, before, 3, 3), kernel=(3, 3))
        folding[f"conv{number}"] = Folding(*CNV_FOLDING[number])
        if number in (1, 3):
            append("max_pool2d", f"pool{number}", kernel=(2, 2), stride=(2, 2))
            folding[f"pool{number}"] = Folding(channels)
    append("flatten", "flatten")
    for number, features in enumerate(CNV_FEATURES, len(CNV_CHANNELS)):
        append("dense", f"dense{number}", (features, tensors[layers[-1].output].shape[0]))
        folding[f"dense{number}"] = Folding(*CNV_FOLDING[number])
    network = Network("cnv", tuple(layers), tensors, ("x",), (layers[-1].output,))
    return network, weights, Design(network.hash, "none", 100.0, backend="Slimfab", folding=folding)


def equals_rtl(dataflow: Dataflow, stages: Pipeline, images: int) -> bool:
    """Whether every beat passes both ends in the same cycles under Verilator."""
    fmt = dataflow.input.format
    shape = (images, len(dataflow.input.order))
    values = np.random.default_rng(0).integers(fmt.min_int, fmt.max_int + 1, shape)
    flow = simulate(stages, images)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "design"
        write(dataflow, folder)
        run = simulate_rtl(dataflow, folder, values, cache=Path(name) / "cache", optimise=QUICK)
    return np.array_equal(run.in_cycles, flow.in_cycles) and np.array_equal(run.out_cycles, flow.out_cycles)


def row(cells: tuple[object, ...]) -> str:
    """The cells, the first one left and the others right."""
    first, *others = (str(cell).rjust(width) for cell, width in zip(cells, WIDTHS, strict=True))
    return "".join([first.strip().ljust(WIDTHS[0]), *others])


if __name__ == "__main__":
    main()
