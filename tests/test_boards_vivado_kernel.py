# SPDX-License-Identifier: Apache-2.0
"""The kernel for Alveo cards: golden images from memory to memory in simulation, and Verilog without a complaint."""

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import board_designs
import numpy as np
import pytest

from boards.driver import packing
from boards.driver.manifest import Port as DriverPort
from boards.manifest import Port
from boards.vivado import kernel, shell
from boards.vivado.accelerator import Accelerator
from hls.bench import SIMULATORS, run_job, simulator_environment
from hls.registers import REGISTERS
from hls.rtl_compile import lint
from hls.templates import RTL
from hwsim import reference
from hwsim.fixed import FixedPoint

#: Constant signals that AXI4 lets a manager leave out and the memory of the bench wants to see.
_LEFT_OUT = """
  output wire m_axi_send_arid, output wire [2:0] m_axi_send_arsize, output wire [1:0] m_axi_send_arburst,
  input wire m_axi_send_rid, output wire m_axi_receive_awid, output wire [2:0] m_axi_receive_awsize,
  output wire [1:0] m_axi_receive_awburst, input wire m_axi_receive_bid
);
  assign m_axi_send_arid = 1'b0;
  assign m_axi_send_arsize = 3'd{send};
  assign m_axi_send_arburst = 2'b01;
  assign m_axi_receive_awid = 1'b0;
  assign m_axi_receive_awsize = 3'd{receive};
  assign m_axi_receive_awburst = 2'b01;
  slimfab_kernel kernel (.*);
endmodule
"""


def laid_out(made: Accelerator, folder: Path) -> list[str]:
    """Everything that a tool compiles, kernel last."""
    names = [*made.sources, *(f"{module}.sv" for module in kernel.modules() if f"{module}.sv" not in made.files)]
    for name, data in made.files.items():
        (folder / name).write_bytes(data)
    for name in names:
        if name not in made.files:
            (folder / name).write_bytes((RTL / name).read_bytes())
    (folder / f"{shell.NAME}.v").write_text(shell.text(made))
    (folder / f"{kernel.NAME}.v").write_text(kernel.text(made))
    return [*names, f"{shell.NAME}.v", f"{kernel.NAME}.v"]


def driver_port(port: Port) -> DriverPort:
    fmt = FixedPoint.parse(port.format)
    return DriverPort(
        fmt.width, fmt.signed, fmt.rounding, port.scale, port.shape, port.image, port.lanes, port.beats, port.word_bytes
    )


@pytest.mark.needs("cocotb", "verilator", "g++")
def test_golden_images_from_memory_to_memory(tmp_path: Path) -> None:
    made = board_designs.rtl(tmp_path / "emitted")
    home = tmp_path / "home"
    home.mkdir()
    files = laid_out(made, home)
    head = re.sub(r"^module \w+", "module kernel_top", kernel.text(made).partition(");\n")[0], flags=re.M).rstrip()
    sizes = {
        "send": kernel.memory_bytes(made.input).bit_length() - 1,
        "receive": kernel.memory_bytes(made.output).bit_length() - 1,
    }
    (home / "kernel_top.sv").write_text(f"{head},{_LEFT_OUT.format(**sizes)}")
    network, weights = board_designs.network()
    images = board_designs.images(6)
    ends = [(made.input, images), (made.output, reference.execute(network, weights, images))]
    for name, (port, values) in zip(("inputs", "outputs"), ends, strict=True):
        memory = np.empty(len(values) * port.bytes_per_image, np.uint8)
        packing.pack(driver_port(port), values, memory)
        (home / f"{name}.bin").write_bytes(memory.tobytes())
    (home / "job.json").write_text(
        json.dumps({
            "mover": kernel.MOVER, "images": len(images), "network": network.hash,
            "registers": {register.name: register.offset for register in REGISTERS},
            "word_bytes": made.output.word_bytes, "data_bytes": shell.data_bits(made.output) // 8,
        })
    )  # fmt: skip
    job = {
        "folder": str(home), "home": str(home), "simulator": "verilator", "top": "kernel_top",
        "sources": [*files, "kernel_top.sv"], "module": "kernel_bench", "parameters": {},
        "build_args": SIMULATORS["verilator"],
    }  # fmt: skip
    environment = {**simulator_environment("verilator"), "SLIMFAB_KERNEL": str(home)}
    environment["PYTHONPATH"] = f"{Path(__file__).parent}:{environment.get('PYTHONPATH', '')}"
    code = run_job(job, environment)
    logs = "\n".join(log.read_text(errors="replace")[-6000:] for log in home.glob("*.log"))
    assert (home / "results.xml").exists(), logs
    cases = list(ElementTree.parse(home / "results.xml").iter("testcase"))
    assert (len(cases), [case for case in cases if case.find("failure") is not None], code) == (1, [], 0), logs


@pytest.mark.needs("verilator")
@pytest.mark.parametrize("words", [(1, 2), (4, 16), (128, 128)])
def test_verilator_finds_nothing(words: tuple[int, int], tmp_path: Path) -> None:
    """Around a shell that is a black box, for words from one byte to the widest."""
    source, result = (Port("ap_fixed<8,4>", 0.0625, (one, 4, 4), (one, 4, 4), one, 16, one) for one in words)
    made = Accelerator("rtl", "0123456789abcdef", 100.0, source, result, {}, ())
    names = [f"{module}.sv" for module in kernel.modules()]
    for name in names:
        (tmp_path / name).write_bytes((RTL / name).read_bytes())
    head = shell.text(made).partition(");\n")[0]
    quiet = [f"/* verilator lint_{{}} {word} */\n" for word in ("UNDRIVEN", "UNUSEDSIGNAL")]
    off, on = ("".join(quiet).format(*[way] * len(quiet)) for way in ("off", "on"))
    (tmp_path / f"{shell.NAME}.v").write_text(f"{off}{head});\nendmodule\n{on}")
    (tmp_path / f"{kernel.NAME}.v").write_text(kernel.text(made))
    assert lint(tmp_path, [*names, f"{shell.NAME}.v", f"{kernel.NAME}.v"], kernel.NAME) == ""
