# SPDX-License-Identifier: Apache-2.0
"""Builds that run: here, by hand, on another machine; stopped and taken up again; and everything that can go wrong."""

import json
import shutil
import subprocess
from pathlib import Path

import board_designs
import fake_tools
import numpy as np
import pytest

from boards import bitfile, board, xclbin
from boards.bundle import open_verified
from boards.vivado import plan, results, run
from boards.vivado.accelerator import HLS4ML, RTL
from boards.vivado.releases import Release
from hls.reports import Power, Timing
from hwsim.errors import BudgetError, BundleError, InputError, SlimfabError, ToolFailed, ToolMissing
from hwsim.estimate import Estimate, Figure

pytestmark = pytest.mark.needs("tkinter")  # the tools execute their scripts in its interpreter


def write(folder: Path, flow: str = RTL, name: str = "pynq-z2", release: str = "2022.2") -> plan.Plan:
    return plan.write(board.load(name), name, board_designs.fixed(flow), Release.parse(release), folder, "tiny")


@pytest.fixture
def tools(tmp_path, monkeypatch) -> Path:
    folder = tmp_path / "bin"
    fake_tools.install(folder, monkeypatch)
    return folder


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """A build that has run, with emitted SystemVerilog for the Pynq-Z2."""
    folder = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        fake_tools.install(folder / "bin", patch)
        run.run(folder / "build", write(folder / "build"), run.Machine())
    return folder / "build"


@pytest.fixture
def built(tmp_path, finished) -> tuple[Path, plan.Plan]:
    """A copy of it, and its plan."""
    shutil.copytree(finished, tmp_path / "build")
    return tmp_path / "build", plan.load(tmp_path / "build")


def base() -> Estimate:
    """What a model expects at 100 MHz: 1,000 cycles, one image every 400."""
    figure = Figure.within(10.0, 1.2)
    return Estimate(
        "fpga:pynq-z2/folded", "0123456789abcdef", 1, 100.0, figure, Figure.exact(4.0), Figure.exact(1000.0),
        Figure.exact(400.0), Figure.exact(6.0), Figure.exact(1.6), Figure.exact(100.0), None, {"lut": 53200.0},
    )  # fmt: skip


@pytest.mark.parametrize(("flow", "name"), [(RTL, "pynq-z2"), (HLS4ML, "kv260")])
def test_a_build_from_scripts_to_bundle(flow, name, tmp_path, tools):
    made = write(tmp_path / "build", flow, name)
    said: list[str] = []
    run.run(tmp_path / "build", made, run.Machine(), said.append)
    assert [line.partition(":")[0] for line in said] == [step.name for step in made.steps]
    found = results.collect(tmp_path / "build", made)
    assert found.clock_mhz == 100.0
    assert found.timing == Timing(0.29, 0.0, 0.019, 0)
    assert found.power == Power(1.763, 1.624, 0.139)
    assert (found.hls is None) == (flow == RTL)
    inputs, outputs = np.zeros((2, 3, 8, 8), np.int64), np.ones((2, 10), np.int64)
    bundle = results.bundle(found, {"driver/x.py": b"\n"}, inputs, outputs, tmp_path / "tiny.zip", 1000, 400)
    manifest = open_verified(tmp_path / "tiny.zip", board=name, part=made.part).manifest
    assert (manifest.build_id, manifest.flow, manifest.clock_mhz, manifest.wns_ns) == (made.build_id, flow, 100.0, 0.29)
    assert (manifest.latency_cycles, manifest.interval_cycles) == (1000, 400)
    assert bundle.read("tiny.hwh") == (tmp_path / "build" / "tiny.hwh").read_bytes()


