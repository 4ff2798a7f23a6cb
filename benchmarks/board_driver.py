# SPDX-License-Identifier: Apache-2.0
"""What the driver costs the host per transfer on the emulated board, beside pynq and numpy's copies; and 1 GB streamed.

    python -m benchmarks.board_driver [--gigabytes 1]

Times are those of the interpreter's profiler, an upper bound; the quietest of many rounds counts, because other
programs only ever add. The emulated board works first and its answers are recorded; what is timed is the same transfers
against these answers, because the simulation would leave the driver cold caches. What the columns hold is said in
``boards.emulated.trials.overhead``.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np

from boards.emulated.environment import EmulatedSession
from boards.emulated.project import write_emulated
from boards.emulated.trials import PLACES
from hls.emit import emit
from hwsim.design import Design, Folding
from hwsim.fixed import FixedPoint
from hwsim.network import Layer, Network, Tensor
from hwsim.ops import complete_attrs

CHANNELS, SIDE = 16, 8
ROUNDS, RUNS = 20, 20
BUDGET_US = 50.0  # of the driver per transfer, whatever its size


def wide() -> Network:
    """Sixteen bytes a cycle in and out, next to nothing between them."""
    fmt, shape = FixedPoint(8, 0), (CHANNELS, SIDE, SIDE)
    relu = Layer("relu", "relu", ("x",), ("y",))
    layers = (Layer("input", "input", (), ("x",)), Layer("relu", "relu", ("x",), ("y",), complete_attrs(relu)))
    return Network("wide", layers, {"x": Tensor(shape, fmt), "y": Tensor(shape, fmt)}, ("x",), ("y",))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=1.0)
    gigabytes = parser.parse_args().gigabytes
    network = wide()
    design = Design(network.hash, "pynq-z2", 100.0, backend="Slimfab", folding={"relu": Folding(CHANNELS, CHANNELS)})
    images = np.random.default_rng(0).integers(-128, 128, (1024, CHANNELS, SIDE, SIDE)).astype(np.int8)
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        emit(network, {}, design, home / "design")
        bundle = write_emulated(network, {}, images[:4], home / "design", home / "bundle")
        with EmulatedSession(bundle, answer_s=7200.0) as session:
            print("µs per transfer   " + "".join(f"{part:>10}" for part in PLACES))
            slowest = 0.0
            for count in (1, 16, 256, 1024):
                asked = {"runs": RUNS}
                rounds = [session.ask("overhead", asked, images[:count])[0]["seconds"] for _ in range(ROUNDS)]
                best = [1e6 * min(one[part] for one in rounds) for part in PLACES]
                print(f"{count:>6} images      " + "".join(f"{value:>10.1f}" for value in best))
                slowest = max(slowest, best[0])
            print(f"driver: {slowest:.1f} µs at most; the budget is {BUDGET_US:g}")
            found = session.ask("soak", {"bytes": round(gigabytes * (1 << 30))}, images)[0]
    grown = (found["after"] - found["before"]) / (1 << 20)
    moved = found["bytes"] / (1 << 30)
    print(f"{moved:.2f} GB in {found['runs']} runs, {found['wrong']} of them wrong; memory grew by {grown:.1f} MB")
    sys.exit(found["wrong"] != 0)


if __name__ == "__main__":
    main()
