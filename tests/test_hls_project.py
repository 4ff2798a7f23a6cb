# SPDX-License-Identifier: Apache-2.0
"""hls4ml projects on disk: what is written, all or nothing, and what is refused."""

import builtins
from dataclasses import replace
from pathlib import Path

import pytest
from hls_networks import Builder

from hls.graph import Lowered
from hls.legality import default_folding
from hls.lowering import lower
from hls.project import build_graph, hash_sources, write_project
from hwsim.design import Design, Folding
from hwsim.errors import DeviceError, OutputError, ToolMissing, UnsupportedError
from hwsim.fixed import FixedPoint

pytestmark = pytest.mark.needs("hls4ml")

S8 = FixedPoint(8, 4, True, "RND_CONV", "SAT")
W6 = FixedPoint(6, 5)


def lowered(seed: int = 0, **changes) -> Lowered:
    b = Builder((2, 6, 6), S8, seed)
    t = b.add("relu", b.conv("x", 4, (3, 3), S8, W6), FixedPoint(6, 4, False, "RND_CONV", "SAT"))
    network, weights = b.build(b.dense(b.add("flatten", t, network_format(t, b)), 3, S8, W6))
    values = {"folding": default_folding(network), "clock_mhz": 125.0, **changes}
    return lower(network, weights, Design(network.hash, "pynq-z2", **values))


def network_format(tensor: str, builder: Builder) -> FixedPoint:
    fmt = builder.tensors[tensor].format
    assert fmt is not None
    return fmt


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_project_holds_what_the_vendor_tools_need(tmp_path):
    project = write_project(lowered(), tmp_path / "deep" / "project")
    names = set(files(project.folder))
    assert {"build_prj.tcl", "project.tcl", "firmware/net.cpp", "firmware/net.h", "firmware/weights/w2.txt"} <= names
    tcl = (project.folder / "project.tcl").read_text()
    assert 'set part "xc7z020clg400-1"' in tcl
    assert "set clock_period 8.0" in tcl
    assert 'set backend "vitis"' in tcl


def test_the_configuration_names_the_final_folder(tmp_path):
    project = write_project(lowered(), tmp_path / "project")
    assert f"OutputDir: {tmp_path / 'project'}" in (project.folder / "hls4ml_config.yml").read_text()


def test_types_in_the_generated_code_are_those_of_the_network(tmp_path):
    project = write_project(lowered(), tmp_path / "project")
    code = (project.folder / "firmware" / "defines.h").read_text()
    for text in (
        "nnet::array<ap_fixed<8,4>, 2*1> input_t",
        "nnet::array<ap_fixed<8,4,AP_RND_CONV,AP_SAT,0>, 4*1> layer2_t",
        "ap_fixed<6,1> conv2d1_weight_t",
        "nnet::array<ap_ufixed<6,2,AP_RND_CONV,AP_SAT,0>, 4*1> layer3_t",
    ):
        assert f"typedef {text};" in code
    assert "ap_fixed<16,6" not in code  # hls4ml's default type


def test_fifo_depths_of_the_design_reach_the_streams(tmp_path):
    plan = lowered()
    design = replace(plan.design, fifo_depths={"conv2d1.out": 17, "relu2.out": 5, "flatten3.out": 23})
    project = write_project(replace(plan, design=design), tmp_path / "project")
    code = (project.folder / "firmware" / "net.cpp").read_text()
    assert "STREAM variable=layer2_out depth=17" in code
    assert "STREAM variable=layer3_out depth=23" in code  # the flatten shares the relu's stream


def test_a_fifo_of_an_unknown_tensor_is_refused(tmp_path):
    plan = lowered()
    plan = replace(plan, design=replace(plan.design, fifo_depths={"conv2d1.owt": 17}))
    with pytest.raises(UnsupportedError, match=r"sets the FIFO of 'conv2d1.owt'; did you mean 'conv2d1.out'"):
        write_project(plan, tmp_path / "project")


def test_rewriting_replaces_the_folder_and_leaves_nothing_behind(tmp_path):
    write_project(lowered(), tmp_path / "project")
    (tmp_path / "project" / "stale").write_text("old")
    write_project(lowered(seed=1), tmp_path / "project")
    assert not (tmp_path / "project" / "stale").exists()
    assert [p.name for p in tmp_path.iterdir()] == ["project"]