def test_what_v_plus_plus_left_must_be_of_this_build(tmp_path, tools):
    made = write(tmp_path / "build", name="u50")
    run.run(tmp_path / "build", made, run.Machine())
    path = tmp_path / "build" / "tiny.xclbin"
    found = results.collect(tmp_path / "build", made)
    assert (found.clock_mhz, found.files) == (100.0, {"tiny.xclbin": path.read_bytes()})
    platform, part = board.load("u50").platform.name, made.part
    for instance, mhz, error, message in (
        ("slimfab_deadbeef", 100, BundleError, "tiny.xclbin is stale: got kernels slimfab_deadbeef"),
        (xclbin.instance(made.build_id), 101, BudgetError, "tiny.xclbin: got 101 MHz; expected at most 100"),
    ):
        path.write_bytes(xclbin.write(platform, part, {instance: "slimfab_kernel"}, mhz))
        with pytest.raises(error, match=message):
            results.collect(tmp_path / "build", made)
    path.unlink()
    with pytest.raises(ToolFailed, match="tiny.xclbin: cannot read"):
        results.collect(tmp_path / "build", made)


def test_a_kernel_that_cannot_be_linked(tmp_path, tools, monkeypatch):
    made = write(tmp_path / "build", name="u55c")
    monkeypatch.setenv("FAKE_FAIL", "v++")
    with pytest.raises(ToolFailed, match=r"60_link: v\+\+ failed with exit code 1.*v\+\+ 60-602"):
        run.run(tmp_path / "build", made, run.Machine())
    (tools / "v++").unlink()
    with pytest.raises(ToolMissing, match=r"v\+\+: is not on PATH; expected release 2022.2"):
        run.run(tmp_path / "build", made, run.Machine())


def test_reports_as_an_estimate(built):
    folder, made = built
    found = results.estimate(base(), results.collect(folder, made))
    assert found.resources is not None
    assert {name: figure.value for name, figure in found.resources.items()} == {
        "lut": 9526, "ff": 8428, "dsp": 66, "bram18": 25,
    }  # fmt: skip
    assert all(figure.source == "synthesis" for _, figure in found.resources.items())
    assert found.power_w == Figure(1.763, 0.139, 3.387, "synthesis")
    assert found.energy_uj.value == pytest.approx(1.763 * 4.0)
    assert (found.latency_us, found.ii) == (base().latency_us, base().ii)
    assert "Vivado v.2020.1" in found.notes[0]


def test_a_slower_clock_than_asked_for_is_the_one_that_counts(built):
    """The processor divides its clock by whole numbers: what the handoff says is what the board runs at."""
    folder, made = built
    path = folder / "tiny.hwh"
    text = path.read_text()
    assert "100.000000" in text
    path.write_text(text.replace("100.000000", "80.000000"))
    found = results.collect(folder, made)
    assert found.clock_mhz == 80.0
    assert results.estimate(base(), found).interval_us == Figure.exact(5.0)


def test_what_is_done_is_not_done_again(tmp_path, tools, monkeypatch):
    made = write(tmp_path / "build")
    monkeypatch.setenv("FAKE_FAIL", "write_bitstream")
    with pytest.raises(ToolFailed, match="40_implement: vivado failed with exit code 1.*Common 17-69.*logs"):
        run.run(tmp_path / "build", made, run.Machine())
    monkeypatch.delenv("FAKE_FAIL")
    assert write(tmp_path / "build") == made
    said: list[str] = []
    run.run(tmp_path / "build", made, run.Machine(), said.append)
    assert said == ["20_package: done before", "30_design: done before", "40_implement: vivado"]
    said.clear()
    run.run(tmp_path / "build", made, run.Machine(), said.append)
    assert said == []


def test_a_processor_that_is_faster_than_timing_was_met_for(built):
    folder, made = built
    path = folder / "tiny.hwh"
    path.write_text(path.read_text().replace("100.000000", "107.143000"))
    message = "timing: was met for 100 MHz, and the processor gives 107.143; expected no more"
    with pytest.raises(BudgetError, match=message):
        results.collect(folder, made)
    report = folder / "reports" / "timing.rpt"
    report.write_text(report.read_text().replace("clk_fpga_0", "clk_other"))
    with pytest.raises(BudgetError, match="timing: has no clock clk_fpga_0; available: clk_other"):
        results.collect(folder, made)


def test_a_changed_design_is_built_anew(built):
    folder, _ = built
    other = write(folder, name="zcu104")
    assert not any(plan.is_done(folder, step) for step in other.steps)
    with pytest.raises(ToolFailed, match="step 20_package is not done; run .*build.sh"):
        results.collect(folder, other)


