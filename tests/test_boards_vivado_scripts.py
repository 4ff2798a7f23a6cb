# SPDX-License-Identifier: Apache-2.0
"""The Tcl of a build: golden for six boards and both flows, and executed against a model that checks every command.

``python tests/test_boards_vivado_scripts.py`` writes the golden files again; read the diff.
"""

import re
from dataclasses import replace
from pathlib import Path

import board_designs
import pytest
from vitis_model import link
from vivado_model import Model

from boards import bitfile, board, handoff, xclbin
from boards.vivado import kernel, plan, scripts
from boards.vivado.accelerator import HLS4ML, RTL
from boards.vivado.block_design import ACCELERATOR, CORE, DMA
from boards.vivado.releases import Release
from boards.vivado.tcl import listed, word
from hwsim.errors import InputError, OutputError, ToolMissing

tkinter = pytest.importorskip("tkinter", reason="needs tkinter")
GOLDEN = Path(__file__).parent / "data" / "vivado"
CARDS = ("u50", "u55c")
BOARDS = ("pynq-z1", "pynq-z2", "zcu104", "aup-zu3", "kv260", "rfsoc4x2")
RELEASES = ("2019.2", "2020.1", "2020.2", "2021.1", "2022.2", "2023.1", "2023.2", "2024.1", "2025.1", "2025.2")
CASES = [(name, flow) for name in BOARDS for flow in (RTL, HLS4ML)]


def written(folder: Path, name: str = "pynq-z2", flow: str = RTL, release: str = "2022.2") -> plan.Plan:
    return plan.write(board.load(name), name, board_designs.fixed(flow), Release.parse(release), folder, "tiny")


def together(folder: Path) -> str:
    """All scripts of a build as one text; what depends on the content of hls/rtl is left out."""
    scripts = sorted([*folder.glob("*.tcl"), *folder.glob("*.cfg")])
    text = "".join(f"# ---- {path.name}\n{path.read_text()}" for path in scripts)
    return re.sub(r"(USERID 0x|slimfab_)[0-9A-Fa-f]{8}", r"\g<1>00000000", text)


def run(folder: Path, release: str, monkeypatch: pytest.MonkeyPatch, slack_ns: float = 0.29, fail: str = "") -> Model:
    """Execute every script of a build with the tool of its step; each step is a tool of its own."""
    monkeypatch.chdir(folder)
    model = Model("vivado", release)
    for step in plan.load(folder).steps:
        if step.command[0] == "v++":
            link(list(step.command[1:]))
            continue
        model = Model(step.command[0], release, slack_ns, fail)
        model.source(step.command[-1])
    return model


@pytest.fixture(autouse=True)
def boards_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = (board.load(name).board_part for name in board.names())
    monkeypatch.setenv("FAKE_BOARDS", " ".join(part for part in parts if part))


@pytest.mark.parametrize(("name", "flow"), [*CASES, *((name, RTL) for name in CARDS)])
def test_the_scripts_are_the_golden_ones(name, flow, tmp_path):
    written(tmp_path, name, flow)
    assert together(tmp_path) == (GOLDEN / f"{name}-{flow}.tcl").read_text()


@pytest.mark.parametrize(("name", "flow"), CASES)
def test_every_command_is_one_that_vivado_takes(name, flow, tmp_path, monkeypatch):
    made = written(tmp_path, name, flow)
    run(tmp_path, "2022.2", monkeypatch)
    header = bitfile.read((tmp_path / "tiny.bit").read_bytes(), "tiny.bit")
    found = handoff.read((tmp_path / "tiny.hwh").read_bytes(), "tiny.hwh")
    assert bitfile.same_part(header.part, made.part)
    assert bitfile.same_part(found.part, made.part)
    assert header.user_id == int(made.build_id, 16)
    assert found.clock_mhz() == 100.0
    assert set(found.cells) >= {DMA, ACCELERATOR} | ({CORE} if flow == HLS4ML else set())
    dma = found.cells[DMA]
    widths = [dma.number(key, "") for key in ("c_m_axis_mm2s_tdata_width", "c_s_axis_s2mm_tdata_width")]
    assert widths == [8 * made.input.word_bytes, 8 * made.output.word_bytes] == [32, 128]
    assert dma.number("c_sg_length_width", "") == 26


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("flow", [RTL, HLS4ML])
def test_every_release_of_the_tools(flow, release, tmp_path, monkeypatch):
    made = written(tmp_path, "zcu104", flow, release)
    programs = [step.command[0] for step in made.steps]
    run(tmp_path, release, monkeypatch)
    assert (tmp_path / "tiny.hwh").exists()
    if flow == HLS4ML:
        year = float(release)
        assert programs[0] == ("vivado_hls" if year < 2020.15 else "vitis_hls" if year < 2023.15 else "vitis-run")
    assert programs[-3:] == ["vivado"] * 3


