# SPDX-License-Identifier: Apache-2.0
"""Networks measured on this machine beside what a calibration of it predicts.

    python benchmarks/host_cpu.py [--threads N] [--networks 200] [--seed 0] [--json OUT]

calibrates this machine under ONNX Runtime (float and 8 bits) and torch (float) with random networks, then measures the
zoo's networks and two pruned variants of each and prints measured and predicted latency, the share within 10 %, and
Spearman's rank correlation. No measured network has a part in the calibration; another seed prunes them to other
widths, and calibrates with other networks. With one thread, processor time is
measured, so that other processes hardly matter; with more, run it on an idle machine.
"""

import argparse
import json
import os
import sys
import time
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from hwsim import cpu, device
from hwsim.errors import InputError
from hwsim.network import Network, Tensor
from slimfab import zoo
from slimfab.measure import host, runtimes
from slimfab.models import load_model

WITHIN = 0.10
PRUNED = (0.75, 0.5)  # mean share of the channels that stay, with seed 0
RANGE = (0.3, 0.95)  # of those shares, with other seeds


def networks(seed: int = 0) -> list[Network]:
    """The zoo's networks, and each with random shares of its channels left."""
    generator, found = np.random.default_rng(seed), []
    for name in zoo.ZOO:
        whole = load_model(name).network
        found.append(whole)
        shares = [float(share) for share in generator.uniform(*RANGE, len(PRUNED))] if seed else PRUNED
        found += [replace(pruned(whole, share, seed), name=f"{name} {share:.0%}") for share in shares]
    return found


def pruned(network: Network, share: float, seed: int) -> Network:
    """About that share of the channels of every layer whose width no addition ties to others."""
    generator = np.random.default_rng(round(100 * share) + 1000 * seed)
    for layer in network.layers:
        if layer.op in ("conv2d", "dense") and layer.output not in network.outputs:
            width = network.tensors[layer.params["weight"]].shape[0]
            try:
                network = network.with_widths({layer.name: max(1, round(width * share * generator.uniform(0.8, 1.2)))})
            except InputError:
                continue
    return network


def in_type(network: Network, dtype: str) -> Network:
    """The network with every number in 8 bits of any scale, or as it is."""
    if dtype != "int8":
        return network
    return replace(network, tensors={name: Tensor(one.shape, None, 8) for name, one in network.tensors.items()})


def ranks(values: np.ndarray) -> np.ndarray:
    return np.argsort(np.argsort(values)).astype(np.float64)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--networks", type=int, default=200, help="random networks of the calibration")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, metavar="OUT")
    given = parser.parse_args()
    judged, record = networks(given.seed), {}
    for runtime, dtypes in runtimes.RUNTIMES.items():
        start = time.perf_counter()
        content, surfaces, _ = host.calibrate(runtime, given.threads, given.networks, given.seed)
        took = time.perf_counter() - start
        print(f"{runtimes.version(runtime)}: calibrated in {took:.0f} s")
        found = replace(device.parse(content, "host"), surfaces=surfaces)
        for dtype in dtypes:
            measured = host.latencies(judged, runtime, dtype, given.threads)
            predicted = np.array([cpu.estimate(in_type(one, dtype), found).latency_us.value for one in judged])
            error = np.abs(predicted / measured - 1)
            rho = float(np.corrcoef(ranks(measured), ranks(predicted))[0, 1])
            for network, time_us, said in zip(judged, measured, predicted, strict=True):
                said_of = f"measured {time_us:9.1f} us, predicted {said:9.1f} us ({said / time_us:.2f})"
                print(f"  {network.name:24} {dtype} {said_of}")
            share, median = float(np.mean(error <= WITHIN)), float(np.median(error))
            within = f"{share:.0%} within {WITHIN:.0%}, median error {median:.1%}"
            print(f"{runtime} {dtype}: {len(judged)} networks, {within}, Spearman {rho:.3f}")
            record[f"{runtime} {dtype}"] = {
                "networks": len(judged), "within_10_percent": share,
                "median_error": median, "spearman": rho, "version": runtimes.version(runtime),
                "threads": given.threads, "cpu": found.title,
                "calibration_s": round(took),
            }  # fmt: skip
    if given.json is not None:
        given.json.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