def test_by_hand(tmp_path, tools, monkeypatch):
    """A person runs build.sh somewhere; what it leaves is taken up without any tool here."""
    made = write(tmp_path / "build")
    subprocess.run(["bash", tmp_path / "build" / "build.sh"], check=True, cwd="/", capture_output=True)
    monkeypatch.setenv("PATH", "/nowhere")
    run.run(tmp_path / "build", made, run.Machine())
    assert results.collect(tmp_path / "build", made).clock_mhz == 100.0


def test_settings_are_read_first(tmp_path, tools, monkeypatch):
    made = write(tmp_path / "build")
    (tmp_path / "settings64.sh").write_text(f'export PATH="{tools}:$PATH"\n')
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    run.run(tmp_path / "build", made, run.Machine(settings=str(tmp_path / "settings64.sh")))
    assert (tmp_path / "build" / "tiny.bit").exists()


def test_no_vivado(tmp_path, monkeypatch):
    made = write(tmp_path / "build", HLS4ML, release="2023.2")
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    with pytest.raises(ToolMissing) as caught:
        run.run(tmp_path / "build", made, run.Machine())
    message = str(caught.value)
    assert message.startswith("vitis-run: is not on PATH; expected release 2023.2;")
    for way in ("--settings", "--host", "build.sh", "slimfab rtl", "slimfab synth"):
        assert way in message
    assert "\n" not in message


def test_another_release(tmp_path, tools, monkeypatch):
    made = write(tmp_path / "build")
    monkeypatch.setenv("FAKE_RELEASE", "2021.1")
    with pytest.raises(ToolMissing, match="vivado: got release 2021.1; expected 2022.2, .*--tools 2021.1"):
        run.run(tmp_path / "build", made, run.Machine())
    monkeypatch.setenv("FAKE_RELEASE", "2018.3")
    with pytest.raises(ToolMissing, match="got version '2018.3'; expected 2019.2 to 2025.2"):
        run.installed()


def test_timing_that_is_not_met(tmp_path, tools, monkeypatch):
    made = write(tmp_path / "build")
    monkeypatch.setenv("FAKE_SLACK", "-0.4")
    with pytest.raises(
        ToolFailed, match="timing: got a setup slack of -0.300 ns; expected 0 or more; build for a slower"
    ):
        run.run(tmp_path / "build", made, run.Machine())
    assert not (tmp_path / "build" / "tiny.bit").exists()


def test_a_report_that_says_otherwise_than_the_gate(built):
    folder, made = built
    path = folder / "reports" / "timing.rpt"
    path.write_text(path.read_text().replace(" 0.290", "-0.290", 1))
    with pytest.raises(BudgetError, match="timing: got a slack of -0.29 ns at 100 MHz; expected 0 or more"):
        results.collect(folder, made)


def test_a_stale_bitstream_and_reports_of_another_part(built):
    folder, made = built
    bit = folder / "tiny.bit"
    bit.write_bytes(bitfile.write("design_wrapper", "7z020clg400", 0x12345678, "2022.2"))
    with pytest.raises(BundleError, match="tiny.bit is stale: got build 12345678"):
        results.collect(folder, made)
    bit.unlink()
    with pytest.raises(ToolFailed, match="tiny.bit: cannot read"):
        results.collect(folder, made)
    report = folder / "reports" / "utilisation.rpt"
    report.write_text(report.read_text().replace("7z020clg400-1", "7z010clg400-1"))
    with pytest.raises(ToolFailed, match="reports are of part 7z010clg400-1; expected xc7z020clg400-1"):
        results.collect(folder, made)


@pytest.mark.parametrize(("flow", "name"), [(RTL, "pynq-z2"), (HLS4ML, "pynq-z2"), (RTL, "u50")])
def test_on_another_machine(flow, name, tmp_path, tools):
    fake_tools.install_ssh(tools, tmp_path / "there" / "home")
    made = write(tmp_path / "build", flow, name)
    said: list[str] = []
    run.run(tmp_path / "build", made, run.Machine("me@server", jobs=2), said.append)
    there = tmp_path / "there" / "home" / "slimfab-builds" / f"tiny-{made.build_id}"
    assert (there / "work").is_dir()
    assert not (tmp_path / "build" / "work").exists()  # only results come back
    assert results.collect(tmp_path / "build", made).clock_mhz == 100.0
    assert "JOBS=2 bash" in (tmp_path / "there" / "commands").read_text()
    assert said[0] == f"me@server: copying to slimfab-builds/tiny-{made.build_id}"


