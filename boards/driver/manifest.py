# SPDX-License-Identifier: Apache-2.0
"""What the driver needs to know of a bundle: its ``manifest.json``, read with what every board image has.

The fields are those of a bundle's manifest; what is only for the host is skipped.
"""

import json
import math
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from .errors import ManifestError

FORMAT_VERSION = 1
_FORMAT = re.compile(r"ap_(u?)fixed<(\d+),(-?\d+)(?:,AP_(\w+),AP_\w+)?>")


@dataclass(frozen=True)
class Port:
    """One end of the accelerator.

    An image is ``beats`` beats of ``lanes`` integers of ``width`` bits; a beat takes ``word_bytes`` of memory. An
    integer n stands for the real number n · ``scale``. ``shape`` is one image as the network has it, ``image`` its
    (channels, rows, columns), which travel pixel by pixel with the channels innermost.
    """

    width: int
    signed: bool
    rounding: str
    scale: float
    shape: tuple[int, ...]
    image: tuple[int, int, int]
    lanes: int
    beats: int
    word_bytes: int

    @property
    def low(self) -> int:
        """Smallest integer."""
        return -(1 << (self.width - 1)) if self.signed else 0

    @property
    def high(self) -> int:
        """Largest integer."""
        return (1 << (self.width - 1)) - 1 if self.signed else (1 << self.width) - 1

    @cached_property
    def data_bytes(self) -> int:
        """Bytes of a beat that carry data: AXI4-Stream's TDATA is whole bytes."""
        return -(-self.lanes * self.width // 8)

    @cached_property
    def image_bytes(self) -> int:
        """Bytes of memory that one image takes."""
        return self.beats * self.word_bytes


@dataclass(frozen=True)
class Manifest:
    """What a bundle says of its accelerator; see :mod:`boards.bundle`."""

    name: str
    board: str
    flow: str
    model_hash: str
    clock_mhz: float
    input: Port
    output: Port
    latency_cycles: int | None
    interval_cycles: int | None
    dma: str
    accelerator: str


def load(folder: Path) -> Manifest:
    """Read ``manifest.json`` of an unpacked bundle.

    Raises:
        ManifestError: it is missing, damaged or of another version.
    """
    path = Path(folder) / "manifest.json"
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        version = data["format_version"]
        if version != FORMAT_VERSION:
            raise ManifestError(
                f"{path}: got version {version}; expected {FORMAT_VERSION}; use the bundle's own driver"
            )
        return Manifest(
            name=str(data["name"]),
            board=str(data["board"]),
            flow=str(data["flow"]),
            model_hash=str(data["model_hash"]),
            clock_mhz=_positive(data["clock_mhz"]),
            input=_port(data["input"]),
            output=_port(data["output"]),
            latency_cycles=data["latency_cycles"],
            interval_cycles=data["interval_cycles"],
            dma=str(data["dma"]),
            accelerator=str(data["accelerator"]),
        )
    except OSError as error:
        raise ManifestError(f"{path}: cannot read ({error.strerror}); unpack the bundle again") from error
    except (KeyError, TypeError, ValueError) as error:
        raise ManifestError(f"{path}: is damaged ({type(error).__name__}: {error}); unpack the bundle again") from error


def _port(data: dict[str, Any]) -> Port:
    match = _FORMAT.fullmatch(data["format"])
    if match is None:
        raise ValueError(f"unknown format {data['format']!r}")
    width = int(match.group(2))
    channels, rows, columns = (int(size) for size in data["image"])
    port = Port(
        width=width,
        signed=not match.group(1),
        rounding=match.group(4) or "TRN",
        scale=_positive(data["scale"]),
        shape=tuple(int(size) for size in data["shape"]),
        image=(channels, rows, columns),
        lanes=int(data["lanes"]),
        beats=int(data["beats"]),
        word_bytes=int(data["word_bytes"]),
    )
    values = channels * rows * columns
    if not 1 <= width <= 63 or values != math.prod(port.shape) or values != port.lanes * port.beats:
        raise ValueError(f"{port.lanes} lanes in {port.beats} beats do not make an image of {port.shape}")
    if port.word_bytes < port.data_bytes:
        raise ValueError(f"words of {port.word_bytes} bytes do not hold {port.lanes} x {width} bits")
    return port


def _positive(number: Any) -> float:
    if not (math.isfinite(number) and number > 0):
        raise ValueError(f"got {number}; expected a number > 0")
    return float(number)
