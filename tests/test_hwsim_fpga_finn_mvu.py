# SPDX-License-Identifier: Apache-2.0
"""FINN's units against published ones: github:asadalam/FINN_MatrixVector_RTL, Doc/results.ipynb (Vivado 2020.1)."""

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from hwsim.fpga import finn_mvu
from hwsim.fpga.finn_mvu import Units
from hwsim.validate import read_rows, recognise, scores
from hwsim.validate.tables import TABLES


def units(**given: float) -> Units:
    """64 inputs and outputs, a 4 x 4 kernel over 8 x 8 pixels, 4 bits, 8 x 64 at a time."""
    sizes = {"mw": 1024, "mh": 64, "pe": 8, "simd": 64, "weight_bits": 4, "input_bits": 4, "pixels": 25} | given
    return Units(**{field.name: np.array([float(sizes[field.name])]) for field in fields(Units)})


def test_cycles_are_finns():
    assert finn_mvu.interval(units()).tolist() == [3200]
    assert finn_mvu.latency(units(weight_bits=1, input_bits=1)).tolist() == [3204]  # as simulated


@pytest.mark.parametrize(
    ("impl", "widths", "lut", "tolerance"),
    [
        ("hls", (4, 4), 13577, 0.1),
        ("hls", (1, 4), 6025, 0.15),
        ("rtl", (4, 4), 13237, 0.1),
        ("rtl", (1, 1), 1361, 0.15),
    ],
)
def test_published_units(impl, widths, lut, tolerance):
    found = finn_mvu.lut(units(weight_bits=widths[0], input_bits=widths[1]), impl)
    assert found[0] == pytest.approx(lut, rel=tolerance)


def test_weights_leave_luts_where_block_ram_holds_them():
    assert finn_mvu.lut_terms(units(mh=64), "rtl")["weights"].tolist() == [0]  # 128 words
    assert finn_mvu.lut_terms(units(mh=32), "rtl")["weights"].tolist() == [8 * 64 * 4]  # 64 words
    assert finn_mvu.lut_terms(units(mh=16), "rtl")["weights"].tolist() == [8 * 64 * 2]  # 32 words
    assert finn_mvu.lut_terms(units(mh=32), "hls")["weights"].tolist() == [0]


@pytest.mark.parametrize(("widths", "operand"), [((4, 4), 8), ((1, 4), 5), ((1, 1), 1)])
def test_sums_of_products_are_a_tree_of_adders(widths, operand):
    found = finn_mvu.ff_terms(units(weight_bits=widths[0], input_bits=widths[1]), "rtl")["tree"]
    bits = sum(64 // 2 ** (level + 1) * (operand + level + 1) for level in range(6))  # 32 adders, then 16 …
    assert found.tolist() == [8 * bits / finn_mvu.LOGIC_PER_FF]


def test_more_of_anything_never_costs_less():
    base = units()
    for name in ("pe", "simd", "weight_bits", "input_bits"):
        # As many words of weights and of inputs as before: the memories stay of the same kind.
        more = replace(base, **{name: getattr(base, name) * 2})
        more = replace(more, mh=base.mh * more.pe / base.pe, mw=base.mw * more.simd / base.simd)
        for impl in ("hls", "rtl"):
            assert finn_mvu.lut(more, impl) >= finn_mvu.lut(base, impl)
            assert finn_mvu.ff(more, impl) >= finn_mvu.ff(base, impl)


def test_a_table_is_predicted_by_implementation_and_type(tmp_path: Path):
    head = ("sweep,impl,type,weight_bits,input_bits,IFMC,IFMD,OFMC,K,PE,SIMD,lut,ff,latency_cycles_reported,"
            "cycles_formula")  # fmt: skip
    path = tmp_path / "units.csv"
    rows = ("pe,hls,4bit,4,4,64,8,64,4,8,64,13577,9559,3205,3200", "map,rtl,4bit,4,4,64,,64,4,8,64,13237,,,",
            "pe,other,4bit,4,4,64,8,64,4,8,64,1,1,1,1", "pe,hls,4bit,4,4,64,8,64,4,0,64,1,1,1,1",
            "pe,hls,4bit,4,4,64,8,64,4,nan,-2,1,1,1,1")  # fmt: skip
    path.write_text("\n".join((head, *rows)) + "\n", encoding="utf-8")
    read = read_rows(path)
    found = scores(recognise(read, TABLES), read)
    assert found["finn_mvu_synth/hls_4bit"]["ii"].exact == 1.0
    assert found["finn_mvu_synth/hls_4bit"]["ii"].unpredicted == 2
    assert found["finn_mvu_synth/hls_4bit"]["cycles"].within_error_bar == 1.0
    assert found["finn_mvu_synth/rtl_4bit"]["lut"].within_error_bar == 1.0
    assert found["finn_mvu_synth/other_4bit"]["lut"].unpredicted == 1
