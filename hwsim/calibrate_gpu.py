# SPDX-License-Identifier: Apache-2.0
"""Constants of a GPU from measured networks: what a launch takes, and which share of peak each kind of kernel reaches.

The time of a network is taken as a sum – a call, a launch per kernel, products in whole waves of tiles by kind of
kernel, bytes through L2 and through memory – whose prices are fitted and turned into what device files state.
"""

import copy
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from hwsim.columns import Column
from hwsim.device import DTYPES, MAC_KINDS, Device
from hwsim.errors import InputError
from hwsim.gpu import executed_macs
from hwsim.kernel_fit import Measurements, error_bar, left_out, prices
from hwsim.network import Network
from hwsim.processor import execution, traffic
from hwsim.workload import KINDS, workload

TERMS = ("inference", "kernel", *MAC_KINDS, "cache", "dram")
FEWEST = 20  # measured networks
ROUNDED = 1.001  # device files have four digits


def counts(network: Network, device: Device, batch: int = 1) -> Column:
    """Counts of a network in TERMS on a GPU of that shape, (terms,)."""
    work = workload(network)
    run = execution(device, work)
    moved = traffic(device, work, run, batch)
    macs = executed_macs(device, work, batch)
    by_kind = [macs[work.kind_index == KINDS.index(kind)].sum() for kind in MAC_KINDS]
    return np.array([1.0, len(work.kernels), *by_kind, moved.cache.sum(), moved.dram.sum()])


def calibrate(
    known: Mapping[str, Any], device: Device, runs: Mapping[str, tuple[Sequence[Network], Column]], source: str
) -> dict[str, Any]:
    """The content of a device file with constants fitted to measured networks.

    Args:
        known: the content of the device's file so far, for what a fit does not find: clock, cores, tiles, peaks, power.
        device: the same as a device.
        runs: by number type, networks in that type and their latencies in us, (networks,).
        source: where the latencies come from.

    Raises:
        InputError: fewer than FEWEST networks of a type, or no fp32.
    """
    content = copy.deepcopy({**known})
    numbers = content["numbers"]
    if "fp32" not in runs:
        raise InputError(f"calibrate: got types {', '.join(runs) or 'none'}; expected fp32 at least; measure it")
    for dtype, (networks, time_us) in runs.items():
        if len(networks) < FEWEST:
            raise InputError(f"calibrate: got {len(networks)} networks in {dtype}; expected at least {FEWEST}")
        measured = Measurements(
            np.array([counts(network, device) for network in networks]), time_us,
            np.array([network.name for network in networks], dtype=np.str_),
        )  # fmt: skip
        found = dict(zip(TERMS, prices(measured).tolist(), strict=True))
        text = f"fitted to {len(networks)} networks: {source}"
        peak = device["cores"] * device["clock_mhz"] * device[f"macs_per_cycle.{dtype}"]
        for kind in MAC_KINDS:
            share = min(1.0, 1 / (found[kind] * peak)) if found[kind] > 0 else 1.0
            numbers["efficiency"][dtype][kind] = {"value": share, "source": text}
        factor = error_bar(left_out(measured), time_us)
        if dtype in ("int8", "fp32"):
            numbers["error"][dtype] = {"value": factor, "source": f"95 % of held-out networks within it; {text}"}
        if dtype == "fp32":
            for name, term in (("op", "kernel"), ("inference", "inference")):
                numbers["overhead_us"][name] = {"value": found[term], "source": text}
            for level in ("cache", "dram"):
                if found[level] > 0:
                    numbers["bandwidth_gb_s"][level] = {"value": 1e-3 / found[level], "source": text}
    _widen(numbers)
    return content


def _widen(numbers: dict[str, Any]) -> None:
    """No narrow type is slower than a wider one: a runtime would compute in that one instead."""
    widest_first = [dtype for dtype in reversed(DTYPES) if dtype in numbers["efficiency"]]
    share, peak = numbers["efficiency"], numbers["macs_per_cycle"]
    for kind in MAC_KINDS:
        for wide, narrow in pairwise(widest_first):
            least = ROUNDED * share[wide][kind]["value"] * peak[wide]["value"] / peak[narrow]["value"]
            if share[narrow][kind]["value"] < least:
                source = f"the rate of {wide}, which was the faster one"
                share[narrow][kind] = {"value": min(1.0, least), "source": source}
