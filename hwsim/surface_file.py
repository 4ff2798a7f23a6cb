# SPDX-License-Identifier: Apache-2.0
"""Efficiency surfaces as a part of a device file: the key ``surfaces`` beside ``numbers``.

surfaces:
  runtime: onnxruntime
  block: 16
  length: 2.5
  source: "ONNX Runtime 1.27.0, 1 thread, …"
  call_us: {fp32: 5.7}
  forms:
    fp32:
      conv:
        prices: "0.8 0.0001 …"     # us per count of the terms, in their order
        centres: |                 # a line per centre: its weight, then its features
          0.12 3.1 2.0 …
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from hwsim.columns import Column
from hwsim.errors import DeviceError
from hwsim.registry import expect_keys, suggest
from hwsim.runtime_nodes import FORMS, LOWERINGS
from hwsim.surface_terms import DTYPE_BYTES, FEATURES, TERMS
from hwsim.surfaces import Surface, Surfaces

KEYS = ("runtime", "block", "length", "source", "call_us", "forms")


def read_surfaces(data: Any, where: str) -> Surfaces:
    """Checked surfaces from the value of the key ``surfaces``.

    Raises:
        DeviceError: a key is missing or unknown, or a number is none, infinite or impossible.
    """
    where = f"{where}: surfaces"
    if not isinstance(data, Mapping):
        raise DeviceError(f"{where}: got {type(data).__name__}; expected a mapping; calibrate again")
    expect_keys(data, where, KEYS)
    if data["runtime"] not in LOWERINGS:
        raise DeviceError(f"{where}: unknown runtime '{data['runtime']}'; {suggest(str(data['runtime']), LOWERINGS)}")
    block, length = _positive(data["block"], f"{where}: block"), _positive(data["length"], f"{where}: length")
    call_us = _by_type(data["call_us"], f"{where}: call_us")
    forms = _by_type(data["forms"], f"{where}: forms")
    if "fp32" not in forms or set(forms) != set(call_us):
        raise DeviceError(
            f"{where}: got forms in {', '.join(forms) or 'no type'}, call_us in {', '.join(call_us) or 'none'}; "
            "expected fp32 and the same types in both; calibrate again"
        )
    surfaces = {
        dtype: {str(name): _surface(name, one, f"{where}: {dtype}.{name}") for name, one in each.items()}
        for dtype, each in forms.items()
    }
    calls = {dtype: _row(value, 1, f"{where}: call_us.{dtype}")[0] for dtype, value in call_us.items()}
    return Surfaces(str(data["runtime"]), int(block), length, calls, surfaces, str(data["source"]))


def surface_lines(surfaces: Surfaces) -> Iterator[str]:
    """The lines of a device file that :func:`read_surfaces` reads."""
    calls = ", ".join(f"{dtype}: {value:.4g}" for dtype, value in surfaces.call_us.items())
    quoted = surfaces.source.replace("\\", "\\\\").replace('"', '\\"')
    yield "surfaces:"
    yield f"  runtime: {surfaces.runtime}"
    yield f"  block: {surfaces.block}"
    yield f"  length: {surfaces.length:g}"
    yield f'  source: "{quoted}"'
    yield f"  call_us: {{{calls}}}"
    yield "  forms:"
    for dtype, forms in surfaces.forms.items():
        yield f"    {dtype}:"
        for name, surface in forms.items():
            yield f"      {name}:"
            yield f'        prices: "{_text(surface.prices)}"'
            yield "        centres: |"
            for weight, centre in zip(surface.weights, surface.centres, strict=True):
                yield f"          {_text(np.append(weight, centre))}"


def _text(row: Column) -> str:
    return " ".join(f"{value:.4g}" for value in row)


def _by_type(data: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(data, Mapping):
        raise DeviceError(f"{where}: got {data!r}; expected a mapping of number types; calibrate again")
    for dtype in data:
        if dtype not in DTYPE_BYTES:
            raise DeviceError(f"{where}: unknown number type '{dtype}'; {suggest(str(dtype), DTYPE_BYTES)}")
    return data


def _surface(name: str, data: Any, where: str) -> Surface:
    if name not in FORMS:
        raise DeviceError(f"{where}: unknown form '{name}'; {suggest(str(name), FORMS)}")
    if not isinstance(data, Mapping) or set(data) != {"prices", "centres"}:
        raise DeviceError(f"{where}: expected prices and centres; calibrate again")
    prices = _row(data["prices"], len(TERMS), f"{where}: prices")
    if (prices < 0).any():
        raise DeviceError(f"{where}: prices: got {prices.min():g}; expected no negative price; calibrate again")
    lines = str(data["centres"]).splitlines()
    table = np.array([_row(line, FEATURES + 1, f"{where}: centre {index}") for index, line in enumerate(lines)])
    table = table.reshape(-1, FEATURES + 1)
    return Surface(prices, table[:, 1:], table[:, 0])


def _row(data: Any, length: int, where: str) -> Column:
    try:
        row = np.array([float(text) for text in str(data).split()])
    except ValueError:
        raise DeviceError(f"{where}: got {str(data)[:40]!r}; expected {length} numbers; calibrate again") from None
    if len(row) != length or not np.isfinite(row).all():
        raise DeviceError(f"{where}: got {len(row)} numbers; expected {length} finite ones; calibrate again")
    return row


def _positive(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value <= 0:
        raise DeviceError(f"{where}: got {value!r}; expected a number > 0; calibrate again")
    return float(value)
