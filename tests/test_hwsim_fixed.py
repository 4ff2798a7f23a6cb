# SPDX-License-Identifier: Apache-2.0
"""The golden arithmetic equals the C++ ``ap_fixed`` that hls4ml compiles, and exact rational arithmetic."""

import importlib.util
import itertools
import re
import subprocess
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import naive
import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from strategies import fixed_points

from hwsim.errors import FormatError
from hwsim.fixed import OVERFLOWS, ROUNDINGS, FixedPoint

IntArray = np.ndarray
INT64 = np.iinfo(np.int64)


# Against the C++ types

# (width, frac, signed, fractional bits of the source)
PAIRS = [
    (1, 0, True, 3),
    (8, 4, True, 9),
    (8, 4, True, 4),
    (8, 4, False, 12),
    (6, 6, False, 8),
    (8, 10, True, 13),
    (5, -2, True, 1),
    (32, 16, True, 40),
    (63, 20, True, 20),
    (64, 32, True, 45),
    (63, 30, False, 30),
]
CASTS = [
    (FixedPoint(width, frac, signed, rounding, overflow), source)
    for (width, frac, signed, source), rounding, overflow in itertools.product(PAIRS, ROUNDINGS, OVERFLOWS)
]
INTEGER_TYPES = [("ap_int<6>", 4), ("ap_uint<5>", 3), ("ap_int<8>", 0)]
REALS = [FixedPoint(7, 3, True, rounding, overflow) for rounding, overflow in itertools.product(ROUNDINGS, OVERFLOWS)]

PROGRAM = """\
#include <cstdint>
#include <cstdio>
#include <vector>
#include "ap_fixed.h"
#include "ap_int.h"

template <class Target, int frac> int64_t cast(int64_t bits) {{
    ap_fixed<64, 64 - frac> source;
    source.V = bits;
    Target target = source;
    return (int64_t)target.V;
}}

template <class Target> int64_t quantise(int64_t bits) {{
    double real;
    static_assert(sizeof real == sizeof bits, "");
    __builtin_memcpy(&real, &bits, sizeof real);
    Target target = real;
    return (int64_t)target.V;
}}

int64_t (*const cases[])(int64_t) = {{
{cases}
}};

// Reads (case, count, values…) until the end of the input and writes the results.
int main() {{
    int64_t head[2];
    while (fread(head, 8, 2, stdin) == 2) {{
        std::vector<int64_t> values(head[1]);
        if (fread(values.data(), 8, values.size(), stdin) != values.size()) return 1;
        for (auto& value : values) value = cases[head[0]](value);
        fwrite(values.data(), 8, values.size(), stdout);
    }}
}}
"""

Oracle = Callable[[list[tuple[int, IntArray]]], list[IntArray]]


def full_name(fmt: FixedPoint) -> str:
    name = f"ap_{'' if fmt.signed else 'u'}fixed"
    return f"{name}<{fmt.width}, {fmt.integer}, AP_{fmt.rounding}, AP_{fmt.overflow}>"


@pytest.fixture(scope="module")
def ap_fixed(tmp_path_factory: pytest.TempPathFactory) -> Oracle:
    """Runs (case, values) pairs through hls4ml's own C++ types."""
    spec = importlib.util.find_spec("hls4ml")
    assert spec is not None
    headers = Path(str(spec.origin)).parent / "templates" / "vivado" / "ap_types"
    folder = tmp_path_factory.mktemp("ap_fixed")
    casts = [f"cast<{full_name(fmt)}, {frac}>," for fmt, frac in CASTS]
    reals = [f"quantise<{full_name(fmt)}>," for fmt in REALS]
    integers = [f"cast<{name}, {frac}>," for name, frac in INTEGER_TYPES]
    (folder / "oracle.cpp").write_text(PROGRAM.format(cases="\n".join(casts + reals + integers)))
    compiler = ["g++", "-std=c++17", "-O0", "-w", "-I", str(headers), "oracle.cpp", "-o", "oracle"]
    subprocess.run(compiler, cwd=folder, check=True, capture_output=True)

    def run(jobs: list[tuple[int, IntArray]]) -> list[IntArray]:
        stream = b"".join(np.int64([case, len(values)]).tobytes() + values.tobytes() for case, values in jobs)
        done = subprocess.run([folder / "oracle"], input=stream, check=True, capture_output=True)
        results = np.frombuffer(done.stdout, dtype=np.int64)
        return np.split(results, np.cumsum([len(values) for _, values in jobs])[:-1])

    return run


