# SPDX-License-Identifier: Apache-2.0
"""Networks measured on this machine's CUDA GPU beside what a calibration of it predicts.

    python benchmarks/host_gpu.py --like h100 [--mode graph] [--networks 200] [--seed 0] [--json OUT]

calibrates the GPU with random networks, as ``slimfab calibrate --target cuda`` does, then measures the zoo's networks
and two pruned variants of each, of which none has a part in the calibration, and prints measured and predicted latency
and the mean error. With ``--json`` the figures are kept, with the versions of torch, CUDA and the driver.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.host_cpu import WITHIN, networks
from hwsim import device, gpu
from hwsim.errors import SlimfabError
from slimfab.measure import cuda
from slimfab.measure.command import calibrate_to


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--like", required=True, help="shipped GPU whose data sheet applies")
    parser.add_argument("--mode", choices=cuda.MODES, default="graph")
    parser.add_argument("--networks", type=int, default=200, help="random networks of the calibration")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, metavar="OUT")
    given = parser.parse_args()
    try:
        record = judge(given.like, given.mode, given.networks, given.seed)
    except SlimfabError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    if given.json is not None:
        given.json.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return 0


def judge(like: str, mode: str, count: int, seed: int) -> dict[str, object]:
    """Calibrate, measure the judged networks, print both, and return what is worth keeping.

    Raises:
        InputError, UnknownNameError: no GPU, or none of that name is shipped.
    """
    where, judged = cuda.require_gpu(), networks(seed)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "gpu.yaml"
        for line in calibrate_to(path, "cuda", mode, 1, count, like, seed, _quiet)[:1]:
            print(line)
        found = device.load(str(path))
    measured = cuda.measure(judged, mode, _quiet)
    predicted = np.array([gpu.estimate(one, found).latency_us.value for one in judged])
    for network, time_us, said in zip(judged, measured, predicted, strict=True):
        print(f"  {network.name:24} measured {time_us:9.1f} us, predicted {said:9.1f} us ({said / time_us:.2f})")
    error = np.abs(predicted / measured - 1)
    print(f"{where}, {mode}: {len(judged)} networks, mean error {error.mean():.1%}, "
          f"{np.mean(error <= WITHIN):.0%} within {WITHIN:.0%}")  # fmt: skip
    return {"gpu": where, "mode": mode, "networks": len(judged), "mean_error": float(error.mean()),
            "within_10_percent": float(np.mean(error <= WITHIN)), "calibrated_with": count, "seed": seed}  # fmt: skip


def _quiet(share: float, text: str) -> None:
    """No progress is shown."""


if __name__ == "__main__":
    sys.exit(main())
