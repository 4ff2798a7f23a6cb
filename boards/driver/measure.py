# SPDX-License-Identifier: Apache-2.0
"""Measurements on the board: raw samples, nothing averaged.

One inference at a time for latency, with its four stages; transfers of several sizes for throughput; the same network
on the board's own processor; and, asked for one by one, windows of rest and of work for power.
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
    """How much is measured: runs of one image, and runs of every size."""

    warm_up: int = 10
    runs: int = 1000
    repeats: int = 20


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
    after = accelerator.check_clock()
    effort = cpu.Effort(settings.warm_up, settings.runs)
    integers = accelerator.integers(images)
    compiled, from_cpu = cpu.measure_cpu(accelerator.folder, accelerator.manifest, integers, effort)
    classes = outputs.reshape(len(outputs), -1).argmax(axis=1)
    onnx = cpu.measure_onnx(accelerator.folder, accelerator.manifest, integers, classes, effort)
    about = {
        "clock_mhz": after,
        "clock_was_steady": before == after,
        "cycles": cycles,
        "counters": counters,
        "processors": [compiled, onnx],
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


def window(accelerator: Accelerator, images: Array, seconds: float, *, busy: bool) -> dict[str, Any]:
    """Samples of every rail while the accelerator rests or works, and how many inferences the work were.

    At rest the bitstream is loaded and clocks run.
    """
    inferences, begin = 0, time.perf_counter()
    with Sampler(find_rails()) as sampler:
        if not busy:
            time.sleep(seconds)
        while busy and time.perf_counter() < begin + seconds:
            inferences += len(accelerator.run(images))
    lasted = time.perf_counter() - begin
    return {
        "times": sampler.times,
        "watts": sampler.watts,
        "failed": sampler.failed,
        "inferences": inferences,
        "seconds": lasted,
    }
