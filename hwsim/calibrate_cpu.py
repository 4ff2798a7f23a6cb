# SPDX-License-Identifier: Apache-2.0
"""Device descriptions of CPUs from measured networks or kernels: prices of work per number type, and error bars.

Error bars are those of networks that had no part in the fit, widened where a device will meet other runtimes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from hwsim import device_file, priced
from hwsim.columns import Column
from hwsim.kernel_fit import Measurements, error_bar, left_out, prices
from hwsim.kernel_terms import PRICES

RATES = ("efficiency", "reduction_overhead", "overhead_us", "overhead_ns_per_input")  # what prices replace
# No product costs less than one of a large matrix product, whatever little the runs tell about it.
DEARER = [PRICES.index(name) for name in ("thin_mac", "dense_weight", "depthwise_mac")]
SHARED = [PRICES.index(name) for name in ("kernel", "inference")]


@dataclass(frozen=True)
class Calibrated:
    """Prices in us per count, (prices,), the held-out error factor, and how many measurements there were."""

    prices: Column
    error: float
    runs: int


def calibrate(runs: Mapping[str, Measurements], guesses: Mapping[str, Column | None]) -> dict[str, Calibrated]:
    """Prices and held-out error by number type.

    Starting a kernel or an inference costs something in every type. It shows best where arithmetic is fastest: where a
    type's own runs leave no room for it, the first type of `runs` says what it is.
    """
    found: dict[str, Calibrated] = {}
    for dtype, each in runs.items():
        start = np.zeros(len(PRICES))
        own = prices(each, guesses.get(dtype))
        for one in list(found.values())[:1]:
            start[SHARED] = np.where(own[SHARED] > 0, 0.0, one.prices[SHARED])
        rest = _without(each, start) if start.any() else each
        known = each.time_us - rest.time_us
        error = error_bar(left_out(rest, guesses.get(dtype)) + known, each.time_us)
        price = prices(rest, guesses.get(dtype)) * (start == 0) + start
        price[DEARER] = np.maximum(price[DEARER], price[PRICES.index("mac")])
        found[dtype] = Calibrated(price, error, len(each.time_us))
    return found


def _without(runs: Measurements, start: Column) -> Measurements:
    """The runs without what starting them costs, at most half of their time."""
    counts = np.where(start > 0, 0.0, runs.counts)
    return Measurements(counts, np.maximum(runs.time_us - runs.counts @ start, runs.time_us / 2), runs.network)


def describe(
    known: Mapping[str, Any], found: Mapping[str, Calibrated], source: str, widest: Mapping[str, tuple[float, str]]
) -> dict[str, Any]:
    """The content of a device file: what is known of the device, with prices instead of rates.

    Args:
        known: an earlier description, with at least cores, clock_mhz and the other numbers that no calibration finds.
        found: prices by number type.
        source: where the measurements come from.
        widest: by number type, an error factor known from elsewhere, and why; the larger one counts.
    """
    numbers = {key: value for key, value in known["numbers"].items() if key not in RATES}
    cores, clock = numbers["cores"]["value"], numbers["clock_mhz"]["value"]
    numbers["cycles_per"] = {
        dtype: {
            name: {"value": value, "source": f"fitted to {one.runs} runs: {source}"}
            for name, value in priced.cycles_per(one.prices, cores, clock).items()
        }
        for dtype, one in found.items()
    }
    numbers["error"] = {}
    for dtype in ("int8", "fp32"):
        factor, why = widest.get(dtype, (1.0, ""))
        own = found[dtype].error
        text = f"95 % of held-out runs within {own:.2f}" + (f"; widened: {why}" if factor > own else "")
        numbers["error"][dtype] = {"value": max(own, factor), "source": text}
    return {**{key: known[key] for key in ("name", "kind", "title", "text")}, "numbers": numbers}


def text_of(content: Mapping[str, Any], remark: str) -> str:
    """The device file; see :func:`hwsim.device_file.text_of`."""
    return device_file.text_of(content, remark)
