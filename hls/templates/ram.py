# SPDX-License-Identifier: Apache-2.0
"""How a memory is divided into block RAMs."""

import math

import numpy as np

from hls.templates.unit import Array
from hwsim.fpga.resources import BLOCK_SHAPES
from hwsim.fpga.units.memory import SPARE


def bank_words(width: int, depth: int) -> int:
    """Words per bank of ``depth`` words of ``width`` bits, for the parameter BANK of the module ``ram``.

    The depth of a block RAM's shape with which the fewest blocks hold everything; of several, the deepest.
    """
    return min(BLOCK_SHAPES, key=lambda shape: -(-depth // shape[0]) * -(-width // shape[1]))[0]


def line_words(width: int, depth: int) -> int:
    """Words per bank like :func:`bank_words`, for the parameter BANK of the module ``rom``.

    Its banks stand side by side in one memory, so that a block may hold the end of one and the beginning of the next.
    A sixteenth more blocks than the fewest are taken for deeper and so fewer banks: every one of them has registers.
    """
    blocks = {words: math.ceil(math.ceil(depth / words) * width / bits) for words, bits in BLOCK_SHAPES}
    fewest = min(blocks.values())
    return max(words for words, count in blocks.items() if count <= fewest + fewest // SPARE)


def banked(values: Array, bank: int) -> Array:
    """The words of the module ``rom`` as the lines of its file: the banks side by side.

    Args:
        values: (words, values per word) integers.
        bank: words per bank, the parameter BANK.

    Returns:
        (lines, banks · values per word) integers.
    """
    depth, lanes = values.shape
    if depth <= bank:
        return values
    banks = -(-depth // bank)
    filled = np.concatenate([values, np.zeros((banks * bank - depth, lanes), dtype=values.dtype)])
    return filled.reshape(banks, bank, lanes).transpose(1, 0, 2).reshape(bank, banks * lanes)
