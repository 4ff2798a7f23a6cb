# SPDX-License-Identifier: Apache-2.0
"""Prices of work of the shipped microcontrollers, from a table of MLPerf Tiny submissions.

    python benchmarks/tiny_boards.py TABLE.csv            fits and prints the error bars of held-out submissions
    python benchmarks/tiny_boards.py TABLE.csv --write    writes the prices into hwsim/devices, too

All submissions on a core are fitted together in clock cycles, whatever their runtime; error bars are those of
submissions that had no part in the fit, so they cover the choice of a runtime.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import yaml

from hwsim import calibrate_cpu
from hwsim.calibrate_cpu import Calibrated
from hwsim.device import FOLDER
from hwsim.kernel_fit import Measurements, error_bar, left_out, prices
from hwsim.kernel_terms import PRICES
from hwsim.validate import read_rows, tiny_networks
from hwsim.validate.mlperf_tiny import submissions
from hwsim.validate.rows import Rows

CORES = {"cortex-m4": "M4", "cortex-m7": "M7"}
SOURCE = "github:mlcommons/tiny_results_v0.5 to v1.3, all submissions on {}, every runtime"
# Few input channels or many: a core without vectors of its own pays the same.
SAME = {"thin_mac": "mac"}


def runs_of(rows: Rows, core: str, is_float: bool) -> Measurements:
    """Cycles of all networks of all submissions on a core; a run's name is its submission."""
    counts, cycles, names = [], [], []
    for number, one in enumerate(submissions(rows)):
        if one.core != core or one.is_float != is_float:
            continue
        for index in one.rows:
            clock = rows.text("proc_freq")[index].split("M")[0].strip()
            counts.append(tiny_networks.counts(str(rows.text("benchmark")[index])))
            cycles.append(float(rows.text("latency_ms")[index]) * 1e3 * float(clock))
            names.append(f"submission {number}")
    return Measurements(np.array(counts), np.array(cycles), np.array(names, dtype=np.str_))


def calibrated(runs: Measurements, clock_mhz: float) -> Calibrated:
    """Prices in us per count of every term of a device file, at one core and that clock."""
    found = dict(zip(tiny_networks.TERMS, prices(runs).tolist(), strict=True))
    price = np.array([found.get(SAME.get(name, name), 0.0) for name in PRICES]) / clock_mhz
    return Calibrated(price, error_bar(left_out(runs), runs.time_us), len(runs.time_us))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path)
    parser.add_argument("--write", action="store_true", help="write into hwsim/devices")
    given = parser.parse_args()
    rows = read_rows(given.table)
    for device, core in CORES.items():
        path = FOLDER / f"{device}.yaml"
        known = yaml.safe_load(path.read_text(encoding="utf-8"))
        clock = float(known["numbers"]["clock_mhz"]["value"])
        result = {dtype: calibrated(runs_of(rows, core, dtype == "fp32"), clock) for dtype in ("int8", "fp32")}
        widest = {"fp32": (result["int8"].error, "too few submissions in fp32 to hold one out; as in int8")}
        if not np.isfinite(result["fp32"].error):
            result["fp32"] = replace(result["fp32"], error=1.0)
        for dtype, one in result.items():
            print(f"{device} {dtype}: {one.runs} runs, 95 % of held-out ones within {one.error:.2f}")
        if given.write:
            source = SOURCE.format(f"Cortex-{core}")
            content = calibrate_cpu.describe(known, result, source, widest)
            remark = "Prices of work in cycles (hwsim/priced.py), fitted by benchmarks/tiny_boards.py."
            path.write_text(calibrate_cpu.text_of(content, remark), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