def corners(fmt: FixedPoint, frac: int) -> IntArray:
    """Integers with ``frac`` fractional bits at the ends of a format, around zero, and at every kind of tie."""
    shift = frac - fmt.frac
    edges = {0, 1, -1, 2, -2, fmt.min_int, fmt.max_int, fmt.min_int - 1, fmt.max_int + 1, -fmt.max_int}
    edges |= {side * 2**fmt.width for side in (1, -1)} | {side * (2**fmt.width - 1) for side in (1, -1)}
    scaled = {Fraction(edge) * Fraction(2) ** shift for edge in edges}
    half = Fraction(2) ** (shift - 1)
    values = {
        int(near + offset) for near in scaled for offset in (0, 1, -1, half, -half, half + 1, half - 1, -half - 1)
    }
    values |= {INT64.min, INT64.max}
    limit = 2 ** (62 + min(shift, 0)) - 1 if shift < 0 else INT64.max
    return np.array(sorted(v for v in values if -limit <= v <= limit), dtype=np.int64)


@pytest.mark.needs("g++", "hls4ml")
def test_casts_of_integers_equal_the_cpp_types(ap_fixed: Oracle) -> None:
    rng = np.random.default_rng(0)
    jobs = []
    for case, (fmt, frac) in enumerate(CASTS):
        bits = min(62, fmt.width + max(frac - fmt.frac, 0) + 2)
        jobs.append((case, np.concatenate([corners(fmt, frac), rng.integers(-(2**bits), 2**bits, 100)])))
    for (case, values), expected in zip(jobs, ap_fixed(jobs), strict=True):
        fmt, frac = CASTS[case]
        got = fmt.cast(values, frac)
        wrong = np.flatnonzero(got != expected)
        assert not len(wrong), f"{full_name(fmt)} of {values[wrong][:3]} * 2**-{frac}"


@pytest.mark.needs("g++", "hls4ml")
def test_casts_to_integer_types_equal_the_cpp_types(ap_fixed: Oracle) -> None:
    values = np.arange(-2000, 2000)
    first = len(CASTS) + len(REALS)
    jobs = [(first + case, values) for case in range(len(INTEGER_TYPES))]
    for (name, frac), expected in zip(INTEGER_TYPES, ap_fixed(jobs), strict=True):
        assert np.array_equal(FixedPoint.parse(name).cast(values, frac), expected), name


@pytest.mark.needs("g++", "hls4ml")
def test_quantised_doubles_equal_the_cpp_types(ap_fixed: Oracle) -> None:
    rng = np.random.default_rng(1)
    ties = np.arange(-80, 80) / 16
    near = np.concatenate([np.nextafter(ties, np.inf), np.nextafter(ties, -np.inf)])
    tiny = np.array([5e-324, -5e-324, 2.0**-60, -(2.0**-60), -0.0, -0.5 + 2.0**-55, 0.5 - 2.0**-54])
    reals = np.concatenate([ties, near, tiny, ties * 8, rng.normal(0, 8, 300)])
    jobs = [(len(CASTS) + case, reals.view(np.int64)) for case in range(len(REALS))]
    for fmt, expected in zip(REALS, ap_fixed(jobs), strict=True):
        wrong = np.flatnonzero(fmt.quantise(reals) != expected)
        assert not len(wrong), f"{full_name(fmt)} of {reals[wrong][:3]}"


def test_the_oracle_covers_every_mode_in_both_signs() -> None:
    covered = {(fmt.rounding, fmt.overflow, fmt.signed) for fmt, _ in CASTS}
    assert covered == set(itertools.product(ROUNDINGS, OVERFLOWS, (True, False)))


# Against rational arithmetic

# What UG1399 says of -2.5, -1.5, -0.5, 0.5, 1.5 and 2.5.
TIES = {
    "TRN": [-3, -2, -1, 0, 1, 2],
    "TRN_ZERO": [-2, -1, 0, 0, 1, 2],
    "RND": [-2, -1, 0, 1, 2, 3],
    "RND_MIN_INF": [-3, -2, -1, 0, 1, 2],
    "RND_ZERO": [-2, -1, 0, 0, 1, 2],
    "RND_INF": [-3, -2, -1, 1, 2, 3],
    "RND_CONV": [-2, -2, 0, 0, 2, 2],
}


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_ties_go_where_the_mode_says(rounding: str) -> None:
    fmt = FixedPoint(8, 0, True, rounding)
    assert fmt.cast([-5, -3, -1, 1, 3, 5], 1).tolist() == TIES[rounding]
    assert fmt.cast_ratio([-15, -9, -3, 3, 9, 15], 6, 0).tolist() == TIES[rounding]
    assert fmt.quantise([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5]).tolist() == TIES[rounding]


