# SPDX-License-Identifier: Apache-2.0
"""What all matrix units are made of: integers, formats, and the parameters and memories that follow from them."""

from dataclasses import dataclass

import numpy as np

from hls.templates.ram import bank_words, banked, line_words
from hls.templates.unit import Array, rom_style, words
from hwsim.design import Folding
from hwsim.fixed import FixedPoint
from hwsim.fpga.multipliers import Multiplier, multiplier


@dataclass(frozen=True, eq=False)
class Operands:
    """Integer matrices that take turns, their biases, and every number format of their unit.

    ``matrices`` is (matrices, rows, columns), the columns in the order in which the inputs arrive; ``bias`` is
    (matrices, rows). ``exact`` is the accumulator's format: it holds every result, at the finest of the binary points.
    """

    matrices: Array
    bias: Array
    source: FixedPoint
    weight: FixedPoint
    offset: FixedPoint
    exact: FixedPoint

    def multiplier(self, folding: Folding) -> Multiplier:
        """Where the products are computed."""
        return multiplier(self.source.width, self.weight.width, folding.multiplier)

    def parameters(self, layer: str, folding: Folding, vector: int, depth: int) -> dict[str, int | str]:
        """The parameters that every matrix module has.

        Args:
            vector: beats for which the buffer of inputs has room.
            depth: words of weights.

        Raises:
            UnsupportedError: the weights cannot live in the memory that the folding names.
        """
        product = self.multiplier(folding)
        return {
            "PE": folding.pe,
            "SIMD": folding.simd,
            "IN_WIDTH": self.source.width,
            "IN_SIGNED": int(self.source.signed),
            "W_WIDTH": self.weight.width,
            "W_SIGNED": int(self.weight.signed),
            "ACC_WIDTH": self.exact.width,
            "SHIFT": self.exact.frac - self.source.frac - self.weight.frac,
            "ROWS_PER_DSP": product.rows_per_dsp,
            "SPACING": product.spacing,
            "MEMORY": rom_style(layer, folding.memory, "weights"),
            "WEIGHT_BANK": self._weight_bank(folding, depth),
            "VECTOR_BANK": bank_words(folding.simd * self.source.width, vector),
        }

    def _weight_bank(self, folding: Folding, depth: int) -> int:
        """Words per bank of the weights: block RAM is slow, LUTs need no banks."""
        in_blocks = folding.memory in ("auto", "block")
        return line_words(folding.pe * folding.simd * self.weight.width, depth) if in_blocks else depth

    def blocks(self, pe: int, simd: int) -> Array:
        """(matrices, row blocks, column blocks, pe · simd) weights, as the unit takes them cycle by cycle."""
        count, rows, columns = self.matrices.shape
        folded = self.matrices.reshape(count, rows // pe, pe, columns // simd, simd).transpose(0, 1, 3, 2, 4)
        return folded.reshape(count, rows // pe, columns // simd, pe * simd)

    def weight_lines(self, values: Array, folding: Folding) -> tuple[str, ...]:
        """Blocks of weights, (words, pe · simd), as the lines of their file."""
        return words(banked(values, self._weight_bank(folding, len(values))), self.weight.width)

    def bias_lines(self, pe: int) -> tuple[str, ...]:
        """The biases of ``pe`` rows per line, at the accumulator's binary point."""
        aligned = self.bias.astype(np.int64) << (self.exact.frac - self.offset.frac)
        return words(aligned.reshape(-1, pe), self.exact.width)
