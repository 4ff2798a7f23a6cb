# SPDX-License-Identifier: Apache-2.0
"""The golden files are refreshed by ``python tests/test_hls_emit.py`` and reviewed as a diff."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hls_networks import Builder

from hls.emit import emit, load_manifest, write
from hls.layers import build
from hwsim.design import Design, Folding
from hwsim.errors import InputError, ModelFileError, NetworkError, OutputError, UnsupportedError
from hwsim.fixed import FixedPoint
from hwsim.fpga import folded
from hwsim.fpga.folding import cost_of
from hwsim.fpga.stages import pipeline
from hwsim.network import Network, Weights

GOLDEN = {name: Path(__file__).parent / "data" / f"emitted_tiny_{name}" for name in ("core.sv", "top.v")}
ACT = FixedPoint(6, 3, True, "RND_CONV", "SAT")
UNSIGNED = FixedPoint(5, 3, False, "RND", "SAT")
WEIGHT, BIAS = FixedPoint(4, 3), FixedPoint(8, 5)


def design(network: Network, **folding: Folding) -> Design:
    return Design(network.hash, "pynq-z2", 100.0, backend="Slimfab", folding=folding)


def tiny() -> tuple[Network, Weights, Design]:
    draft = Builder((2, 4, 4), ACT)
    x = draft.conv("x", 4, (3, 3), ACT, WEIGHT, BIAS, padding=(1, 1, 1, 1))
    x = draft.add("relu", x, UNSIGNED)
    x = draft.add("max_pool2d", x, UNSIGNED, kernel=(2, 2), stride=(2, 2))
    x = draft.add("flatten", x, UNSIGNED)
    network, weights = draft.build(draft.dense(x, 6, ACT, WEIGHT), "tiny")
    return network, weights, design(network, conv2d1=Folding(2, 2), dense5=Folding(3, 4))


@pytest.mark.parametrize("name", GOLDEN)
def test_what_is_written_for_a_tiny_network_is_the_golden_file(name: str, tmp_path: Path) -> None:
    emit(*tiny(), tmp_path / "out")
    assert (tmp_path / "out" / name).read_text() == GOLDEN[name].read_text()


def test_the_folder_holds_what_its_manifest_says_and_nothing_else(tmp_path: Path) -> None:
    network, weights, plan = tiny()
    manifest = emit(network, weights, plan, tmp_path)
    assert load_manifest(tmp_path) == manifest
    assert {file.name for file in tmp_path.iterdir()} == {*manifest.files, "manifest.json"}
    assert (manifest.network_hash, manifest.design) == (network.hash, plan)
    assert (manifest.input.lanes, manifest.input.beats, manifest.input.bytes) == (2, 16, 2)
    assert (manifest.output.lanes, manifest.output.beats, manifest.output.bytes) == (3, 2, 3)
    listed = (tmp_path / "files.f").read_text().split()
    assert listed[-2:] == ["core.sv", "top.v"]
    assert {f"{name}.sv" for name in ("matrix_vector", "adder_tree", "cast", "fifo", "control", "crc32")} <= set(listed)


def test_the_clock_of_the_design_is_the_constraint(tmp_path: Path) -> None:
    network, weights, plan = tiny()
    emit(network, weights, replace(plan, clock_mhz=150.0), tmp_path)
    assert (tmp_path / "top.sdc").read_text() == "create_clock -name aclk -period 6.667 [get_ports aclk]\n"
    comment, command = (tmp_path / "top.xdc").read_text().splitlines()
    assert comment.startswith("# ")
    assert f"{command}\n" == (tmp_path / "top.sdc").read_text()


def test_a_tap_is_an_addition_of_one_line(tmp_path: Path) -> None:
    dataflow = build(*tiny())
    write(dataflow, tmp_path / "plain")
    wire = dataflow.tensors["relu2.out"].wire
    write(dataflow, tmp_path / "tapped", [wire])
    plain, tapped = ((tmp_path / name / "core.sv").read_text().splitlines() for name in ("plain", "tapped"))
    (added,) = set(tapped) - set(plain)
    assert f"t_{wire} " in added
    assert [line for line in tapped if line != added] == plain
    assert "tap.sv" not in (tmp_path / "plain" / "files.f").read_text()


def test_weights_stand_in_the_order_in_which_pixels_arrive(tmp_path: Path) -> None:
    draft = Builder((2, 1, 2), ACT)
    x = draft.add("flatten", "x", ACT)
    network, weights = draft.build(draft.dense(x, 1, FixedPoint(16, 6), WEIGHT))
    (name,) = weights
    weights[name] = np.array([[1, 2, 3, 4]])  # golden order: channel 0 at columns 0 and 1, then channel 1
    emit(network, weights, design(network), tmp_path)
    assert (tmp_path / "dense2_matrix_weights.mem").read_text().split() == ["1", "3", "2", "4"]


def test_emitting_again_replaces_the_folder_as_a_whole(tmp_path: Path) -> None:
    network, weights, plan = tiny()
    emit(network, weights, plan, tmp_path / "out")
    (tmp_path / "out" / "leftover.txt").write_text("old")
    emit(network, weights, plan, tmp_path / "out")
    assert not (tmp_path / "out" / "leftover.txt").exists()
    assert [file.name for file in tmp_path.iterdir()] == ["out"]


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(OutputError, match=r"holds files that are no emitted design; choose an empty or new folder$"):
        emit(*tiny(), tmp_path)
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_a_file_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(OutputError, match=r"thesis\.tex: is a file; choose an empty or new folder$"):
        emit(*tiny(), tmp_path / "thesis.tex")
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_a_parent_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"file/out: cannot write \(.*\); choose a writable folder$"):
        emit(*tiny(), tmp_path / "file" / "out")


@pytest.mark.parametrize(
    ("damage", "error", "message"),
    [
        (
            lambda folder: (folder / "dense5_matrix_weights.mem").unlink(),
            OutputError,
            r"weights\.mem: is missing;",
        ),
        (
            lambda folder: (folder / "top.v").write_text("//"),
            OutputError,
            r"top\.v: was changed after it",
        ),
        (lambda folder: (folder / "manifest.json").write_text("{"), ModelFileError, r"manifest\.json: not valid JSON"),
        (lambda folder: (folder / "manifest.json").unlink(), ModelFileError, r"manifest\.json: cannot read"),
        (lambda folder: (folder / "manifest.json").write_text('{"extra": 1}'), InputError, r"manifest\.json"),
    ],
)
def test_a_damaged_folder_is_refused(
    damage: Callable[[Path], object], error: type[Exception], message: str, tmp_path: Path
) -> None:
    emit(*tiny(), tmp_path)
    damage(tmp_path)
    with pytest.raises(error, match=message):
        load_manifest(tmp_path)


def test_the_manifest_is_plain_json(tmp_path: Path) -> None:
    emit(*tiny(), tmp_path)
    units = json.loads((tmp_path / "manifest.json").read_text())["units"]
    assert [unit["module"] for unit in units][:4] == ["sliding_window", "matrix_vector", "cast", "fifo"]


def test_units_take_the_cycles_that_the_cost_model_states() -> None:
    draft = Builder((4, 9, 8), UNSIGNED)
    x = draft.conv("x", 6, (3, 3), ACT, WEIGHT, padding=(1, 1, 1, 1), stride=(2, 2))
    y = draft.add("relu", draft.conv(x, 6, (1, 1), ACT, WEIGHT), UNSIGNED)
    x = draft.add("add", (x, y), ACT)
    x = draft.add("max_pool2d", x, ACT, kernel=(3, 3), stride=(2, 2), padding=(1, 1, 1, 1))
    x = draft.conv(x, 6, (3, 3), ACT, WEIGHT, padding=(1, 1, 1, 1), groups=6)
    x = draft.conv(x, 12, (1, 1), UNSIGNED, WEIGHT, stride=(2, 2))
    x = draft.add("flatten", draft.add("global_avg_pool", x, UNSIGNED), UNSIGNED)
    network, weights = draft.build(draft.dense(x, 10, ACT, WEIGHT))
    stages = pipeline(network)
    for slow in (1, 2):
        folding = {stage.name: Folding(folded.legal_pe(stage)[-slow], folded.legal_simd(stage)[-slow:][0])
                   for stage in stages.stages}  # fmt: skip
        built = build(network, weights, design(network, **folding))
        for index, stage in enumerate(stages.stages):
            cost = cost_of(stages, np.array([index]), (folding[stage.name],), "folded", "io_stream", {})
            units = [unit for unit in built.units if unit.layer == stage.name and unit.module != "width_converter"]
            assert cost.busy[0] == max(unit.timing.interval for unit in units), (stage.name, folding[stage.name])


def test_every_folding_that_the_cost_model_offers_can_be_built(tmp_path: Path) -> None:
    network, weights, _ = tiny()
    for stage in pipeline(network).stages:
        for pe in folded.legal_pe(stage):
            for simd in folded.legal_simd(stage):
                build(network, weights, design(network, **{stage.name: Folding(pe, simd)}))


# Refusals


def one_layer(op: str, **attrs: object) -> tuple[Network, Weights]:
    draft = Builder((4, 6, 6), ACT)
    return draft.build(draft.add(op, "x", ACT, **attrs))


def vector_plus_image() -> tuple[Network, Weights]:
    draft = Builder((2, 2, 2), ACT)
    flat = draft.add("flatten", "x", ACT)
    return draft.build(draft.add("add", (flat, draft.dense(flat, 8, ACT, WEIGHT)), ACT))


def uncounted_padding() -> tuple[Network, Weights]:
    attrs = {"kernel": (2, 2), "stride": (2, 2), "padding": (1, 1, 1, 1), "count_include_pad": False}
    return one_layer("avg_pool2d", **attrs)


def dead_end() -> tuple[Network, Weights]:
    draft = Builder((4, 6, 6), ACT)
    draft.add("relu", "x", ACT)
    return draft.build(draft.add("clip", "x", ACT, low=-1.0, high=1.0))


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (one_layer("sigmoid"), r"^sigmoid1: got sigmoid; expected one of input, output, .*; make it a table: "),
        (
            vector_plus_image(),
            r"^add3: got a flattened image and a vector; expected terms that arrive in the same",
        ),
        (
            uncounted_padding(),
            r"^avg_pool2d1: got padding that is not counted; expected count_include_pad or",
        ),
        (dead_end(), r"^relu1: nothing reads its output; expected a reader; remove the layer$"),
    ],
)
def test_a_layer_without_a_template_is_refused_by_name(made: tuple[Network, Weights], message: str) -> None:
    network, weights = made
    with pytest.raises(UnsupportedError, match=message):
        build(network, weights, design(network))


def test_a_network_that_computes_nothing_is_refused() -> None:
    network, weights = one_layer("requantise")
    with pytest.raises(NetworkError, match=r"^net: got a network that computes nothing; expected at least one layer$"):
        build(network, weights, design(network))


@pytest.mark.parametrize(
    ("layer", "folding", "message"),
    [
        ("conv2d1", Folding(3, 1), "conv2d1: pe=3 must divide 4 output channels; nearest: 2, 4"),
        ("conv2d1", Folding(1, 3), "conv2d1: simd=3 must divide 2 input channels; nearest: 2"),
        ("relu2", Folding(8, 1), "relu2: pe=8 must divide 4 channels; nearest: 4"),
        ("dense5", Folding(1, 5), "dense5: simd=5 must divide 16 input features; nearest: 4, 8"),
        ("dense5", Folding(4, 1), "dense5: pe=4 must divide 6 output channels; nearest: 3, 6"),
    ],
)
def test_a_folding_that_does_not_divide_is_refused(layer: str, folding: Folding, message: str) -> None:
    network, weights, _ = tiny()
    with pytest.raises(UnsupportedError, match=f"^{message}$"):
        build(network, weights, design(network, **{layer: folding}))


def test_a_design_for_something_else_is_refused() -> None:
    network, weights, plan = tiny()
    with pytest.raises(NetworkError, match=r"the design is for network 0+, this one is .*; make the design anew$"):
        build(network, weights, replace(plan, network_hash="0" * 16))
    with pytest.raises(UnsupportedError, match=r"^tiny: got backend Vitis; expected Slimfab; choose one"):
        build(network, weights, replace(plan, backend="Vitis"))
    with pytest.raises(NetworkError, match=r"unknown layer 'conv2d2'; did you mean 'conv2d1'"):
        build(network, weights, design(network, conv2d2=Folding()))


def test_a_tensor_without_a_format_is_refused() -> None:
    network, weights, _ = tiny()
    network = network.with_formats({"relu2.out": None})
    with pytest.raises(UnsupportedError, match=r"^relu2: 'relu2\.out' is float; expected a fixed-point format"):
        build(network, weights, design(network))


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        emit(*tiny(), folder)
        for file, golden in GOLDEN.items():
            golden.write_text((Path(folder) / file).read_text())