INTEGERS = st.lists(st.integers(-(2**30), 2**30), min_size=1, max_size=8)


@settings(deadline=None, max_examples=150)
@given(fmt=fixed_points(), values=INTEGERS, frac=st.integers(-3, 24))
def test_a_cast_equals_the_rational_definition(fmt: FixedPoint, values: list[int], frac: int) -> None:
    expected = [naive.cast(Fraction(v) / Fraction(2) ** frac, fmt) for v in values]
    assert fmt.cast(values, frac).tolist() == expected


@settings(deadline=None, max_examples=150)
@given(
    fmt=fixed_points(),
    values=INTEGERS,
    frac=st.integers(-3, 20),
    divisor=st.sampled_from([1, 2, 3, 5, 9, 25, 36, 49, 64, 1000]),
)
@example(fmt=FixedPoint(8, 0, True, "RND_CONV", "SAT"), values=[32, -32, 96, -96], frac=0, divisor=64)
@example(fmt=FixedPoint(8, 1, True, "RND_ZERO", "SAT"), values=[9, -9, 3, -3], frac=2, divisor=3)
def test_the_cast_of_a_mean_equals_the_rational_definition(
    fmt: FixedPoint, values: list[int], frac: int, divisor: int
) -> None:
    expected = [naive.cast(Fraction(v, divisor) / Fraction(2) ** frac, fmt) for v in values]
    assert fmt.cast_ratio(values, divisor, frac).tolist() == expected


REAL = st.floats(-(2.0**30), 2.0**30) | st.integers(-4000, 4000).map(lambda n: n / 64)


@settings(deadline=None, max_examples=150)
@given(fmt=fixed_points(), reals=st.lists(REAL, min_size=1, max_size=8))
@example(fmt=FixedPoint(8, 0, True, "RND"), reals=[-0.5 + 2.0**-55, 0.5 - 2.0**-54, -0.5, 0.5, -1.5, 1.5, 2.5])
@example(fmt=FixedPoint(8, 0, True, "RND_ZERO"), reals=[-0.5 + 2.0**-55, -0.5 - 2.0**-53, 0.5 + 2.0**-53])
@example(fmt=FixedPoint(8, 0, True, "RND_CONV"), reals=[-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 0.49999999999999994])
@example(fmt=FixedPoint(8, 0, True, "TRN"), reals=[-5e-324, 5e-324, -0.0])
def test_quantising_equals_the_rational_definition(fmt: FixedPoint, reals: list[float]) -> None:
    assert fmt.quantise(reals).tolist() == [naive.cast(Fraction(real), fmt) for real in reals]


@settings(deadline=None, max_examples=100)
@given(fmt=fixed_points(), values=INTEGERS, frac=st.integers(-3, 20))
def test_quantising_a_number_on_a_grid_is_a_cast(fmt: FixedPoint, values: list[int], frac: int) -> None:
    reals = np.array(values) * 2.0**-frac
    assert fmt.quantise(reals).tolist() == fmt.cast(values, frac).tolist()


# Properties


@settings(deadline=None, max_examples=100)
@given(fmt=fixed_points(widths=(1, 62), fracs=(-8, 40)), values=INTEGERS, frac=st.integers(-3, 10))
def test_results_stay_in_range_and_casting_again_changes_nothing(fmt: FixedPoint, values: list[int], frac: int) -> None:
    assume(fmt.frac - frac <= 31)
    once = fmt.cast(values, frac)
    assert once.dtype == np.int64
    assert fmt.overflow == "WRAP" or once.min() >= fmt.min_int
    assert FixedPoint(fmt.width, fmt.frac, fmt.signed).min_int <= once.min()
    assert once.max() <= fmt.max_int
    assert fmt.cast(once, fmt.frac).tolist() == once.tolist()
    assert fmt.width > 53 or fmt.quantise(fmt.to_real(once)).tolist() == once.tolist()


