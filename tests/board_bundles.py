# SPDX-License-Identifier: Apache-2.0
"""Small bundles for tests of boards: one of a network that doubles four numbers, with a handoff of a few cells."""

import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from boards import bitfile
from boards.bundle import MANIFEST, Bundle, pack
from boards.manifest import Manifest, Port

PART = "xc7z020clg400-1"
BUILD_ID = "1a2b3c4d"
PORT = Port("ap_fixed<8,4,AP_TRN,AP_WRAP>", 0.0625, (4,), (4, 1, 1), 2, 2, 2)


def manifest(**changes: Any) -> Manifest:
    """A manifest for a Pynq-Z2, with some fields replaced."""
    plain = Manifest(
        "doubler", "pynq-z2", PART, "rtl", "0123456789abcdef", BUILD_ID, 100.0, 0.25, PORT, PORT, {"vivado": "2022.2"}
    )
    return replace(plain, **changes)


def bit(part: str = "7z020clg400", build_id: str = BUILD_ID) -> bytes:
    """A bitstream without content."""
    return bitfile.write("design_1_wrapper", part, int(build_id, 16), "2022.2")


def hwh(width_bits: int = 16, device: str = "7z020") -> bytes:
    """A hardware handoff with a DMA engine and an accelerator."""
    return f"""<?xml version="1.0" encoding="UTF-8" standalone="no" ?>
<EDKSYSTEM EDWVERSION="1.2" TIMESTAMP="Mon Nov 23 10:00:00 2026" VIVADOVERSION="2022.2">
  <SYSTEMINFO ARCH="zynq" DEVICE="{device}" NAME="design_1" PACKAGE="clg400" SPEEDGRADE="-1"/>
  <MODULES>
    <MODULE FULLNAME="/axi_dma_0" INSTANCE="axi_dma_0" MODTYPE="axi_dma">
      <PARAMETERS>
        <PARAMETER NAME="c_m_axis_mm2s_tdata_width" VALUE="{width_bits}"/>
        <PARAMETER NAME="c_s_axis_s2mm_tdata_width" VALUE="{width_bits}"/>
        <PARAMETER NAME="c_sg_length_width" VALUE="26"/>
      </PARAMETERS>
    </MODULE>
    <MODULE FULLNAME="/accelerator_0" INSTANCE="accelerator_0" MODTYPE="accelerator"/>
    <MODULE FULLNAME="/processing_system7_0" INSTANCE="processing_system7_0" MODTYPE="processing_system7">
      <PARAMETERS><PARAMETER NAME="PCW_ACT_FPGA0_PERIPHERAL_FREQMHZ" VALUE="100.000000"/></PARAMETERS>
      <MEMORYMAP>
        <MEMRANGE BASEVALUE="0x40400000" HIGHVALUE="0x4040FFFF" INSTANCE="axi_dma_0" MEMTYPE="REGISTER"/>
        <MEMRANGE BASEVALUE="0x43C00000" HIGHVALUE="0x43C00FFF" INSTANCE="accelerator_0" MEMTYPE="REGISTER"/>
      </MEMORYMAP>
    </MODULE>
  </MODULES>
</EDKSYSTEM>
""".encode()


def files() -> dict[str, bytes]:
    """What stands in the bundle beside the golden vectors."""
    return {"doubler.bit": bit(), "doubler.hwh": hwh(), "driver/driver.py": b"# nothing\n"}


def golden() -> tuple[np.ndarray, np.ndarray]:
    """Three images and their doubles."""
    inputs = np.array([[0, 1, -1, 63], [-64, 2, 3, 4], [5, 6, 7, 8]])
    return inputs, 2 * inputs


def make(path: Path, **changes: Any) -> Bundle:
    """A good bundle."""
    return pack(manifest(**changes), files(), *golden(), path)


def rewritten(path: Path, target: Path, change: Any) -> Path:
    """A copy of a zip file whose content ``change(members)`` has altered: content by name, in place."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return target


def with_manifest(members: dict[str, bytes], **changes: Any) -> None:
    """Replace fields of the manifest, the hashes left as they are."""
    members[MANIFEST] = json.dumps({**json.loads(members[MANIFEST]), **changes}).encode()


def npy(array: np.ndarray) -> bytes:
    """An array as a .npy file."""
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()
