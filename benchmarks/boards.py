# SPDX-License-Identifier: Apache-2.0
"""Fit the constants of boards to a table of measurements, and how well they predict networks that were left out.

    python benchmarks/boards.py TABLE.csv

TABLE has the columns of `hwsim.validate`'s fpga_board_measurements; files that its rows name stand beside it. Per
processor (Arm of a Zynq-7000, of a Zynq UltraScale+, MicroBlaze) the start of an inference, over all designs the cycles
of an AXI round trip, and per board the power are fitted, once with all rows and once per network without its rows; the
second gives the errors, beside those of gradient-boosted trees on the pipelines' sizes under the same split.
"""

import argparse
import os
import re
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from sklearn.ensemble import GradientBoostingRegressor

from hwsim.fpga.linear import BAR_SHARE, share_of
from hwsim.fpga.pixels import busy
from hwsim.fpga.system import BATCH_ERROR, ENERGY_ERROR, LATENCY_ERROR, ROUND_TRIP_CYCLES, fitted_start
from hwsim.validate.boards import BOARDS, Placed, placed
from hwsim.validate.rows import read_rows

MANY_TRIPS = 100
PROCESSORS = {"xc7a": "MicroBlaze", "xc7z": "Zynq-7000", "xczu": "Zynq UltraScale+"}


