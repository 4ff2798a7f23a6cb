# SPDX-License-Identifier: Apache-2.0
"""The emulated board as a device of pynq, which is not changed.

Overlay, MMIO, Clocks, allocate and DMA work with it.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
from pynq import Device
from pynq.buffer import PynqBuffer
from pynqmetadata.frontends import Metadata
from pynqmetadata.views.runtime import RuntimeMetadataParser

from .board import Board, load


class EmulatedBuffer(PynqBuffer):  # type: ignore[misc]
    """Memory of the board. Slices of it are buffers too, but only the whole one can be given back."""

    owner: Board | None = None

    def freebuffer(self) -> None:
        """Give the memory back, once."""
        board, self.owner = self.owner, None
        if board is not None:
            board.memory.free(self.device_address)


class EmulatedDevice(Device):  # type: ignore[misc]
    """A board with one accelerator; see :class:`boards.emulated.board.Board`.

    Args:
        folder: a bundle's files with ``emulation.json`` beside them.
    """

    _probe_priority_ = 50  # behind pynq's own devices

    @classmethod
    def _probe_(cls) -> list[Device]:
        return []  # made on demand, never found

    def __init__(self, folder: Path | str) -> None:
        emulation = load(folder)
        super().__init__(tag=f"emulated-{emulation.name}")
        self.name, self.arch = emulation.name, emulation.arch
        self.board = Board(emulation)
        self.capabilities = {"REGISTER_RW": True, "MEMORY_MAPPED": False, "CALLABLE": False}
        self.bitfile_name = self.timestamp = None

    def get_bitfile_metadata(self, bitfile_name: str, partial: bool = False) -> Any:
        """What pynq's own parser finds in the handoff."""
        return RuntimeMetadataParser(Metadata(input=str(Path(bitfile_name).with_suffix(".hwh"))))

    def gen_cache(self, bitstream: Any, parser: Any = None) -> None:
        """pynq would pickle what it parsed."""

    def download(self, bitstream: Any, parser: Any = None) -> None:
        """Load the bitstream."""
        cells = {
            name: (cell["phys_addr"], cell["addr_range"])
            for name, cell in parser.ip_dict.items()
            if "phys_addr" in cell
        }
        self.board.program(cells)
        self.post_download(bitstream, parser)

    def read_registers(self, address: int, length: int) -> bytes:
        """What MMIO reads."""
        words = [self.board.read(place) for place in range(address, address + length, 4)]
        return struct.pack(f"<{len(words)}I", *words)

    def write_registers(self, address: int, data: bytes) -> None:
        """What MMIO writes."""
        for index, value in enumerate(struct.unpack(f"<{len(data) // 4}I", bytes(data))):
            self.board.write(address + 4 * index, value)

    def allocate(self, shape: tuple[int, ...], dtype: Any, **options: Any) -> EmulatedBuffer:
        """A buffer in the board's memory."""
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        address = self.board.memory.allocate(size)
        memory = self.board.memory.view(address, size)
        buffer = EmulatedBuffer(shape, dtype, buffer=memory, device=self, device_address=address, coherent=False)
        buffer.owner = self.board
        return buffer

    def flush(self, bo: Any, offset: int, pointer: int, size: int) -> None:
        """The caches are coherent here."""

    def invalidate(self, bo: Any, offset: int, pointer: int, size: int) -> None:
        """The caches are coherent here."""