@settings(deadline=None, max_examples=100)
@given(fmt=fixed_points(), values=INTEGERS, frac=st.integers(-3, 20))
def test_saturating_casts_keep_the_order(fmt: FixedPoint, values: list[int], frac: int) -> None:
    assume(fmt.overflow in ("SAT", "SAT_SYM"))
    assert np.all(np.diff(fmt.cast(sorted(values), frac)) >= 0)


@settings(deadline=None, max_examples=100)
@given(fmt=fixed_points(), value=st.integers(-(2**20), 2**20), turns=st.integers(-5, 5))
def test_wrapping_has_the_period_of_the_width(fmt: FixedPoint, value: int, turns: int) -> None:
    wrapping = FixedPoint(fmt.width, fmt.frac, fmt.signed, fmt.rounding, "WRAP")
    assert wrapping.cast(value, fmt.frac) == wrapping.cast(value + turns * 2**fmt.width, fmt.frac)


@settings(deadline=None, max_examples=100)
@given(fmt=fixed_points(widths=(1, 63), fracs=(-64, 128)))
def test_its_spelling_reads_back(fmt: FixedPoint) -> None:
    assert FixedPoint.parse(str(fmt)) == fmt
    assert fmt.integer + fmt.frac == fmt.width


@settings(deadline=None, max_examples=100)
@given(outer=fixed_points(widths=(1, 6), fracs=(-1, 4)), inner=fixed_points(widths=(1, 6), fracs=(-1, 4)))
def test_a_format_holds_another_when_every_value_survives(outer: FixedPoint, inner: FixedPoint) -> None:
    values = np.arange(inner.min_int, inner.max_int + 1)
    # A rounding cast that lands on the same real number has lost nothing.
    survives = np.array_equal(outer.to_real(outer.cast(values, inner.frac)), inner.to_real(values))
    in_range = all(
        outer.min_int <= Fraction(int(v)) * Fraction(2) ** (outer.frac - inner.frac) <= outer.max_int for v in values
    )
    if outer.holds(inner):
        assert survives
    else:
        assert not survives or not in_range or inner.min_int == inner.max_int


@pytest.mark.parametrize(
    ("fmt", "low", "high"),
    [
        (FixedPoint(8, 4), -128, 127),
        (FixedPoint(8, 4, False), 0, 255),
        (FixedPoint(8, 4, True, "TRN", "SAT_SYM"), -127, 127),
        (FixedPoint(8, 4, False, "TRN", "SAT_SYM"), 0, 255),
        (FixedPoint(1, 0), -1, 0),
        (FixedPoint(1, 0, True, "TRN", "SAT_SYM"), -1, 0),
        (FixedPoint(1, 0, False), 0, 1),
        (FixedPoint(64, 0), INT64.min, INT64.max),
        (FixedPoint(63, 0, False), 0, INT64.max),
    ],
)
def test_the_ends_of_a_format(fmt: FixedPoint, low: int, high: int) -> None:
    assert (fmt.min_int, fmt.max_int) == (low, high)
    assert fmt.cast([low, high], fmt.frac).tolist() == [low, high]


def test_shapes_are_kept_even_when_empty() -> None:
    fmt = FixedPoint(8, 4)
    assert fmt.cast(np.zeros((2, 0, 3), np.int64), 9).shape == (2, 0, 3)
    assert fmt.quantise(np.zeros((0, 3))).shape == (0, 3)
    assert fmt.cast([], 9).tolist() == []
    assert fmt.to_real([[16, -8]]).tolist() == [[1.0, -0.5]]
    assert fmt.step == 1 / 16


@pytest.mark.parametrize(
    ("text", "fmt"),
    [
        ("ap_fixed<16,6>", FixedPoint(16, 10)),
        ("fixed<16, 6>", FixedPoint(16, 10)),
        ("ufixed<6,2,RND_CONV,SAT>", FixedPoint(6, 4, False, "RND_CONV", "SAT")),
        (" ap_ufixed < 6 , -2 , AP_RND , AP_SAT_SYM > ", FixedPoint(6, 8, False, "RND", "SAT_SYM")),
        ("ap_fixed<8,3,AP_RND>", FixedPoint(8, 5, True, "RND", "WRAP")),
        ("fixed<24,8,TRN,WRAP,0>", FixedPoint(24, 16)),  # as hls4ml writes its types
        ("ap_int<6>", FixedPoint(6, 0, True, "TRN_ZERO")),
        ("uint<1>", FixedPoint(1, 0, False, "TRN_ZERO")),
    ],
)
def test_spellings_that_are_understood(text: str, fmt: FixedPoint) -> None:
    assert FixedPoint.parse(text) == fmt