def main() -> None:
    """Print the fits and the errors."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("table", type=Path)
    rows = read_rows(parser.parse_args().table)
    truth = BOARDS.truth(rows)
    found = list(placed(rows))
    known = np.array([one is not None for one in found])
    timed = known & np.isfinite(truth["latency"])
    designs = [one for one, chosen in zip(found, timed, strict=True) if one is not None and chosen]
    measured = truth["latency"][timed]
    energy = truth["energy"][timed]
    networks = np.array([network_of(cell) for cell in rows.text("network")[timed].tolist()])
    labels = [f"{network} {one.board.name}" for network, one in zip(networks.tolist(), designs, strict=True)]
    watt = rows.number("power_mW")[timed] / 1e3
    start, trip, power = fit(designs, measured, watt)
    print("fitted to all rows:")
    for one in {one.board.name: one for one in designs}.values():
        value = start[processor(one)]
        shipped = one.board.get("overhead_us.inference", 0.0)
        print(
            f"  {one.board.name}: start on {processor(one)} {value:.1f} us, {agrees(round(value, 1), shipped)}", end=""
        )
        watts = power.get(one.board.name)
        print("" if watts is None else f"; {watts:.2f} W, {agrees(round(watts, 2), one.board['power_w'])}")
    print(f"  AXI round trip {trip:.1f} cycles, {agrees(round(trip), ROUND_TRIP_CYCLES)}")
    print(
        f"not predicted: {int((np.isfinite(truth['latency']) & ~known).sum())} latencies without a published design\n"
    )
    left_out(labels, networks, designs, measured, energy, watt)
    spaced = known & np.isfinite(truth["ii"])
    interval = np.array([one.design.interval() for one, chosen in zip(found, spaced, strict=True) if one and chosen])
    print_bar("interval", interval, truth["ii"][spaced], BATCH_ERROR)


def agrees(fitted: float, shipped: float) -> str:
    """Whether the package has a fitted number."""
    return "as in the package" if fitted == shipped else f"the package has {shipped}"


def print_bar(name: str, predicted: np.ndarray, true: np.ndarray, shipped: float) -> None:
    """The factor within which figures lie, by those whose network was left out."""
    factor = round(share_of(np.exp(np.abs(np.log(predicted / true)))), 2)
    print(f"{BAR_SHARE:.0%} of {name} figures yet to be seen within a factor of {factor}, {agrees(factor, shipped)}")


def network_of(text: str) -> str:
    """What rows of one network share: a CNV is a CNV on every board and at every width."""
    named = re.search(r"MLPerf Tiny (\w+) reference", text)
    word = named.group(1) if named else re.split(r"[ :,]", text)[0].lower()
    return re.sub(r"[-_]?w\d+a\d+$", "", word)


def processor(one: Placed) -> str:
    """The processor that starts a design."""
    return next(name for prefix, name in PROCESSORS.items() if one.board.text["part"].startswith(prefix))


def rest(designs: list[Placed], trip: float) -> np.ndarray:
    """Latency without the start, us."""
    extra = [(trip - ROUND_TRIP_CYCLES) * round_trips(one) / one.clock_mhz for one in designs]
    return np.array([one.pipeline_us for one in designs]) + np.array(extra)


def round_trips(one: Placed) -> int:
    """AXI accesses that are not part of a burst."""
    return one.design.pixels_in + 1 if one.design.transfers.wrapper == "copied" else 0


def fit(
    designs: list[Placed], measured: np.ndarray, watt: np.ndarray
) -> tuple[dict[str, float], float, dict[str, float]]:
    """Start in us by processor ("all" = pooled), round trip in cycles, and power in W by board."""
    kinds = np.array([processor(one) for one in designs])
    trip, start = ROUND_TRIP_CYCLES, {}
    trips = np.array([round_trips(one) for one in designs])
    clock = np.array([one.clock_mhz for one in designs])
    for _ in range(5):
        without = rest(designs, trip)
        start = {
            str(kind): fitted_start(without[kinds == kind], measured[kinds == kind]) for kind in sorted(set(kinds))
        }
        start["all"] = fitted_start(without, measured)
        begins = np.array([start[kind] for kind in kinds])
        # One or two accesses are told apart from the start by no measurement; a thousand are.
        weight = np.where(trips > MANY_TRIPS, (trips / clock / measured) ** 2, 0.0)
        if weight.sum() > 0:
            missing = (measured - begins - rest(designs, 0.0)) * clock / np.maximum(trips, 1)
            trip = float((weight * missing).sum() / weight.sum())
    names = np.array([one.board.name for one in designs])
    has = np.isfinite(watt)
    power = {str(name): float(np.mean(watt[has & (names == name)])) for name in sorted(set(names[has]))}
    return start, trip, power


def left_out(labels: list[str], networks: np.ndarray, designs: list[Placed], measured: np.ndarray,
             energy: np.ndarray, watt: np.ndarray) -> None:  # fmt: skip
    """One line per row: predictions by constants that were fitted without its network."""
    latency, joule, tree = (np.full(len(designs), np.nan) for _ in range(3))
    features = np.array([sizes(one) for one in designs])
    for network in sorted(set(networks.tolist())):
        test, train = networks == network, networks != network
        kept = [one for one, chosen in zip(designs, train, strict=True) if chosen]
        start, trip, power = fit(kept, measured[train], watt[train])
        tested = np.flatnonzero(test)
        for index, without in zip(tested, rest([designs[i] for i in tested], trip), strict=True):
            one = designs[index]
            latency[index] = without + start.get(processor(one), start["all"])
            joule[index] = power.get(one.board.name, np.nan) * latency[index]
        trees = GradientBoostingRegressor(random_state=0).fit(features[train], np.log(measured[train]))
        tree[test] = np.exp(trees.predict(features[test]))
    print(f"{'left out':24} {'predicted':>11} {'measured us':>11} {'error':>7} {'trees':>8}   uJ")
    for index, label in enumerate(labels):
        uj = (
            f"{joule[index]:10.1f} {energy[index]:10.1f} {error(joule, energy)[index]:+6.1f} %"
            if np.isfinite(energy[index])
            else ""
        )
        print(f"{label:24} {latency[index]:11.2f} {measured[index]:11.2f} {error(latency, measured)[index]:+6.1f} % "
              f"{error(tree, measured)[index]:+7.0f} %  {uj}")  # fmt: skip
    print(f"\nlatency MAPE {mape(latency, measured):.1f} %, trees {mape(tree, measured):.1f} %; "
          f"energy MAPE {mape(joule, energy):.1f} %")  # fmt: skip
    print_bar("latency", latency, measured, LATENCY_ERROR)
    print_bar("energy", joule, energy, ENERGY_ERROR)


def sizes(one: Placed) -> list[float]:
    """What trees are told of a design."""
    work = [busy(stage) for stage in one.design.stages]
    return [np.log(max(work)), np.log(sum(work)), len(work), one.clock_mhz, np.log(one.design.pixels_in)]


def error(predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Relative errors, %."""
    return 100 * (predicted / true - 1)


def mape(predicted: np.ndarray, true: np.ndarray) -> float:
    """Mean absolute relative error, %."""
    return float(np.nanmean(np.abs(error(predicted, true))))


if __name__ == "__main__":
    main()
