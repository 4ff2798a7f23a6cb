# SPDX-License-Identifier: Apache-2.0
"""What a bundle is: the record that a driver reads before anything else, checked wherever one is made."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from boards.archive import Content
from hwsim.errors import BundleError
from hwsim.fixed import FixedPoint

FORMAT_VERSION = 1
FLOWS = ("rtl", "hls4ml", "emulated")
#: A beat carries `lanes` values of `format.width` bits, the first in the low bits, padded with zeros to whole words.
PACKING = "first lane in the low bits, zero padding, little endian"
#: TLAST comes with the last beat of every `frames_per_packet` images, a register of the design (docs/registers.md).
TLAST = "frames_per_packet"
#: Widths of an AXI DMA stream in bytes (AMD PG021, "Stream Data Width": 8 to 1,024 bits, powers of two).
WORD_BYTES = (1, 2, 4, 8, 16, 32, 64, 128)


@dataclass(frozen=True)
class Port:
    """One end of the accelerator, as the DMA engine sees it.

    ``shape`` is one image as the network has it; ``image`` is (channels, rows, columns) of what travels, pixel by pixel
    with the channels innermost. An integer n stands for the real number n · ``scale``. One beat is ``word_bytes`` of
    memory: ``lanes`` values and zero padding.
    """

    format: str
    scale: float
    shape: tuple[int, ...]
    image: tuple[int, int, int]
    lanes: int
    beats: int
    word_bytes: int

    def __post_init__(self) -> None:
        fmt = FixedPoint.parse(self.format)
        if not (np.isfinite(self.scale) and self.scale > 0):
            raise BundleError(f"port: got scale {self.scale}; expected a number > 0; build the bundle again")
        values = int(np.prod(self.image))
        if min(*self.image, *self.shape, self.lanes, 1) < 1 or values != int(np.prod(self.shape)):
            raise BundleError(f"port: got image {self.image} for shape {self.shape}; expected as many values")
        if self.lanes * self.beats != values:
            raise BundleError(f"port: got {self.beats} beats of {self.lanes} lanes; expected {values} values in all")
        if self.word_bytes not in WORD_BYTES or 8 * self.word_bytes < self.lanes * fmt.width:
            raise BundleError(
                f"port: got words of {self.word_bytes} bytes for {self.lanes} x {fmt.width} bits; expected a power of "
                "two up to 128 that holds them, as AXI DMA has it"
            )

    @property
    def bytes_per_image(self) -> int:
        """Bytes of memory that one image takes."""
        return self.beats * self.word_bytes


@dataclass(frozen=True)
class Manifest:
    """What a bundle is.

    ``build_id`` are the 32 bits that the build put into the bitstream as its UserID. ``clock_mhz`` is the clock for
    which timing was met with the slack ``wns_ns``: a board may run at less, never at more. ``latency_cycles`` and
    ``interval_cycles`` are what the design is expected to take per image, from first beat in to last beat out and from
    image to image; None where nobody knows. ``dma`` and ``accelerator`` are names of the block design's cells.
    ``platform`` is what v++ linked a kernel to, whose clock it lowers by itself until timing is met; "" where there is
    a block design.
    """

    name: str
    board: str
    part: str
    flow: str
    model_hash: str
    build_id: str
    clock_mhz: float
    wns_ns: float | None
    input: Port
    output: Port
    tools: Mapping[str, str]
    latency_cycles: int | None = None
    interval_cycles: int | None = None
    dma: str = "axi_dma_0"
    accelerator: str = "accelerator_0"
    platform: str = ""
    packing: str = PACKING
    tlast: str = TLAST
    format_version: int = FORMAT_VERSION
    files: Mapping[str, Content] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.format_version != FORMAT_VERSION:
            raise BundleError(
                f"bundle: got format version {self.format_version}; expected {FORMAT_VERSION}; "
                "use the slimfab that wrote it, or build it again"
            )
        if re.fullmatch(r"[A-Za-z0-9_-]{1,64}", self.name) is None:
            raise BundleError(f"bundle: got name {self.name!r}; expected letters, digits, _ and -, at most 64")
        if re.fullmatch(r"[0-9a-f]{8}", self.build_id) is None:
            raise BundleError(f"bundle: got build_id {self.build_id!r}; expected eight hexadecimal digits")
        if self.flow not in FLOWS:
            raise BundleError(f"bundle: got flow {self.flow!r}; expected one of {', '.join(FLOWS)}")
        if not (np.isfinite(self.clock_mhz) and self.clock_mhz > 0):
            raise BundleError(f"bundle: got clock_mhz {self.clock_mhz}; expected a number > 0")
        if self.wns_ns is not None and not self.wns_ns >= 0:
            raise BundleError(
                f"bundle: got a slack of {self.wns_ns} ns at {self.clock_mhz:g} MHz; expected 0 or more; "
                "timing is not met, build for a slower clock"
            )
        for given, known in ((self.packing, PACKING), (self.tlast, TLAST)):
            if given != known:
                raise BundleError(f"bundle: got {given!r}; expected {known!r}; build the bundle again")

    @property
    def bit(self) -> str:
        """Name of the bitstream."""
        return f"{self.name}.bit"

    @property
    def hwh(self) -> str:
        """Name of the hardware handoff."""
        return f"{self.name}.hwh"

    @property
    def xclbin(self) -> str:
        """Name of the container for XRT."""
        return f"{self.name}.xclbin"
