# SPDX-License-Identifier: Apache-2.0
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from rtl_efforts import PLAIN, REPLACED
from rtl_units import WIRES, alone, meets_contract, stream

from hls.rtl_compile import Effort
from hls.templates.cast import OVERFLOWS, cast
from hwsim.errors import UnsupportedError
from hwsim.fixed import FixedPoint
from hwsim.fpga.casts import ROUNDINGS

pytestmark = [pytest.mark.needs("verilator", "g++")]

Clip = tuple[int, int, int] | None
# source, target, clip
CASES: dict[str, tuple[FixedPoint, FixedPoint, Clip]] = {
    f"{rounding}, {overflow}": (FixedPoint(9, 5), FixedPoint(5, 2, True, rounding, overflow), None)
    for rounding, overflow in product(ROUNDINGS, OVERFLOWS)
} | {
    "relu to unsigned": (FixedPoint(9, 5), FixedPoint(4, 1, False, "RND_CONV", "SAT"), (0, 255, 5)),
    "negative to unsigned, wrapping": (FixedPoint(8, 2), FixedPoint(6, 2, False), None),
    "bounds on a finer grid": (FixedPoint(6, 1), FixedPoint(6, 2, True, "RND", "SAT"), (-21, 19, 4)),
    "more fractional bits, unsigned source": (FixedPoint(5, 1, False), FixedPoint(9, 4, True, "TRN", "SAT"), None),
    "one bit left": (FixedPoint(6, 5), FixedPoint(1, 0, False, "RND_CONV", "SAT"), None),
    "wider than anything on the way": (FixedPoint(4, 0), FixedPoint(40, 0), None),
    "more rounded away than there is": (FixedPoint(3, 8), FixedPoint(8, 0, True, "RND_CONV", "SAT"), None),
}
IN_DEFAULT = ("RND_CONV, SAT", "RND, WRAP", "TRN, SAT", "relu to unsigned", "bounds on a finer grid")
IN_DEFAULT_FAST = ("RND_CONV, SAT", "bounds on a finer grid")


@pytest.mark.parametrize(
    ("name", "effort"),
    [
        *((name, PLAIN) for name in IN_DEFAULT),
        *((name, REPLACED) for name in IN_DEFAULT_FAST),
        *(pytest.param(name, PLAIN, marks=pytest.mark.slow) for name in CASES if name not in IN_DEFAULT),
        *(pytest.param(name, REPLACED, marks=pytest.mark.slow) for name in CASES if name not in IN_DEFAULT_FAST),
    ],
)
def test_bits_and_cycles_over_every_input(name: str, effort: Effort, tmp_path: Path, rtl_cache: Path) -> None:
    source, target, clip = CASES[name]
    lanes, images = 2, 4
    values = np.arange(source.min_int, source.max_int + 1)
    values = np.resize(values, (images, -(-len(values) // (images * lanes)) * lanes))
    frac = max(source.frac, clip[2] if clip else source.frac)
    exact = values << (frac - source.frac)
    if clip:
        exact = np.clip(exact, clip[0] << (frac - clip[2]), clip[1] << (frac - clip[2]))
    beats = values.shape[1] // lanes
    unit = cast("b", "relu", WIRES, source, target, lanes, beats, clip)
    dataflow = alone(unit, stream("a", source, lanes, beats), stream("b", target, lanes, beats))
    meets_contract(dataflow, values, target.cast(exact, frac), tmp_path, rtl_cache, effort)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (
            FixedPoint(4, 0, True, "RND_ZERO"),
            "needs RND_ZERO; expected TRN, RND, RND_CONV; choose one of these in the number format",
        ),
        (FixedPoint(4, 0, True, "TRN", "SAT_SYM"), "needs SAT_SYM; expected WRAP, SAT; choose"),
        (FixedPoint(40, 39, True, "TRN"), "needs 69 bits on the way; expected at most 63; bring the formats closer"),
    ],
)
def test_what_the_unit_cannot_do_is_refused(target: FixedPoint, message: str) -> None:
    with pytest.raises(UnsupportedError, match=f"^relu: .*{message}"):
        cast("b", "relu", WIRES, FixedPoint(30, 0), target, 1, 1)
