# SPDX-License-Identifier: Apache-2.0
"""An accelerator on a PYNQ board, through pynq and numpy alone: integers or real numbers in, integers out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from . import packing
from .buffers import Slot, allocate_slots
from .clock import check_clock, restore_frequencies, set_clock
from .dma import Transfers
from .errors import (
    BoardError,
    ChecksumError,
    ConnectionLost,
    DmaTimeout,
    OverlayError,
    SelfTestError,
    StreamError,
    WrongDesign,
)
from .manifest import load
from .packing import Array
from .registers import CLEAR, DESIGN, EARLY_TLAST, ENABLE, ID_VALUE, MAJOR_VERSION, MISSING_TLAST, RESET

DEFAULT_BYTES = 1 << 20  # of a buffer, unless one image is larger
_PATIENCE = 10  # a transfer may take this many times what is expected of it
_SPARE_S = 0.5


class Accelerator:
    """The accelerator of an unpacked bundle, loaded, checked and ready.

    Args:
        folder: the bundle.
        device: a ``pynq.Device``; the board that this runs on by default.
        clock_mhz: at most the bundle's clock, which is the default.
        max_images: per transfer; as many as fit a buffer of 1 MiB by default.
        timeout_s: of one transfer; by default ten times what it should take, and half a second.
        now: seconds that pass, for timeouts and measurements; an emulated board has its own.

    Raises:
        BoardError: one of :mod:`errors`, by name.
    """

    def __init__(
        self,
        folder: Path | str,
        *,
        device: Any = None,
        clock_mhz: float | None = None,
        max_images: int | None = None,
        timeout_s: float | None = None,
        now: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.folder, self.manifest = Path(folder), load(Path(folder))
        self._timeout_s, self.now = timeout_s, now
        self._ready = False
        self._checksum = self._packet = self._images = 0
        with _connection():
            self.overlay, self._clocks = self._load(device)
            self._attach()
            self.clock_mhz = set_clock(self._clocks, self.manifest.clock_mhz, clock_mhz)
            self._check_identity()
            self._slots: tuple[Slot, Slot] = allocate_slots(
                self.manifest, device, self._transfers.max_bytes, max_images
            )
            self.max_images = self._slots[0].max_images
            self._reset()
            self._ready = True
        self.self_test()

    def run(self, x: Array) -> Array:
        """(N, *input shape) → (N, *output shape) integers, in a new array.

        Integers are taken as they are; real numbers are quantised. Larger N are sent in several transfers, the next
        one packed while the accelerator works.

        Raises:
            DataError: x does not fit.
            BoardError: one of :mod:`errors`, with the ``results`` of the images before it; the accelerator may be
                used again afterwards.
        """
        integers = self.integers(x)
        if len(integers) == 0:
            return self._nothing()
        size = self.max_images
        parts: list[Array] = []
        try:
            for part in self._stream(integers[start : start + size] for start in range(0, len(integers), size)):
                parts.append(part)  # those before an error are kept
        except BoardError as error:
            error.results = np.concatenate(parts) if parts else self._nothing()
            raise
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def predict(self, x: Array) -> Array:
        """Like :meth:`run`, with real numbers out."""
        return self.run(x) * self.manifest.output.scale

    def stream(self, batches: Iterable[Array]) -> Iterator[Array]:
        """Like :meth:`run`, batch by batch of at most ``max_images``: two transfers' memory is used in turn.

        What came before an error is handed out before the error is raised.
        """
        return self._stream(map(self.integers, batches))

    def _stream(self, batches: Iterable[Array]) -> Iterator[Array]:
        """:meth:`stream` of integers that have been checked."""
        at_work: Slot | None = None
        failed: BaseException | None = None
        iterator, free = iter(batches), list(self._slots)
        try:
            while failed is None:
                started: Slot | None = None
                try:
                    batch = next(iterator, None)
                    if batch is not None:
                        self.fill(free[0], batch)
                        started = free.pop(0)
                except Exception as error:  # of the caller's batches: what is at work comes first
                    failed = error
                if at_work is not None:
                    self.finish(at_work)
                if started is not None:
                    try:
                        self.start(started)
                    except BoardError as error:
                        failed, started = error, None
                done, at_work = at_work, started
                if done is not None:
                    yield self.take(done)
                    free.append(done)
                if at_work is None:
                    break
            if failed is not None:
                raise failed
        finally:
            if at_work is not None:  # the caller wants no more, or a stage failed
                with suppress(BoardError):  # then the next transfer begins with loading the bitstream
                    self.recover()

    def integers(self, x: Array) -> Array:
        """Real numbers quantised, integers checked.  Raises DataError."""
        given = np.asarray(x)
        if given.dtype.kind == "f" and given.shape[1:] == self.manifest.input.shape:
            return packing.quantise(self.manifest.input, given)
        return packing.check(self.manifest.input, given)

    def fill(self, slot: Slot, integers: Array) -> None:
        """Stage 1 of a transfer: pack integers into its memory."""
        slot.fill(self.manifest.input, integers)

    def start(self, slot: Slot) -> None:
        """Stage 2: hand it to the DMA engine."""
        if not self._ready:
            self.reload()
        try:
            if slot.images != self._packet:
                self._write("frames_per_packet", slot.images)
                self._packet = slot.images
            self._transfers.start(slot.source, slot.target)
        except Exception as error:
            self._fail(error)

    def finish(self, slot: Slot) -> None:
        """Stage 3: wait for it, and read what the design says of it."""
        try:
            try:
                self._transfers.wait(slot.images * self.manifest.output.image_bytes, self.timeout_s(slot.images))
            except DmaTimeout as error:
                raise DmaTimeout(f"{error}; {self._diagnosis(slot.images)}") from None
            status = self._read("status")
            slot.checksum = self._read("checksum")
            self._images += slot.images
            if status & (EARLY_TLAST | MISSING_TLAST):
                word = "came early" if status & EARLY_TLAST else "is missing"
                raise StreamError(
                    f"design: TLAST {word} at its input; expected one per {slot.images} images; run again"
                )
        except Exception as error:
            self._fail(error)

    def take(self, slot: Slot) -> Array:
        """Stage 4: check and unpack the result into a new array."""
        port = self.manifest.output
        try:
            memory = slot.received(slot.images * port.image_bytes)
            self._checksum = packing.checksum(port, memory, self._checksum)
            if self._checksum != slot.checksum:
                raise ChecksumError(
                    f"checksum: memory has 0x{self._checksum:08x}, the design sent 0x{slot.checksum:08x}; "
                    "expected the same; run again"
                )
            return packing.unpack(port, memory)
        except Exception as error:
            self._fail(error)

    @property
    def slot(self) -> Slot:
        """Memory of one transfer, for who takes the stages one by one."""
        return self._slots[0]

    def timeout_s(self, images: int) -> float:
        """How long a transfer may take."""
        if self._timeout_s is not None:
            return self._timeout_s
        latency, interval = self.manifest.latency_cycles or 0, self.manifest.interval_cycles or 0
        streamed = images * max(self.manifest.input.beats, self.manifest.output.beats, interval)
        return _SPARE_S + _PATIENCE * (latency + streamed) / (self.clock_mhz * 1e6)

    def counters(self) -> dict[str, int]:
        """The design's registers by name (docs/registers.md)."""
        with _connection():
            return {name: self._read(name) for name in DESIGN}

    def check_clock(self) -> float:
        """The clock in MHz as it is now.  Raises ClockError where it is faster than timing was met for."""
        with _connection():
            return check_clock(self._clocks, self.manifest.clock_mhz)

    def self_test(self, passes: int = 2) -> int:
        """Run the bundle's golden vectors, more than once; the number of images compared.

        Raises:
            SelfTestError: an integer is wrong; says whether every time.
        """
        inputs, outputs = (np.load(self.folder / "golden" / f"{end}.npy") for end in ("inputs", "outputs"))
        wrong = [np.count_nonzero(self.run(inputs) != outputs) for _ in range(passes)]
        if any(wrong):
            how = "the same each time" if len(set(wrong)) == 1 else "different each time"
            raise SelfTestError(
                f"self-test: got {wrong[0]} wrong integers of {outputs.size}, {how} ({wrong}); expected none; "
                "lower the clock or build again"
            )
        return passes * len(inputs)

    def recover(self) -> None:
        """Forget whatever is on its way, in the design and in the DMA engine; reload where that does not help.

        Raises:
            BoardStuck: not even that helped.
        """
        if not self._ready:
            self.reload()
            return
        self._ready = False
        try:
            with _connection():
                self._reset()
            self._ready = True
        except RuntimeError:  # pynq's, BoardStuck or ConnectionLost
            self.reload()

    def reload(self) -> None:
        """Load the bitstream again, set the clock again, and start anew.

        Raises:
            BoardError: see :class:`Accelerator`.
        """
        self._ready = False  # until all of this has been done, the next transfer starts with it
        with _connection():
            self.overlay.download()
            self._attach()
            set_clock(self._clocks, self.manifest.clock_mhz, self.clock_mhz)
            self._check_identity()
            self._reset()
        self._ready = True

    def close(self) -> None:
        """Give the buffers back."""
        for slot in self._slots:
            slot.free()

    def _nothing(self) -> Array:
        return np.zeros((0, *self.manifest.output.shape), packing.container(self.manifest.output))

    def _load(self, device: Any) -> tuple[Any, Any]:
        from pynq import Clocks, Overlay

        bitstream = self.folder / f"{self.manifest.name}.bit"
        try:
            overlay = Overlay(str(bitstream), download=False, device=device)
            restore_frequencies(overlay, bitstream.with_suffix(".hwh"))
            overlay.download()
        except (OSError, RuntimeError, ValueError) as error:
            raise OverlayError(f"{bitstream}: cannot load ({error}); run as root on the bundle's board") from error
        return overlay, Clocks

    def _attach(self) -> None:
        for name in (self.manifest.dma, self.manifest.accelerator):
            if name not in self.overlay.ip_dict:
                known = ", ".join(sorted(self.overlay.ip_dict))
                raise OverlayError(f"{self.manifest.name}.hwh: has no cell {name}; expected it among {known}")
        self._transfers = Transfers(_member(self.overlay, self.manifest.dma), self.now)
        self._mmio = _member(self.overlay, self.manifest.accelerator).mmio

    def _check_identity(self) -> None:
        names = ("id", "version", "network_low", "network_high")
        found, version, low, high = (self._read(name) for name in names)
        if found != ID_VALUE or version >> 16 != MAJOR_VERSION:
            raise WrongDesign(
                f"design: got id 0x{found:08x}, version 0x{version:08x}; expected SLIM, {MAJOR_VERSION}.x"
            )
        network = f"{high:08x}{low:08x}"
        if network != self.manifest.model_hash:
            raise WrongDesign(
                f"design: computes network {network}; expected {self.manifest.model_hash}; build it again"
            )

    def _reset(self) -> None:
        self._write("control", ENABLE | RESET)  # in this order: docs/registers.md, "Starting anew"
        self._transfers.reset()
        self._write("control", ENABLE | CLEAR)
        self._checksum = self._packet = self._images = 0

    def _fail(self, error: Exception) -> NoReturn:
        """Raise what a stage raised, by its name; the accelerator is then ready for the next transfer."""
        named = _named(error)
        if isinstance(named, BoardError):
            try:
                if isinstance(named, (DmaTimeout, ConnectionLost)):  # what hangs, a reset might not reach
                    self.reload()
                else:
                    self.recover()
            except BoardError as second:
                named.args = (f"{named}; and then: {second}",)
        if named is error:
            raise named
        raise named from error

    def _diagnosis(self, images: int) -> str:
        names = ("frames_in", "frames_out", "status", "stall_in", "stall_out")
        state = {name: self._read(name) for name in names}
        for name in ("frames_in", "frames_out"):
            state[name] -= self._images
        words = ", ".join(f"{name}={value}" for name, value in state.items())
        return f"of {images} images the design says {words}; it was loaded again, run again"

    def _read(self, name: str) -> int:
        return int(self._mmio.read(DESIGN[name]))

    def _write(self, name: str, value: int) -> None:
        self._mmio.write(DESIGN[name], value)


@contextmanager
def _connection() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        named = _named(error)
        if named is error:
            raise
        raise named from error


def _named(error: Exception) -> Exception:
    """The error itself, or ConnectionLost where it is the operating system's or grpc's, which are no OSErrors."""
    if not (isinstance(error, OSError) or type(error).__module__.startswith("grpc")):
        return error
    details = getattr(error, "details", None)
    words = str(error) if details is None else str(details())
    return ConnectionLost(f"board: no longer answers ({words}); check its cable and power")


def _member(overlay: Any, path: str) -> Any:
    for name in path.split("/"):
        overlay = getattr(overlay, name)
    return overlay