# Refusals

REFUSED = {
    "width 0": (lambda: FixedPoint(0, 0), "width: got 0 bits; expected 1 to 64 for a signed format; choose a width"),
    "width 65": (lambda: FixedPoint(65, 0), "width: got 65 bits; expected 1 to 64 for a signed format; "),
    "width -3": (lambda: FixedPoint(-3, 0), "width: got -3 bits; expected 1 to 64"),
    "unsigned width 64": (lambda: FixedPoint(64, 0, False), "width: got 64 bits; expected 1 to 63 for a unsigned"),
    "frac 129": (lambda: FixedPoint(8, 129), "frac: got 129 fractional bits; expected -64 to 128"),
    "rounding": (
        lambda: FixedPoint(8, 4, True, "RND_CONF"),
        "unknown rounding 'RND_CONF'; did you mean 'RND_CONV'? (available: RND, RND_CONV, ",
    ),
    "overflow": (
        lambda: FixedPoint(8, 4, True, "TRN", "SATURATE"),
        "unknown overflow 'SATURATE'; available: SAT, SAT_SYM, SAT_ZERO, WRAP",
    ),
    "parsed mode": (
        lambda: FixedPoint.parse("ap_fixed<8,4,AP_RND_CON>"),
        "unknown rounding 'RND_CON'; did you mean 'RND_CONV'?",
    ),
    "parsed width": (lambda: FixedPoint.parse("ap_fixed<0,0>"), "width: got 0 bits"),
    "parsed nonsense": (
        lambda: FixedPoint.parse("ap_float<8,4>"),
        "type: got 'ap_float<8,4>'; expected ap_fixed<width,integer[,rounding[,overflow]]> or ap_int",
    ),
    "parsed saturated bits": (
        lambda: FixedPoint.parse("ap_fixed<8,4,AP_TRN,AP_WRAP,2>"),
        "type: got 'ap_fixed<8,4,AP_TRN,AP_WRAP,2>' with 2 saturated bits; expected 0; use AP_SAT instead",
    ),
    "parsed wide integer": (lambda: FixedPoint.parse("ap_int<8,4>"), "type: got 'ap_int<8,4>'; expected "),
    "parsed one number": (lambda: FixedPoint.parse("ap_fixed<8>"), "type: got 'ap_fixed<8>'; expected "),
    "parsed fraction": (lambda: FixedPoint.parse("ap_fixed<8.5,4>"), "type: got 'ap_fixed<8.5,4>'; expected "),
    "parsed trailing text": (lambda: FixedPoint.parse("ap_fixed<8,4>x"), "type: got 'ap_fixed<8,4>x'; expected "),
    "NaN": (lambda: FixedPoint(8, 4).quantise([0.0, np.nan]), "ap_fixed<8,4>: got a value that is not finite; "),
    "infinity": (lambda: FixedPoint(8, 4).quantise(-np.inf), "ap_fixed<8,4>: got a value that is not finite; "),
    "too large": (lambda: FixedPoint(8, 4).quantise(2.0**58), "ap_fixed<8,4>: a value needs more than 62 bits at frac"),
    "real numbers to cast": (
        lambda: FixedPoint(8, 4).cast([0.5], 0),
        "cast: got float64 values; expected integers; use quantise for real numbers",
    ),
    "shift left": (lambda: FixedPoint(64, 40).cast([2**30], 0), "a shift left by 40 bits leaves 63 bits; narrow"),
    "shift left of the smallest": (lambda: FixedPoint(64, 1).cast([INT64.min], 0), "a shift left by 1 bits leaves"),
    "shift right": (lambda: FixedPoint(8, 0).cast([1], 63), "a shift right by 63 bits exceeds 62; bring the formats"),
    "division": (lambda: FixedPoint(8, 0).cast_ratio([1], 49, 60), "a mean needs a division by "),
}


@pytest.mark.parametrize(("call", "message"), REFUSED.values(), ids=REFUSED)
def test_what_is_impossible_is_refused(call: Callable[[], object], message: str) -> None:
    with pytest.raises(FormatError, match=f"^{re.escape(message)}"):
        call()