@pytest.mark.parametrize("slack_ns", [-0.3, -0.001 - 0.1])
def test_no_bitstream_where_timing_is_not_met(slack_ns, tmp_path, monkeypatch):
    written(tmp_path)
    (tmp_path / "tiny.bit").write_bytes(b"of an earlier build")
    with pytest.raises(tkinter.TclError, match="timing: got a setup slack of -.* ns; expected 0 or more"):
        run(tmp_path, "2022.2", monkeypatch, slack_ns)
    assert not (tmp_path / "tiny.bit").exists()
    assert (tmp_path / "reports" / "timing.rpt").exists()


def test_a_little_negative_slack_is_worked_on(tmp_path, monkeypatch):
    written(tmp_path)
    model = run(tmp_path, "2022.2", monkeypatch, -0.05)
    assert ("phys_opt_design", "-directive", "AggressiveExplore") in model.calls
    assert (tmp_path / "tiny.bit").exists()


@pytest.mark.parametrize("fail", ["validate_bd_design", "ipx::save_core", "write_bitstream", "generate_target"])
def test_a_command_that_fails_stops_the_build(fail, tmp_path, monkeypatch):
    written(tmp_path)
    with pytest.raises(tkinter.TclError, match="Common 17-69"):
        run(tmp_path, "2022.2", monkeypatch, fail=fail)
    assert not (tmp_path / "tiny.hwh").exists()


def test_another_release_than_the_scripts_are_for(tmp_path, monkeypatch):
    written(tmp_path)
    with pytest.raises(tkinter.TclError, match="vivado: got release 2021.1.1; expected 2022.2; take that, or name"):
        run(tmp_path, "2021.1", monkeypatch)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("", "", ""),
        ("      0.290  ", "     -0.290  ", "a setup slack of -0.290 ns"),
        ("        0.020  ", "       -0.020  ", "a hold slack of -0.020 ns"),
        ("        3.750  ", "       -3.750  ", "a pulse width slack of -3.750 ns"),
        ("      0.290  ", "         NA  ", "no setup slack; expected a constrained clock"),
        ("WNS(ns)", "", "no summary"),
    ],
)
def test_the_gate_reads_what_vivado_reports(old, new, message):
    """The gate's own Tcl, on a report that Vivado wrote."""
    text = (
        (GOLDEN.parent / "reports" / "pynq" / "timing.rpt")
        .read_text()
        .replace(old, new, -1 if message == "no summary" else 1)
    )
    interpreter = tkinter.Tcl()
    interpreter.createcommand("report_timing_summary", lambda option: text)
    interpreter.eval(scripts.GATE)
    if not message:
        interpreter.eval("require_timing")
        return
    with pytest.raises(tkinter.TclError, match=f"timing: .*{message}"):
        interpreter.eval("require_timing")


def test_a_run_that_does_not_finish(tmp_path, monkeypatch):
    written(tmp_path)
    with pytest.raises(tkinter.TclError, match="synth_1: got status route_design ERROR"):
        run(tmp_path, "2022.2", monkeypatch, fail="run")


def test_board_files_that_are_missing(tmp_path, monkeypatch):
    monkeypatch.setenv("FAKE_BOARDS", "")
    written(tmp_path, "aup-zu3")
    message = (
        "Vivado has no such board part; expected its board files; install them from https://github.com/RealDigital"
    )
    with pytest.raises(tkinter.TclError, match=message):
        run(tmp_path, "2022.2", monkeypatch)


