# SPDX-License-Identifier: Apache-2.0
"""Tables of networks measured on CPUs and GPUs of edge boards: mean latency in us and wall energy in uJ per inference.

The layers of the networks stand in ``edge_topologies.json`` beside the table. Prices are fitted to the table itself,
and every row is predicted by a fit that has not seen its network (hwsim/validate/edge_setups.py); slices go by
device. Energy is that latency times the median wall power of the set-up's other networks. Networks whose layers
are not known, and set-ups of fewer than five networks, are not predicted.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from hwsim.kernel_fit import error_bar, prices
from hwsim.validate.edge_networks import canonical, read_topologies, uncovered
from hwsim.validate.edge_noise import possible_share, repeat_spread
from hwsim.validate.edge_setups import Setup, counts_of, dtypes_of, predict_left_out, setups
from hwsim.validate.rows import Numbers, Rows, Texts
from hwsim.validate.table import Prediction, Table

WITHIN = 0.10  # of the measured latency
MOST_UNSTEADY = 1.5  # 90th percentile over the fastest of a run's queries, median of a device's runs
FEWEST_NETWORKS = 10  # of a device that the summary judges


def _truth(rows: Rows) -> Mapping[str, Numbers]:
    # The mean, not the median: it is what throughput and energy per inference are made of.
    return {"latency": rows.number("lat_mean_ms") * 1e3, "energy": rows.number("energy_per_inf_mJ") * 1e3}


def _predict(rows: Rows) -> Mapping[str, Prediction]:
    truth = _truth(rows)
    found = setups(rows, truth["latency"])
    latency = predict_left_out(found, len(rows))
    power_w = _power_left_out(rows, found)
    energy = latency * power_w
    return {
        "latency": _with_bars(latency, truth["latency"], found),
        "energy": _with_bars(energy, truth["energy"], found),
    }


def _power_left_out(rows: Rows, found: Sequence[Setup]) -> Numbers:
    """Median wall power in W of the other networks of each row's set-up, (rows,)."""
    measured, power = rows.number("avg_power_W"), np.full(len(rows), np.nan)
    for setup in found:
        own, networks = measured[setup.rows], setup.runs.network
        for position, index in enumerate(setup.rows):
            others = own[(networks != networks[position]) & np.isfinite(own)]
            power[index] = np.median(others) if len(others) else np.nan
    return power


def _with_bars(value: Numbers, truth: Numbers, found: Sequence[Setup]) -> Prediction:
    """Error bars of a row are those of the other rows of its set-up."""
    factor = np.full(len(value), np.nan)
    for setup in found:
        for index in setup.rows:
            others = setup.rows[(setup.rows != index) & np.isfinite(truth[setup.rows])]
            factor[index] = error_bar(value[others], truth[others]) if len(others) else np.inf
    return Prediction(value, value / factor, value * factor)


def _slices(rows: Rows) -> Texts:
    names = zip(rows.text("device").tolist(), rows.text("device_kind").tolist(), strict=True)
    return np.array([f"cpu_gpu_edge/{device}, {kind}" for device, kind in names], dtype=np.str_)


def _labels(rows: Rows) -> Texts:
    names = zip(rows.text("model").tolist(), rows.text("system").tolist(), strict=True)
    return np.array([f"{model} {system}" for model, system in names], dtype=np.str_)


