# SPDX-License-Identifier: Apache-2.0
"""Prices of work of the shipped CPUs, from a table of networks measured on edge boards.

    python benchmarks/edge_boards.py TABLE.csv            fits and prints the error bars of held-out networks
    python benchmarks/edge_boards.py TABLE.csv --write    writes the prices into hwsim/devices, too

The table is one that ``python -m hwsim.validate`` reads, with the layers of its networks beside it. TensorFlow Lite's
rounds of one board at one clock are fitted together.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import yaml

from hwsim import calibrate_cpu
from hwsim.device import FOLDER
from hwsim.kernel_fit import Measurements
from hwsim.validate import read_rows
from hwsim.validate.edge_setups import Setup, guess_by_device, setups

# device file: board in the table, set-ups whose name holds this, where they were published, other runtimes' factors
BOARDS = {
    "cortex-a72": (
        "Raspberry Pi 4 (A72), CPU", "rpi4-tflite",
        "github:mlcommons/inference_results_v2.0, v2.1, SingleStream mean, TFLite 2.7.1 (ruy), Raspberry Pi 4",
        {"int8": (1.25, "MLPerf Tiny networks under another runtime (github:mlcommons/tiny_results_v0.5, latentai)"),
         "fp32": (2.2, "ArmNN takes 0.55 of ruy's time on ResNet-50, LEIP 0.47 on ResNet-8 (github:mlcommons/"
                       "tiny_results_v0.5)")},
    ),
    "cortex-a73": (
        "Odroid N2+ (S922X: A73x4+A53x2, Mali-G52), CPU", "odroid-tflite",
        "github:mlcommons/inference_results_v2.0, v2.1, v3.0, SingleStream mean, TFLite 2.7.1, 2.11 (ruy), Odroid N2+",
        {"int8": (1.25, "other runtimes"), "fp32": (2.0, "other runtimes: see cortex-a72.yaml")},
    ),
    "jetson-orin-cpu": (
        "NVIDIA Jetson AGX Orin, CPU", "orin-tflite",
        "github:mlcommons/inference_results_v2.1, v3.0, SingleStream mean, TFLite 2.7 and 2.11 (ruy), Jetson AGX Orin",
        {"int8": (1.4, "other runtimes"), "fp32": (1.65, "ArmNN takes 0.65 of ruy's time on ResNet-50")},
    ),
}  # fmt: skip


def pooled(found: list[Setup], board: str, name: str) -> dict[str, Measurements]:
    """The runs of a board's set-ups of that name by number type."""
    runs = {}
    for dtype in ("int8", "fp32"):
        chosen = [one.runs for one in found if one.device == board and name in one.name and one.dtype == dtype]
        if chosen:
            runs[dtype] = Measurements(
                np.concatenate([each.counts for each in chosen]), np.concatenate([each.time_us for each in chosen]),
                np.concatenate([each.network for each in chosen]),
            )  # fmt: skip
    return runs


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path)
    parser.add_argument("--write", action="store_true", help="write into hwsim/devices")
    given = parser.parse_args()
    rows = read_rows(given.table)
    found = setups(rows, rows.number("lat_mean_ms") * 1e3)
    guesses = guess_by_device(found)
    for device, (board, name, source, widest) in BOARDS.items():
        runs = pooled(found, board, name)
        if set(runs) != {"int8", "fp32"}:
            print(f"{device}: {board} is not in the table in both number types; left as it is")
            continue
        result = calibrate_cpu.calibrate(runs, {dtype: guesses[board, dtype] for dtype in runs})
        for dtype, one in result.items():
            print(f"{device} {dtype}: {one.runs} runs, 95 % of held-out ones within {one.error:.3f}")
        if given.write:
            path = FOLDER / f"{device}.yaml"
            content = calibrate_cpu.describe(yaml.safe_load(path.read_text(encoding="utf-8")), result, source, widest)
            remark = "Prices of work in cycles (hwsim/priced.py), fitted by benchmarks/edge_boards.py."
            path.write_text(calibrate_cpu.text_of(content, remark), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
