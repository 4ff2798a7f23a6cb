# SPDX-License-Identifier: Apache-2.0
"""What Vivado itself wrote, read right; and the model of Vivado that builds are tested with, held against it."""

from pathlib import Path
from xml.etree import ElementTree

import pytest
import vivado_ips

from boards import bitfile, handoff
from boards.vivado.block_design import PROCESSORS

DATA = Path(__file__).parent / "data" / "handoffs"
HANDOFFS = {
    "resizer_2019.2": ("7z020clg400-1", "2019.2", 100.0),
    "zcu104_base_2020.2": ("xczu7evffvc1156-2", "2020.2", 99.999001),
    "pynq_z2_base_2022.1": ("7z020clg400-1", "2022.1", 100.0),
    "qick_4x2_2023.1": ("xczu48drffvg1517-2", "2023.1", 99.999985),
}
BITSTREAMS = {
    "pynq_z2_base_2020.2": bitfile.Header(
        "base_wrapper", "7z020clg400", 0xFFFFFFFF, "2020.2", "2021/07/29 15:46:32", 4045564
    ),
    "zcu104_base_2022.1": bitfile.Header(
        "base_wrapper", "xczu7ev-ffvc1156-2-e", 0xFFFFFFFF, "2022.1", "2022/10/22 03:42:03", 19311092
    ),
    "qick_4x2_2023.1": bitfile.Header(
        "d_1_wrapper", "xczu48dr-ffvg1517-2-e", 0xFFFFFFFF, "2023.1", "2025/12/15 21:26:35", 34437356
    ),
}


@pytest.mark.parametrize("name", HANDOFFS)
def test_captured_handoffs(name):
    found = handoff.read((DATA / f"{name}.hwh").read_bytes(), name)
    assert (found.part, found.version, found.clock_mhz()) == HANDOFFS[name]


def test_the_cells_of_a_captured_handoff():
    found = handoff.read((DATA / "resizer_2019.2.hwh").read_bytes(), "resizer.hwh")
    dma = found.cell("axi_dma_0", "resizer.hwh")
    assert dma.kind == "axi_dma"
    assert [dma.number(key, "") for key in ("c_sg_length_width", "c_m_axis_mm2s_tdata_width")] == [26, 32]
    assert found.addresses["axi_dma_0"] == (0x40400000, 0x10000)


@pytest.mark.parametrize("name", BITSTREAMS)
def test_captured_headers_of_bitstreams(name):
    header = (DATA / f"{name}.bit-header").read_bytes()
    expected = BITSTREAMS[name]
    assert bitfile.read(header + bytes(expected.payload_bytes), name) == expected


@pytest.mark.parametrize(
    ("found", "part"),
    [("7z020clg400", "xc7z020clg400-1"), ("7z020clg400-1", "xc7z020clg400-1"),
     ("xczu7ev-ffvc1156-2-e", "xczu7ev-ffvc1156-2-e"), ("xczu7evffvc1156-2", "xczu7ev-ffvc1156-2-e"),
     ("xck26sfvc784-2LV", "xck26-sfvc784-2LV-c")],
)  # fmt: skip
def test_parts_as_tools_shorten_them(found, part):
    assert bitfile.same_part(found, part)
    assert not bitfile.same_part(found, part.replace("z020", "z010").replace("zu7", "zu9").replace("k26", "k24"))
    assert not bitfile.same_part("", part)
    assert not bitfile.same_part("7z", part)


def captured() -> dict[str, list[ElementTree.Element]]:
    """Cells that Vivado wrote, by their kind."""
    found: dict[str, list[ElementTree.Element]] = {}
    for path in sorted(DATA.glob("*.hwh")):
        for module in ElementTree.parse(path).getroot().iterfind("MODULES/MODULE"):
            found.setdefault(module.get("MODTYPE", ""), []).append(module)
    return found


@pytest.mark.parametrize("ip", [ip for ip in vivado_ips.PARAMETERS if ip not in ("accelerator", "network")])
def test_the_model_has_what_vivado_has(ip):
    """Every parameter, clock, reset and interface that the model of Vivado knows is one of Vivado's own."""
    cells = captured()[ip]
    parameters = {one.get("NAME") for cell in cells for one in cell.iterfind("PARAMETERS/PARAMETER")}
    assert set(vivado_ips.PARAMETERS[ip]) <= parameters
    ports = {
        (one.get("NAME"), one.get("DIR"), one.get("SIGIS")) for cell in cells for one in cell.iterfind("PORTS/PORT")
    }
    buses = {
        (one.get("NAME"), one.get("TYPE")) for cell in cells for one in cell.iterfind("BUSINTERFACES/BUSINTERFACE")
    }
    model = vivado_ips.Cell("cell", ip, {key: "1" for key in vivado_ips.ENABLED_BY.values()} | {"NUM_SI": "2"})
    model.settings.pop("c_m_axis_mm2s_tdata_width", None)
    model.refresh()
    assert {
        (name, direction[0].upper(), {"clock": "clk", "reset": "rst"}[kind])
        for name, (direction, kind) in model.pins.items()
    } <= ports
    roles = {"master": ("MASTER", "INITIATOR"), "slave": ("SLAVE", "TARGET")}
    for name, (_, role, _) in model.interfaces.items():
        assert {(name, one) for one in roles[role]} & buses, name


@pytest.mark.parametrize("shell", PROCESSORS)
def test_settings_of_processors_are_vivados(shell):
    processor = PROCESSORS[shell]
    names = {one.get("NAME") for cell in captured()[processor.ip] for one in cell.iterfind("PARAMETERS/PARAMETER")}
    assert set(processor.settings) <= names
