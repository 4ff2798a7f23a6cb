# SPDX-License-Identifier: Apache-2.0
"""Measurements on the board: raw samples, nothing averaged.

One inference at a time for latency, with its four stages; transfers of several sizes for throughput; windows of rest
and of work for power (as MLPerf Tiny does: Banbury et al., "MLPerf Tiny Benchmark", 2021, section 4); and the same
network on the board's own processor.
"""

from __future__ import annotations

import hashlib
import platform
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import cpu
from .accelerator import Accelerator
from .packing import Array
from .power import Sampler, find_rails
from .preflight import board_name

STAGES = ("pack", "start", "wait", "unpack")


@dataclass(frozen=True)
class Settings:
    """How much is measured: runs of one image, runs of every size, and seconds of each window of power."""

    warm_up: int = 10
    runs: int = 1000
    repeats: int = 20
    window_s: float = 10.0


def measure(accelerator: Accelerator, images: Array, settings: Settings) -> tuple[dict[str, Any], list[Array]]:
    """Measure an accelerator with (N, *input shape) images.

    Returns:
        what was found, and five arrays: outputs (N, *output shape); seconds of every stage (runs, 4); images (rows,)
        and seconds (rows,) of every transfer size; outputs of the board's own processor (N, *output shape), or none.

    Raises:
        BoardError: a transfer fails, or the clock is not what it was.
    """
    before = accelerator.check_clock()
    outputs = accelerator.run(images)
    counters = accelerator.counters()
    for _ in range(settings.warm_up):
        accelerator.run(images[:1])
    stages = latency(accelerator, images[:1], settings.runs)
    cycles = accelerator.counters()["latency"]
    sizes, seconds = throughput(accelerator, images, settings.repeats)
    power = power_windows(accelerator, images, settings.window_s)
    after = accelerator.check_clock()
    effort = cpu.Effort(settings.warm_up, settings.runs)
    integers = accelerator.integers(images)
    compiled, from_cpu = cpu.measure_cpu(accelerator.folder, accelerator.manifest, integers, effort)
    about = {
        "clock_mhz": after,
        "clock_was_steady": before == after,
        "cycles": cycles,
        "counters": counters,
        "power": power,
        "processors": [compiled],
        "output_hash": hashlib.sha256(np.ascontiguousarray(outputs, np.int64).tobytes()).hexdigest(),
        "machine": board_name() or platform.machine(),
        "kernel": platform.release(),
    }
    return about, [outputs, stages, sizes, seconds, from_cpu]


def latency(accelerator: Accelerator, image: Array, runs: int) -> Array:
    """(runs, 4) seconds of every stage of transfers of one image: what a caller of ``run`` waits for."""
    slot, now = accelerator.slot, accelerator.now
    found = np.empty((runs, len(STAGES)))
    for row in found:
        times = [now()]
        accelerator.fill(slot, accelerator.integers(image))
        times.append(now())
        accelerator.start(slot)
        times.append(now())
        accelerator.finish(slot)
        times.append(now())
        accelerator.take(slot)
        times.append(now())
        row[:] = np.diff(times)
    return found


def throughput(accelerator: Accelerator, images: Array, repeats: int) -> tuple[Array, Array]:
    """Images (rows,) and seconds (rows,) of runs of 1, 2, 4, … images in one transfer, each ``repeats`` times."""
    limit = min(len(images), accelerator.max_images)
    counts = sorted({min(1 << power, limit) for power in range(limit.bit_length() + 1)})
    sizes, seconds = np.repeat(counts, repeats), []
    for size in sizes:
        start = accelerator.now()
        accelerator.run(images[:size])
        seconds.append(accelerator.now() - start)
    return sizes.astype(np.int64), np.array(seconds)


def power_windows(accelerator: Accelerator, images: Array, window_s: float) -> dict[str, Any]:
    """Samples of every rail at rest and at work, and how many inferences the work were; empty without sensors.

    At rest the bitstream is loaded and clocks run.
    """
    rails = find_rails()
    if not rails:
        return {}
    with Sampler(rails) as idle:
        time.sleep(window_s)
    inferences, end = 0, time.perf_counter() + window_s
    with Sampler(rails) as busy:
        while time.perf_counter() < end:
            inferences += len(accelerator.run(images))
    return {
        "idle": {"times": idle.times, "watts": idle.watts},
        "busy": {"times": busy.times, "watts": busy.watts},
        "inferences": inferences,
        "failed": idle.failed or busy.failed,
    }