def test_logs_of_a_failure_on_another_machine_come_back(tmp_path, tools, monkeypatch):
    fake_tools.install_ssh(tools, tmp_path / "there" / "home")
    made = write(tmp_path / "build")
    monkeypatch.setenv("FAKE_FAIL", "validate_bd_design")
    with pytest.raises(ToolFailed, match="30_design: vivado failed"):
        run.run(tmp_path / "build", made, run.Machine("server"))
    assert "Common 17-69" in (tmp_path / "build" / "logs" / "30_design.out").read_text()
    assert plan.is_done(tmp_path / "build", made.steps[0])


@pytest.mark.parametrize(
    ("said", "meaning"),
    [
        ("Host key verification failed.", "unknown host key; connect once by hand and confirm it"),
        ("me@server: Permission denied (publickey,password).", "the machine refused; expected a key that it knows"),
        ("ssh: Could not resolve hostname server", "the machine cannot be reached"),
        ("ssh: something new", "ssh: something new"),
    ],
)
def test_ssh_that_refuses(said, meaning, tmp_path, tools):
    fake_tools.install_ssh(tools, tmp_path / "there" / "home")
    (tmp_path / "there" / "refusal").write_text(f"{said}\n")
    made = write(tmp_path / "build")
    with pytest.raises(ToolFailed, match=f"ssh: server: {meaning}") as caught:
        run.run(tmp_path / "build", made, run.Machine("server"))
    assert "\n" not in str(caught.value)


def test_what_comes_back_is_only_what_a_build_makes(tmp_path, tools):
    """A machine that answers with files of other names, links, or no tar at all writes nothing here."""
    import io
    import tarfile

    made = write(tmp_path / "build")
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name in ("../escaped", "/tmp/escaped", "build.sh", "reports/../../escaped", "reports/fine.rpt"):
            member = tarfile.TarInfo(name)
            member.size = 1
            archive.addfile(member, io.BytesIO(b"x"))
        link = tarfile.TarInfo("reports/link.rpt")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    before = {path for path in tmp_path.rglob("*") if path.is_file()}
    script = (tmp_path / "build" / "build.sh").read_bytes()
    run._unpacked(buffer.getvalue(), tmp_path / "build", made)
    new = {path for path in tmp_path.rglob("*") if path.is_file() or path.is_symlink()} - before
    assert new == {tmp_path / "build" / "reports" / "fine.rpt"}
    assert (tmp_path / "build" / "build.sh").read_bytes() == script
    with pytest.raises(ToolFailed, match="what came back is damaged"):
        run._unpacked(b"no tar", tmp_path / "build", made)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"host": "-oProxyCommand=x"}, "host: got '-oProxyCommand=x'; expected a name as ssh has it"),
        ({"host": "a b"}, "host: got 'a b'"),
        ({"settings": "/a; rm -rf"}, "settings: got .*; expected a path of letters"),
        ({"jobs": 0}, "jobs: got 0; expected 1 or more"),
    ],
)
def test_a_machine_that_is_none(fields, message):
    with pytest.raises(InputError, match=message):
        run.Machine(**fields)


@pytest.mark.parametrize(
    ("said", "meaning"),
    [
        ("boost::bad_lexical_cast: bad lexical cast: source type value", "answer record 76960"),
        ("ERROR: [Common 17-345] A valid license was not found for feature 'Synthesis'", "no licence"),
        ("ERROR: [Place 30-640] Place Check : This design requires more Slice LUTs than are available", "does not fit"),
        ("write: No space left on device", "the disk is full"),
    ],
)
def test_what_tools_say_is_explained(said, meaning):
    assert meaning in run._explained(said)


def test_a_plan_that_is_damaged(tmp_path):
    write(tmp_path)
    path = tmp_path / "build.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "clock_mhz": "fast"}))
    with pytest.raises(SlimfabError, match="clock_mhz: got 'fast'"):
        plan.load(tmp_path)