def test_a_failure_leaves_the_old_project_untouched(tmp_path, monkeypatch):
    write_project(lowered(), tmp_path / "project")
    before = files(tmp_path / "project")

    def full_disk(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("hls4ml.writer.vitis_writer.VitisWriter.write_build_opts", full_disk)
    with pytest.raises(OutputError, match=r"net: cannot write the hls4ml project \(No space left on device\)"):
        write_project(lowered(seed=1), tmp_path / "project")
    assert files(tmp_path / "project") == before
    assert [p.name for p in tmp_path.iterdir()] == ["project"]


def test_a_folder_that_cannot_be_written_is_refused(tmp_path, monkeypatch):
    def forbidden(*_args, **_kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("hwsim.serial.tempfile.mkdtemp", forbidden)
    with pytest.raises(OutputError, match=r"cannot write \(Permission denied\); choose a writable folder"):
        write_project(lowered(), tmp_path / "project")


def test_a_file_where_a_folder_is_needed_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"cannot write \((File exists|Not a directory)\); choose a writable folder"):
        write_project(lowered(), tmp_path / "file" / "project")


def test_the_source_hash_follows_weights_and_code_and_nothing_else(tmp_path):
    first = write_project(lowered(), tmp_path / "a")
    again = write_project(lowered(), tmp_path / "b")
    assert first.source_hash == again.source_hash == hash_sources(tmp_path / "a")
    assert write_project(lowered(seed=1), tmp_path / "c").source_hash != first.source_hash
    assert write_project(lowered(), tmp_path / "d", trace=True).source_hash != first.source_hash


def test_only_synthesis_refuses_to_unroll_too_much(tmp_path):
    plan = lowered(folding={"conv2d1": Folding(), "dense4": Folding()})
    wide = [replace(n, attrs={**n.attrs, "n_out": 400}) if n.kind == "Dense" else n for n in plan.nodes]
    with pytest.raises(UnsupportedError, match="dense4: reuse_factor=1 with the resource strategy unrolls 25600"):
        write_project(replace(plan, nodes=tuple(wide)), tmp_path / "project")
    assert not (tmp_path / "project").exists()


def test_a_device_without_part_number_is_refused(tmp_path):
    plan = lowered()
    plan = replace(plan, design=replace(plan.design, device="cortex-a9"))
    with pytest.raises(DeviceError, match="cortex-a9: has no FPGA part number; expected an FPGA device"):
        write_project(plan, tmp_path / "project")


def test_what_hls4ml_itself_refuses_comes_with_its_reason(tmp_path):
    plan = lowered()
    nodes = tuple(replace(n, kind="Transmogrify") if n.kind == "Dense" else n for n in plan.nodes)
    message = r"net: hls4ml refuses the network \(Exception: Layer Transmogrify not found in registry.\)"
    with pytest.raises(UnsupportedError, match=message):
        write_project(replace(plan, nodes=nodes), tmp_path / "project", for_synthesis=False)


def test_a_node_that_hls4ml_drops_is_noticed(tmp_path):
    plan = lowered()
    conv = next(n for n in plan.nodes if n.kind == "Conv2D")
    idle = replace(
        conv,
        name="idle",
        kind="Activation",
        inputs=(conv.name,),
        attrs={"activation": "linear"},
        precision={"result": conv.precision["result"]},
    )
    nodes = tuple(replace(n, inputs=("idle",)) if n.inputs == (conv.name,) else n for n in plan.nodes)
    place = nodes.index(conv) + 1
    with pytest.raises(UnsupportedError, match="conv2d1: hls4ml removed its node 'idle'; report the network"):
        build_graph(replace(plan, nodes=(*nodes[:place], idle, *nodes[place:])), tmp_path)


def test_a_missing_hls4ml_names_the_extra(tmp_path, monkeypatch):
    real = builtins.__import__

    def without(name, *rest):
        if name.startswith("hls4ml"):
            raise ModuleNotFoundError("No module named 'hls4ml'")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ToolMissing, match=r"hls4ml is not installed .*; pip install 'slimfab\[hls\]'"):
        write_project(lowered(), tmp_path / "project")


def test_nothing_is_printed(tmp_path, capfd):
    write_project(lowered(), tmp_path / "project")
    assert capfd.readouterr() == ("", "")
