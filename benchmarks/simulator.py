# SPDX-License-Identifier: Apache-2.0
"""This package beside SCALE-Sim and ZigZag on the same network, in the same run: cycles, and CPU time as ratios.

    python benchmarks/simulator.py [--rows 32] [--columns 32] [--dataflow os] [--scalesim PYTHON] [--zigzag PYTHON]
                                   [NETWORK]

NETWORK is a name from the zoo (resnet8 by default) or a folder with network.json and weights.npz. The peers do not
install beside each other or beside this package, so each has an environment of its own, whose interpreter is given:

    python -m venv S && S/bin/pip install scalesim==3.0.0 "numpy==2.2.6"     # its own choice of numpy breaks it
    python -m venv Z && Z/bin/pip install zigzag-dse==3.9.1 six              # six is not among its requirements

A peer without an interpreter is left out. All get the same matrix products of the network's layers, grouped layers as
one product per group. SCALE-Sim models the same thing, an array without stalls, so its cycles have to be equal; ZigZag
searches a mapping and adds a memory hierarchy, so its ``ideal`` is a lower and its ``cycles`` a different figure. CPU
seconds are of one core, without imports; ours is the mean of many calls. Exit code 1 if SCALE-Sim's cycles differ.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"  # before numpy loads

import numpy as np

from hwsim.network import Network, load
from hwsim.systolic import DATAFLOWS, Products, cycles, network_cycles, products

WORKER = Path(__file__).with_name("simulator_peers.py")
PEER_LIMIT_S = 3600
POINTS = 4096  # arrays of one call, for the rate


def main() -> int:
    """Print one line per layer and one per simulator."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("network", nargs="?", default="resnet8")
    parser.add_argument("--rows", type=int, default=32)
    parser.add_argument("--columns", type=int, default=32)
    parser.add_argument("--dataflow", choices=DATAFLOWS, default="os")
    parser.add_argument("--scalesim", metavar="PYTHON")
    parser.add_argument("--zigzag", metavar="PYTHON")
    given = parser.parse_args()
    network = named(given.network)
    work = products(network)
    ours = cycles(work.m, work.n, work.k, given.rows, given.columns, given.dataflow)
    problem = {
        "rows": given.rows, "columns": given.columns, "dataflow": given.dataflow,
        "layers": [{"name": name, "m": int(m), "n": int(n), "k": int(k)}
                   for name, m, n, k in zip(work.names, work.m, work.n, work.k, strict=True)],
    }  # fmt: skip
    asked = {"scalesim": given.scalesim, "zigzag": given.zigzag}
    peers = {name: run(name, python, problem) for name, python in asked.items() if python}
    print(f"{given.network}: {len(work.names)} layers, {work.macs.sum() / 1e6:.2f} MMAC, array {given.rows} x "
          f"{given.columns}, {given.dataflow}")  # fmt: skip
    table(work, ours, peers)
    spent = seconds(network, given.rows, given.columns, given.dataflow)
    print(f"\nhwsim     {int((ours * work.count).sum()):12,} cycles   {spent:.3e} CPU s")
    own = (ours * work.count).sum()
    for name, found in peers.items():
        each = [found["layers"][layer]["cycles"] for layer in work.names]
        total = (np.array(each) * work.count).sum()
        print(f"{name:9} {int(total):12,} cycles   {found['cpu_s']:.3e} CPU s   "
              f"{found['cpu_s'] / spent:10,.0f} times the CPU time, {total / own:.3f} times the cycles")  # fmt: skip
    rate = points_per_second(network, given.dataflow)
    print(f"\n{rate:,.0f} arrays/s for the whole network, {POINTS} in one call")
    found = peers.get("scalesim")
    differ = [
        name for name, own in zip(work.names, ours, strict=True) if found and found["layers"][name]["cycles"] != own
    ]
    print(
        f"layers whose cycles differ from SCALE-Sim's: {', '.join(differ) or 'none'}" if found else "SCALE-Sim not run"
    )
    return 1 if differ else 0


def named(name: str) -> Network:
    """A network of the zoo, or one that was saved."""
    from slimfab.models import load_model

    return load(name)[0] if Path(name).is_dir() else load_model(name).network


def run(peer: str, python: str, problem: dict[str, Any]) -> dict[str, Any]:
    """What a peer finds, in its own environment."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "problem.json"
        path.write_text(json.dumps(problem), encoding="utf-8")
        done = subprocess.run([python, str(WORKER), peer, str(path)], capture_output=True, text=True,
                              timeout=PEER_LIMIT_S, check=False)  # fmt: skip
    if done.returncode:
        sys.exit(f"{peer}: failed: {done.stderr.strip().splitlines()[-1]}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def table(work: Products, ours: np.ndarray, peers: dict[str, dict[str, Any]]) -> None:
    """Cycles of every layer, one product of it."""
    titles = ("hwsim", *peers, *(["ideal"] if "zigzag" in peers else []))
    print(f"\n{'layer':24} {'M':>6} {'N':>5} {'K':>5} {'times':>5} " + " ".join(f"{title:>10}" for title in titles))
    for index, name in enumerate(work.names):
        cells = [f"{found['layers'][name]['cycles']:10.0f}" for found in peers.values()]
        if "zigzag" in peers:
            cells.append(f"{peers['zigzag']['layers'][name]['ideal']:10.0f}")
        sizes = f"{work.m[index]:6} {work.n[index]:5} {work.k[index]:5} {work.count[index]:5}"
        print(f"{name:24.24} {sizes} {ours[index]:10} " + " ".join(cells))


def seconds(network: Network, rows: int, columns: int, dataflow: str) -> float:
    """CPU seconds of one prediction of the whole network."""
    calls = 200
    start = time.process_time()
    for _ in range(calls):
        network_cycles(network, rows, columns, dataflow)
    return (time.process_time() - start) / calls


def points_per_second(network: Network, dataflow: str) -> float:
    """Arrays per second when many are asked about at once."""
    sizes = np.arange(POINTS) % 125 + 4
    start = time.process_time()
    network_cycles(network, sizes, sizes[::-1], dataflow)
    return POINTS / (time.process_time() - start)


if __name__ == "__main__":
    sys.exit(main())