def test_the_newest_board_files_are_taken(tmp_path, monkeypatch):
    written(tmp_path)
    monkeypatch.chdir(tmp_path)
    for script in ("20_package.tcl", "30_design.tcl"):
        model = Model("vivado", "2022.2")
        model.source(script)
    assert model.state["board"] == "tul.com.tw:pynq-z2:part0:1.10"  # not 1.9, which comes last alphabetically


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("c_sg_length_width 26", "c_sg_length_width 27", "axi_dma.c_sg_length_width does not allow 27"),
        ("c_m_axis_mm2s_tdata_width 32", "c_m_axis_mm2s_tdata_width 24", "does not allow 24"),
        ("c_m_axis_mm2s_tdata_width 32", "c_m_axis_mm2s_tdata_width 16", "widths 16 and 32 differ"),
        (" [get_bd_pins control_0/aclk]", "", "control_0/aclk is not connected"),
        ("[get_bd_pins reset_0/peripheral_aresetn] [get_bd_pins axi_dma_0/axi_resetn]",
         "[get_bd_pins reset_0/peripheral_aresetn]", "axi_dma_0/axi_resetn is not connected"),
        ("bus memory_0/M00_AXI processing_system7_0/S_AXI_HP0", "", "S_AXI_HP0 is not connected"),
        ("PCW_USE_S_AXI_HP0 1", "PCW_USE_S_AXI_HP0 0", "processing_system7_0/S_AXI_HP0: expected one interface"),
        ("assign_bd_address\n", "", "nothing has an address"),
        ("update_ip_catalog -rebuild", "update_ip_catalog -reload", "unknown option -reload"),
        ("NUM_SI 2", "NUM_SI 1", "memory_0/S01_AXI: expected one interface"),
        ("c_mm2s_burst_size 256", "c_mm2s_burst_size 255", "does not allow 255"),
        ("get_bd_pins axi_dma_0/axi_resetn", "get_bd_pins axi_dma_0/axi_resetn extra", "expected 1 to 1"),
    ],
)  # fmt: skip
def test_the_model_finds_mistakes(old, new, message, tmp_path, monkeypatch):
    written(tmp_path)
    path = tmp_path / "30_design.tcl"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(tkinter.TclError, match=message):
        run(tmp_path, "2022.2", monkeypatch)


@pytest.mark.parametrize(("name", "flow"), [("arty-a7-100t", RTL), ("arty-a7-100t", HLS4ML), ("u50", HLS4ML)])
def test_a_board_without_bitstream_is_implemented_alone(name, flow, tmp_path, monkeypatch):
    made = written(tmp_path, name, flow)
    model = run(tmp_path, "2022.2", monkeypatch)
    assert not made.has_bitstream
    assert made.result_files == ()
    assert not any(call[0] == "write_bitstream" for call in model.calls)
    assert {path.name for path in (tmp_path / "reports").iterdir()} == {
        "utilisation.rpt", "hierarchy.rpt", "timing.rpt", "power.rpt",
    }  # fmt: skip
    (read,) = [call for call in model.calls if call[0] == "read_xdc"]
    clock = "aclk" if flow == RTL else "ap_clk"
    assert f"[get_ports {clock}]" in Path(read[-1]).read_text()


@pytest.mark.parametrize("release", ["2022.1", "2025.2"])
@pytest.mark.parametrize("name", CARDS)
def test_a_card_gets_a_kernel_that_is_linked(name, release, tmp_path, monkeypatch):
    made = written(tmp_path, name, release=release)
    run(tmp_path, release, monkeypatch)
    assert [step.command[0] for step in made.steps] == ["vivado", "vivado", "v++"]
    assert (tmp_path / "reports" / "timing.rpt").exists()
    (file,) = made.result_files
    found = xclbin.read((tmp_path / file).read_bytes(), file)
    assert bitfile.same_part(found.part, made.part)
    assert found.instances == {xclbin.instance(made.build_id): kernel.NAME}
    assert (found.platform, found.clock_mhz) == (board.load(name).platform.name, 100)


