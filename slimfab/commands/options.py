# SPDX-License-Identifier: Apache-2.0
"""Arguments and options that several commands share."""

from typing import Annotated

import typer

from hwsim.errors import InputError

ModelArgument = Annotated[
    str, typer.Argument(help="zoo name, module:function, file.py:function, .onnx file, or folder with network.json")
]
ObjectiveOption = Annotated[
    str,
    typer.Option(help="what the folding makes smallest: interval_us, latency_us, energy_uj, lut, ff, dsp or bram18"),
]
BudgetOption = Annotated[
    str, typer.Option(help="limits such as dsp=100,latency_us=500; also lut, ff, bram18, interval_us, power_w")
]
InputOption = Annotated[str | None, typer.Option("--input", help="input shape without batch, e.g. 1x28x28")]


def parse_shape(text: str | None) -> tuple[int, ...] | None:
    """``1x28x28`` as (1, 28, 28); None stays None.

    Raises:
        InputError: it is not positive numbers joined by x.
    """
    if text is None:
        return None
    parts = text.replace(",", "x").split("x")
    if not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise InputError(f"--input: got '{text}'; expected positive sizes joined by x, such as 1x28x28")
    return tuple(int(part) for part in parts)
