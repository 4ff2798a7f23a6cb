# SPDX-License-Identifier: Apache-2.0
"""``slimfab build`` from a saved network to a verified bundle, with tools that execute their scripts in a model."""

import json
from pathlib import Path

import board_designs
import fake_tools
import numpy as np
import pytest
from command_line import refused, succeeds

from boards import board
from boards.bundle import open_verified
from boards.driver import manifest as driver_manifest
from hwsim import device, execute, network, serial
from hwsim.estimate import Estimate
from slimfab.build import Request

pytestmark = pytest.mark.needs("tkinter")  # the tools execute their scripts in its interpreter


@pytest.fixture
def model(tmp_path) -> Path:
    folder = tmp_path / "net"
    network.save(*board_designs.network(), folder)
    return folder


@pytest.mark.parametrize("flow", ["rtl", pytest.param("hls4ml", marks=pytest.mark.needs("hls4ml"))])
def test_from_a_network_to_a_bundle(flow, model, tmp_path, monkeypatch):
    fake_tools.install(tmp_path / "bin", monkeypatch, "2023.2")
    arguments = ("build", model, "--output", tmp_path / "out", "--board", "zcu104", "--flow", flow, "--clock", 150)
    out = succeeds(*arguments)
    assert "timing is met at 150 MHz with 0.29 ns to spare" in out
    (path,) = (tmp_path / "out").glob("*.zip")
    assert f"bundle  {path}" in out
    bundle = open_verified(path, board="zcu104", part="xczu7ev-ffvc1156-2-e")
    inputs, outputs = bundle.golden()
    net, weights = board_designs.network()
    np.testing.assert_array_equal(execute(net, weights, inputs), outputs)
    assert (bundle.manifest.model_hash, bundle.manifest.flow) == (net.hash, flow)
    assert bundle.manifest.tools["vivado"].startswith("Vivado v.")
    folder = bundle.unpack(tmp_path / "board")
    read = driver_manifest.load(folder)  # as the board's own driver reads it
    assert (read.clock_mhz, read.input.word_bytes, read.dma) == (150.0, bundle.manifest.input.word_bytes, "axi_dma_0")
    assert read.interval_cycles == bundle.manifest.interval_cycles is not None
    assert {"driver/__init__.py", "driver/dma.py", "start.ipynb"} <= set(bundle.manifest.files)
    data = json.loads((tmp_path / "out" / "estimate.json").read_text())
    found = serial.from_json(Estimate, data, "estimate")
    assert found.resources is not None
    assert found.resources.lut is not None
    assert (found.resources.lut.value, found.resources.lut.source) == (21420, "synthesis")
    assert found.clock_mhz == 150.0
    assert bundle.estimate() == found
    assert {"cpu/network.cpp", "cpu/layers.h", "cpu/parameters.bin", "cpu/network.onnx"} <= set(bundle.manifest.files)
    before = path.read_bytes()
    succeeds(*arguments)  # nothing is done again, and the bundle is the same
    assert path.read_bytes() == before


def test_a_board_without_bitstream(model, tmp_path, monkeypatch):
    fake_tools.install(tmp_path / "bin", monkeypatch)
    out = succeeds("build", model, "--output", tmp_path / "out", "--board", "arty-a7-100t")
    assert f"reports  {tmp_path / 'out' / 'build' / 'reports'}" in out
    assert not list((tmp_path / "out").glob("*.zip"))


def test_a_card_gets_a_kernel_for_xrt(model, tmp_path, monkeypatch):
    """v++ lowers the clock where it must; the bundle has that one, and no driver is promised."""
    fake_tools.install(tmp_path / "bin", monkeypatch)
    monkeypatch.setenv("FAKE_KERNEL_MHZ", "190")
    out = succeeds("build", model, "--output", tmp_path / "out", "--board", "u50", "--clock", 200)
    assert "v++ linked the kernel for 190 MHz" in out
    (path,) = (tmp_path / "out").glob("*.zip")
    bundle = open_verified(path, board="u50")
    assert (bundle.manifest.clock_mhz, bundle.manifest.wns_ns) == (190.0, None)
    assert bundle.manifest.xclbin in bundle.manifest.files
    assert not any(name.startswith("driver") or name.endswith(".ipynb") for name in bundle.manifest.files)
    found = bundle.estimate()
    assert found is not None
    assert found.clock_mhz == 190.0
    assert found.notes[0].startswith("resources and power: ")
    assert found.notes[0].endswith("placed and routed for 200 MHz, by itself")
    assert found.notes[1] == "clock: the one that v++ linked the kernel for"
    message = "is a kernel for XRT on u50; expected a board of pynq's, there is no driver for cards; load net.xclbin"
    assert message in refused("deploy", path, "--output", tmp_path / "deployed")
    assert not (tmp_path / "deployed" / "bundle").exists()


def test_a_board_of_the_users_own(model, tmp_path, monkeypatch):
    """One YAML file for the board and one for its FPGA; Vivado has its board files."""
    fake_tools.install(tmp_path / "bin", monkeypatch)
    monkeypatch.setenv("FAKE_BOARDS", "me:mine:part0")
    text = (
        (board.FOLDER / "zcu104.yaml").read_text().replace("zcu104\n", "mine\n").replace("xilinx.com:mine", "me:mine")
    )
    text = text.replace("board_part: xilinx.com:zcu104:part0", "board_part: me:mine:part0")
    (tmp_path / "mine.yaml").write_text(text.replace("device: mine", "device: fpga.yaml"))
    fpga = (device.FOLDER / "zcu104.yaml").read_text().replace("xczu7ev-ffvc1156-2-e", "xczu5ev-sfvc784-1-e")
    (tmp_path / "fpga.yaml").write_text(fpga)
    succeeds("build", model, "--output", tmp_path / "out", "--board", tmp_path / "mine.yaml")
    (path,) = (tmp_path / "out").glob("*.zip")
    assert open_verified(path, board="mine", part="xczu5ev-sfvc784-1-e").manifest.clock_mhz == 200.0


def test_without_tools(model, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    message = refused("build", model, "--output", tmp_path / "out")
    assert message.startswith("vivado: is not installed here; expected 2019.2 to 2025.2; name the release")
    assert not (tmp_path / "out").exists()
    message = refused("build", model, "--output", tmp_path / "out", "--tools", "2022.2")
    assert message.startswith("vivado: is not on PATH; expected release 2022.2;")
    assert (tmp_path / "out" / "build" / "build.sh").exists()  # to be run by hand


def test_what_is_refused_before_anything_is_done(model, tmp_path):
    build = ("build", model, "--output", tmp_path / "out", "--tools", "2022.2")
    assert "unknown board 'pynq'; did you mean" in refused(*build, "--board", "pynq")
    assert "flow: got 'vhdl'" in refused(*build, "--flow", "vhdl")
    assert "expected 2019.2 to 2025.2" in refused(*build[:-1], "2018.3")
    assert not (tmp_path / "out").exists()


def test_the_release_that_is_installed(tmp_path, monkeypatch):
    fake_tools.install(tmp_path / "bin", monkeypatch, "2024.1", ("vivado",))
    assert str(Request("pynq-z2").release()) == "2024.1"
    assert str(Request("pynq-z2", tools="2020.2").release()) == "2020.2"
