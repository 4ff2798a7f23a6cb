# SPDX-License-Identifier: Apache-2.0
"""What can go wrong on a board, by name.

    BoardError
    ├── NotReady           no board, another board, another image, or not root
    ├── ManifestError      manifest.json is missing, damaged or of another kind
    ├── OverlayError       the bitstream cannot be loaded, or lacks a cell that the manifest names
    ├── WrongDesign        what answers is not the design of the manifest
    ├── ClockError         the clock cannot be set, or is faster than the one that timing was met for
    ├── BuffersError       there is not enough contiguous memory
    ├── DataError          an input does not fit: shape, range, not finite
    ├── DmaTimeout         a transfer did not end in time
    ├── DmaError           the DMA engine stopped with an error bit
    ├── ShortTransfer      a transfer ended with fewer bytes than the images have
    ├── StreamError        the design saw TLAST where none belongs, or missed one
    ├── ChecksumError      bytes in memory are not those that left the design
    ├── SelfTestError      golden vectors came out wrong
    ├── CpuError           the network does not compile for the board's processor
    ├── ConnectionLost     the board no longer answers
    └── BoardStuck         not even loading the bitstream again helped

A message is one line: where, what was found, what was expected, what to do about it.
"""

import numpy as np


class BoardError(RuntimeError):
    """Base of all errors that the driver raises on purpose.

    ``results`` are those of a run's images before the error, if there were any.
    """

    results: "np.ndarray | None" = None


class NotReady(BoardError):
    """No board, another board, another image, or not root."""


class ManifestError(BoardError):
    """manifest.json is missing, damaged or of another kind."""


class OverlayError(BoardError):
    """The bitstream cannot be loaded, or lacks a cell that the manifest names."""


class WrongDesign(BoardError):
    """What answers is not the design of the manifest."""


class ClockError(BoardError):
    """The clock cannot be set, or is faster than the one that timing was met for."""


class BuffersError(BoardError):
    """There is not enough contiguous memory."""


class DataError(BoardError, ValueError):
    """An input does not fit."""


class DmaTimeout(BoardError):
    """A transfer did not end in time."""


class DmaError(BoardError):
    """The DMA engine stopped with an error bit."""


class ShortTransfer(BoardError):
    """A transfer ended with fewer bytes than the images have."""


class StreamError(BoardError):
    """The design saw TLAST where none belongs, or missed one."""


class ChecksumError(BoardError):
    """Bytes in memory are not those that left the design."""


class SelfTestError(BoardError):
    """Golden vectors came out wrong."""


class CpuError(BoardError):
    """The network does not compile for the board's processor."""


class ConnectionLost(BoardError):
    """The board no longer answers."""


class BoardStuck(BoardError):
    """Not even loading the bitstream again helped."""