@pytest.mark.parametrize(
    ("script", "old", "new", "message"),
    [
        ("50_kernel.tcl", "0x1018 64", "0x1018 32", "addresses have 64 bits"),
        ("50_kernel.tcl", "0x1018 64 m_axi_send", "0x1018 64 s_axi_control", "s_axi_control is no memory port"),
        ("50_kernel.tcl", "register $block receive 0x1048 64 m_axi_receive", "", "a memory port has no address"),
        ("50_kernel.tcl", "0x1028", "0x2028", "does not fit"),
        ("50_kernel.tcl", "{ctrl_protocol user_managed}", "{ctrl_protocol ap_ctrl_hs}", "vitis_drc does not allow"),
        ("50_kernel.tcl", "-busif $bus -clock ap_clk", "-busif $bus -clock aclk", "no such interface or clock"),
        ("60_link.cfg", "m_axi_receive:HBM", "m_axi_result:HBM", "CFGEN 83-2284"),
        ("60_link.cfg", "xilinx_u50_", "xilinx_u5_", "No valid platform"),
        ("60_link.cfg", "kernel_frequency", "frequency", "unrecognised option frequency"),
    ],
)
def test_the_model_finds_mistakes_of_kernels(script, old, new, message, tmp_path, monkeypatch):
    written(tmp_path, "u50")
    path = tmp_path / script
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises((tkinter.TclError, SystemExit), match=message):
        run(tmp_path, "2022.2", monkeypatch)


def test_a_clock_that_v_plus_plus_cannot_be_asked_for(tmp_path):
    slow = replace(board_designs.fixed(RTL), clock_mhz=0.5)
    with pytest.raises(InputError, match=r"clock: got 0.5 MHz; expected 1 or more, as v\+\+ takes whole MHz"):
        plan.write(board.load("u50"), "u50", slow, Release.parse("2022.2"), tmp_path / "build", "tiny")
    assert not (tmp_path / "build").exists()


def test_a_release_that_is_older_than_the_platform(tmp_path):
    message = "got release 2021.2; expected 2022.1 or newer, which has platform xilinx_u55c_gen3x16_xdma_3_202210_1"
    with pytest.raises(ToolMissing, match=message):
        written(tmp_path, "u55c", release="2021.2")
    assert not list(tmp_path.iterdir())


def test_a_build_is_known_by_what_it_depends_on(tmp_path):
    first = written(tmp_path / "a")
    assert written(tmp_path / "b") == first
    assert written(tmp_path / "c", release="2023.1").build_id != first.build_id
    assert written(tmp_path / "c", release="2023.1").steps[0].key != first.steps[0].key
    assert written(tmp_path / "d", name="pynq-z1").build_id != first.build_id
    assert written(tmp_path / "e", flow=HLS4ML).build_id != first.build_id
    assert plan.load(tmp_path / "a") == first


def test_a_folder_that_holds_something_else(tmp_path):
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(OutputError, match="holds files that are no build"):
        written(tmp_path)


def test_words_of_tcl():
    interpreter = tkinter.Tcl()
    for text in ("a b", "$x", "[exit]", 'say "hello"', "a;b", "#", "", "-std=c++0x", "a\tb"):
        assert interpreter.splitlist(interpreter.eval(f"list {word(text)}")) == (text,)
    assert interpreter.splitlist(interpreter.eval(f"set x {listed(['a b', 'c'])}")) == ("a b", "c")
    for text in ("a{b", "a\\b", "a\nb"):
        with pytest.raises(InputError, match="expected one without braces"):
            word(text)


@pytest.mark.parametrize("text", ["2019.1", "2026.1", "2022", "abc", ""])
def test_a_release_that_is_not_supported(text):
    message = "expected 2019.2 to 2025.2; .*without it: 'slimfab rtl' emits and simulates"
    with pytest.raises(ToolMissing, match=message) as caught:
        Release.parse(text)
    assert "\n" not in str(caught.value)


if __name__ == "__main__":
    import tempfile

    for one, way in [*CASES, *((card, RTL) for card in CARDS)]:
        with tempfile.TemporaryDirectory() as temporary:
            written(Path(temporary), one, way)
            GOLDEN.mkdir(parents=True, exist_ok=True)
            (GOLDEN / f"{one}-{way}.tcl").write_text(together(Path(temporary)))
