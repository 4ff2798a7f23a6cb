# SPDX-License-Identifier: Apache-2.0
"""Memory for transfers: allocated once, used in turn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from . import packing
from .errors import BuffersError, DataError
from .manifest import Manifest, Port

_DEFAULT_BYTES = 1 << 20
_MEMORY = Path("/proc/meminfo")


class Slot:
    """The memory of one transfer: what is sent, and where the result comes.

    ``source`` and ``target`` are pynq buffers of exactly the images that are in it. ``checksum`` is what the design
    said when they had left.
    """

    def __init__(self, sent: Any, received: Any, max_images: int) -> None:
        self._sent, self._received, self.max_images = sent, received, max_images
        self._view: Any = sent.view(np.ndarray)
        self._is_remote = hasattr(received, "stub")  # PYNQ.remote's buffers fetch all their bytes or none
        self.images = self.checksum = 0
        self.source: Any = sent
        self.target: Any = received

    def fill(self, port: Port, integers: np.ndarray) -> None:
        """Pack integers into the memory."""
        count = len(integers)
        if not 1 <= count <= self.max_images:
            raise DataError(f"input: got {count} images in one transfer; expected 1 to {self.max_images}; use run")
        packing.pack(port, integers, self._view[: count * port.image_bytes])
        if count != self.images:
            self.source = self._sent[: count * port.image_bytes]
            self.target = self._received[: len(self._received) // self.max_images * count]
        self.images = count

    def received(self, size: int) -> np.ndarray:
        """The bytes that came; the same memory receives the next ones."""
        (self._received if self._is_remote else self.target).invalidate()
        memory: np.ndarray = self._received.view(np.ndarray)[:size]
        return memory

    def free(self) -> None:
        """Give the memory back."""
        self.source = self.target = self._view = None
        self._sent.freebuffer()
        self._received.freebuffer()


def allocate_slots(manifest: Manifest, device: Any, max_bytes: int, max_images: int | None) -> tuple[Slot, Slot]:
    """Memory for two transfers.

    Args:
        max_bytes: that the DMA engine moves at once.
        max_images: per transfer; as many as fit 1 MiB by default.

    Raises:
        BuffersError: there is not enough contiguous memory; says how much is needed and free.
    """
    from pynq import allocate

    sizes = manifest.input.image_bytes, manifest.output.image_bytes
    images = max(1, _DEFAULT_BYTES // max(sizes)) if max_images is None else max_images
    images = min(images, max_bytes // max(sizes))
    if images < 1:
        raise BuffersError(f"buffers: one image has {max(sizes)} bytes; expected at most {max_bytes}, as the DMA moves")
    needed = 2 * images * sum(sizes)
    buffers = []
    try:
        for size in (*sizes, *sizes):
            buffers.append(allocate(shape=(images * size,), dtype=np.uint8, target=device))
    except (RuntimeError, MemoryError, OSError) as error:
        for buffer in buffers:
            buffer.freebuffer()
        raise BuffersError(
            f"buffers: cannot allocate {needed} bytes of contiguous memory, {_free()} are free; expected max_images "
            "that fit; give fewer, or restart other notebooks"
        ) from error
    return Slot(buffers[0], buffers[1], images), Slot(buffers[2], buffers[3], images)


def _free() -> str:
    """Bytes of contiguous memory that Linux says are free."""
    try:
        lines = _MEMORY.read_text(encoding="ascii").splitlines()
    except OSError:
        return "unknown"
    free = [int(line.split()[1]) * 1024 for line in lines if line.startswith("CmaFree:")]
    return str(free[0]) if free else "unknown"
