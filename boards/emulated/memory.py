# SPDX-License-Identifier: Apache-2.0
"""The board's memory, as far as the programmable logic sees it: contiguous buffers at physical addresses."""

from __future__ import annotations

import numpy as np

BASE = 0x1000_0000
PAGE = 4096


class Memory:
    """Buffers are given from the first gap that is large enough, as Linux's contiguous allocator does."""

    def __init__(self, size: int) -> None:
        self.bytes = np.zeros(size, np.uint8)
        self._used: dict[int, int] = {}  # address → size, both in whole pages

    def allocate(self, size: int) -> int:
        """The address of that many bytes.  Raises MemoryError when no gap is large enough."""
        wanted, start = -(-max(size, 1) // PAGE) * PAGE, BASE
        for address, length in sorted(self._used.items()):
            if address - start >= wanted:
                break
            start = address + length
        if start + wanted > BASE + len(self.bytes):
            raise MemoryError(f"memory: no {size} contiguous bytes of {len(self.bytes)}")
        self._used[start] = wanted
        return start

    def free(self, address: int) -> None:
        """Give a buffer back."""
        del self._used[address]

    def view(self, address: int, size: int) -> np.ndarray | None:
        """The bytes at an address, or None where they do not belong to one buffer."""
        for start, length in self._used.items():
            if start <= address and address + size <= start + length:
                return self.bytes[address - BASE : address - BASE + size]
        return None

    @property
    def used(self) -> int:
        """Bytes in use."""
        return sum(self._used.values())
