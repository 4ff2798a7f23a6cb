# SPDX-License-Identifier: Apache-2.0
"""The worker of an emulated board: the same as on a board, and faults on demand."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

from boards.driver import Accelerator
from boards.driver.errors import BoardError
from boards.driver.worker import Answer, binary_ends, serve
from boards.emulated.board import load
from boards.emulated.trials import overhead, soak


def main(folder: Path, max_images: int | None = None) -> None:
    """Serve the bundle of a folder on an emulated board, at most ``max_images`` in one transfer."""
    _run_on(load(folder).arch)
    from pynq import Device

    from boards.emulated.device import EmulatedDevice

    device = EmulatedDevice(folder)
    Device.active_device = device

    def inject(accelerator: Accelerator, request: dict[str, Any], arrays: list[np.ndarray]) -> Answer:
        try:
            device.board.faults.inject(request["kind"], int(request["after"]))
        except ValueError as error:
            raise BoardError(str(error)) from error
        return {"waiting": device.board.waiting}, []

    def state(accelerator: Accelerator, request: dict[str, Any], arrays: list[np.ndarray]) -> Answer:
        board = device.board
        return {"seconds": board.seconds, "memory_used": board.memory.used, "waiting": board.waiting}, []

    def reload(accelerator: Accelerator, request: dict[str, Any], arrays: list[np.ndarray]) -> Answer:
        accelerator.reload()
        return {}, []

    def measure_overhead(accelerator: Accelerator, request: dict[str, Any], arrays: list[np.ndarray]) -> Answer:
        return overhead(accelerator, device, arrays[0], int(request["runs"]))

    def run_soak(accelerator: Accelerator, request: dict[str, Any], arrays: list[np.ndarray]) -> Answer:
        return soak(accelerator, arrays[0], int(request["bytes"]))

    serve(
        lambda: Accelerator(folder, device=device, max_images=max_images, now=device.board.now),
        *binary_ends(),
        more={"inject": inject, "state": state, "reload": reload, "overhead": measure_overhead, "soak": run_soak},
    )


def _run_on(processor: str) -> None:
    """Let the system name the board's processor: pynq 3.0.1 asks it, and not the device, whose clocks there are."""
    here = os.uname()
    os.uname = lambda: os.uname_result((*here[:4], processor))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else None)
