# SPDX-License-Identifier: Apache-2.0
"""What only moves values: concatenation along channels, zeros around an image, repeated pixels."""

from collections.abc import Sequence

from hls.templates.ram import bank_words
from hls.templates.unit import Unit
from hwsim.errors import UnsupportedError
from hwsim.fpga import dataflow

_BLOCK_BITS = 16  # of one stream's beats per pixel among the parameters of concat


def concat(
    name: str, layer: str, sources: tuple[str, ...], result: str, width: int, pixels: int, blocks: Sequence[int]
) -> Unit:
    """The channels of several images: of every pixel the beats of the first, then of the second, and so on.

    Args:
        width: bits per beat, the same for all.
        blocks: beats per pixel of each source.

    Raises:
        UnsupportedError: more beats per pixel than the module counts.
    """
    if max(blocks) >= 1 << _BLOCK_BITS:
        raise UnsupportedError(
            f"{layer}: got {max(blocks)} beats per pixel; expected less than {1 << _BLOCK_BITS}; choose a larger pe"
        )
    packed = sum(count << _BLOCK_BITS * place for place, count in enumerate(blocks))
    bits = _BLOCK_BITS * len(blocks)
    parameters: dict[str, int | str] = {
        "COUNT": len(sources),
        "WIDTH": width,
        "MOST": max(blocks),
        "BEATS": f"{bits}'h{packed:0{bits // 4}x}",
    }
    return Unit(name, "concat", layer, parameters, dataflow.concat(pixels, blocks), sources, (result,))


def pad(
    name: str,
    layer: str,
    wires: tuple[str, str],
    width: int,
    blocks: int,
    image: tuple[int, int],
    padding: tuple[int, int, int, int],
) -> Unit:
    """Zeros around an image of (rows, columns) and ``blocks`` beats of ``width`` bits per pixel.

    Args:
        wires: in and out.
        padding: rows above, columns on the left, rows below, columns on the right.
    """
    parameters: dict[str, int | str] = {"WIDTH": width, "BLOCKS": blocks, "ROWS": image[0], "COLUMNS": image[1]}
    parameters |= dict(zip(("TOP", "LEFT", "BOTTOM", "RIGHT"), padding, strict=True))
    timing = dataflow.pad(blocks, image, padding)
    return Unit(name, "pad", layer, parameters, timing, (wires[0],), (wires[1],))


def upsample(
    name: str,
    layer: str,
    wires: tuple[str, str],
    width: int,
    blocks: int,
    image: tuple[int, int],
    factor: tuple[int, int],
) -> Unit:
    """Every pixel of an image of (rows, columns) repeated, ``factor`` (rows, columns) times.

    Args:
        wires: in and out.
        width: bits per beat.
        blocks: beats per pixel.
    """
    kept = image[1] * blocks if factor[0] > 1 else blocks
    parameters: dict[str, int | str] = {
        "WIDTH": width,
        "BLOCKS": blocks,
        "COLUMNS": image[1],
        "FACTOR_Y": factor[0],
        "FACTOR_X": factor[1],
        "BANK": bank_words(width, kept),
    }
    timing = dataflow.upsample(image[0] * image[1] * blocks, factor)
    return Unit(name, "upsample", layer, parameters, timing, (wires[0],), (wires[1],))