def _report(rows: Rows) -> Iterator[str]:
    truth, fastest = _truth(rows), rows.number("lat_min_ms") * 1e3
    found = setups(rows, truth["latency"])
    latency, best = predict_left_out(found, len(rows)), predict_left_out(setups(rows, fastest), len(rows))
    energy = np.abs(latency * _power_left_out(rows, found) / truth["energy"] - 1)
    unsteady = rows.number("lat_p90_ms") / rows.number("lat_min_ms")
    name = [f"{row} {dtype}" for row, dtype in zip(counts_of(rows)[1].tolist(), dtypes_of(rows).tolist(), strict=True)]
    networks, slices = np.array(name, dtype=np.str_), np.char.replace(_slices(rows), "cpu_gpu_edge/", "")
    yield f"held-out networks within {WITHIN:.0%}, devices with {FEWEST_NETWORKS} networks and more:"
    yield f"  {'device':60} networks  within  median  rows  within possible  energy p90/min  fastest  repeats"
    for device in np.unique(slices):
        chosen = (slices == device) & np.isfinite(latency) & np.isfinite(truth["latency"])
        error = _error_by_network(networks[chosen], latency[chosen] / truth["latency"][chosen])
        if len(error) < FEWEST_NETWORKS:
            continue
        row_error = np.abs(latency[chosen] / truth["latency"][chosen] - 1)
        known = chosen & np.isfinite(best)
        spread = float(np.nanmedian(unsteady[chosen]))
        own = [setup for setup in found if setup.device == device]
        possible = f"{100 * possible_share(own, WITHIN):.1f}%"
        yield (
            f"  {device:60} {len(error):8} {_share(error):>7} {_percent(error):>7} {len(row_error):5} "
            f"{_share(row_error):>7} {possible:>8} {_percent(energy[chosen & np.isfinite(energy)]):>7} {spread:7.2f} "
            f"{_share(_error_by_network(networks[known], best[known] / fastest[known])):>8} {_repeats(own):>8}"
            + ("  its runs are unsteady" if spread > MOST_UNSTEADY else "")
        )
    yield "networks: what held-out predictions are off, median over a device's set-ups; energy: median error of rows;"
    yield "p90/min: 90th percentile over the fastest of a run's queries; fastest: share within, of the fastest queries"
    yield "possible: rows that any model can have within in which more work never takes less time; others contradict"
    yield "repeats: how far apart, median/95 %, two rounds under one runtime put a network, less their common factor"
    yield from _left_out_devices(found)
    yield from _uncovered(rows)


def _uncovered(rows: Rows) -> Iterator[str]:
    """Networks that are listed with operators unknown here, and are therefore not predicted."""
    layers = read_topologies(rows.folder)
    for model in sorted({canonical(name) for name in rows.text("model").tolist()} & set(layers)):
        shares = ", ".join(f"{op} ({share:.1%} of the products)" for op, share in uncovered(layers[model]).items())
        if shares:
            yield f"not predicted, operators not covered: {model}: {shares}"


def _error_by_network(networks: Texts, ratio: Numbers) -> Numbers:
    """The size of the median relative error of every network's rows, (networks,)."""
    return np.array([abs(np.exp(np.median(np.log(ratio[networks == one]))) - 1) for one in np.unique(networks)])


def _left_out_devices(found: Sequence[Setup]) -> Iterator[str]:
    """How far off a device is that no run of had a part in the fit: others' prices in core cycles at its clock."""
    yield "held-out devices, prices of other devices in cycles of all cores at the device's own clock (CPUs):"
    cpus = [setup for setup in found if setup.device.endswith(", CPU") and np.isfinite(setup.speed)]
    cycles = [prices(setup.runs) * setup.speed for setup in cpus]
    for device in sorted({setup.device for setup in cpus}):
        ratios = []
        for setup in (each for each in cpus if each.device == device):
            others = [each for each, other in zip(cycles, cpus, strict=True)
                      if other.device != device and other.dtype == setup.dtype]  # fmt: skip
            if others:
                logs = np.log([setup.runs.counts @ each / setup.speed for each in others])
                ratios.append(np.exp(np.median(logs, axis=0)) / setup.runs.time_us)
        if ratios:
            off = np.exp(np.abs(np.log(np.concatenate(ratios))))
            yield f"  {device:60} median factor {np.median(off):.2f}, 95 % of rows within {np.quantile(off, 0.95):.2f}"


def _repeats(found: Sequence[Setup]) -> str:
    median, most = repeat_spread(found)
    return f"{100 * median:.0f}/{100 * most:.0f}%" if np.isfinite(median) else "-"


def _share(error: Numbers) -> str:
    return f"{100 * np.mean(error <= WITHIN):.1f}%" if len(error) else "-"


def _percent(error: Numbers) -> str:
    return f"{100 * np.median(error):.1f}%" if len(error) else "-"


CPU_GPU_EDGE = Table(
    name="cpu_gpu_edge",
    required=(
        "device", "device_kind", "system", "version", "model", "dtype", "cpu_cores", "cpu_freq", "lat_mean_ms",
        "lat_p90_ms", "lat_min_ms", "avg_power_W", "energy_per_inf_mJ",
    ),
    truth=_truth,
    predict=_predict,
    slices=_slices,
    label=_labels,
    report=lambda rows: list(_report(rows)),
)  # fmt: skip
