# SPDX-License-Identifier: Apache-2.0
"""Containers for XRT: read as pynq reads them, a real one among them, and refused where they are damaged."""

import json
import subprocess
from contextlib import suppress

import pytest
from board_runs import require_pynq

from boards import xclbin
from boards.emulated.environment import find_pynq
from hwsim.errors import BundleError

PLATFORM, PART = "xilinx_u50_gen3x16_xdma_5_202210_1", "xcu50-fsvh2104-2-e"
DATA = xclbin.write(PLATFORM, PART, {"slimfab_1a2b3c4d": "slimfab_kernel"}, 300)
_PYNQ = """
import json, sys
from pathlib import Path
import pynq
from pynq._3rdparty import xclbin
from pynq.pl_server.xclbin_parser import parse_xclbin_header
sections, _ = parse_xclbin_header(Path(sys.argv[1]).read_bytes())
clock = xclbin.clock_freq_topology.from_buffer(sections[11]).m_clock_freq[0]
default = Path(pynq.__file__).parent / "pl_server" / "default.xclbin"
print(json.dumps([sorted(sections), sections[2].decode(), clock.m_freq_Mhz, clock.m_type, str(default)]))
"""


def test_what_a_container_says():
    found = xclbin.read(DATA, "x.xclbin")
    assert found == xclbin.Xclbin(PLATFORM, PART, {"slimfab_1a2b3c4d": "slimfab_kernel"}, 300, True)
    assert xclbin.check(DATA, PLATFORM, PART, "1a2b3c4d", "x.xclbin") == found


@pytest.mark.parametrize("mode", [4, 5, 6])
def test_an_emulation_is_no_configuration(mode):
    """XCLBIN_HW_EMU, XCLBIN_SW_EMU and XCLBIN_HW_EMU_PR (XRT's xclbin.h) hold a simulation, and no bitstream."""
    data = xclbin.write(PLATFORM, PART, {"slimfab_1a2b3c4d": "slimfab_kernel"}, 300, mode=mode)
    with pytest.raises(BundleError, match="holds no configuration; expected one of a card, no emulation"):
        xclbin.check(data, PLATFORM, PART, "1a2b3c4d", "x.xclbin")


def test_pynqs_own_reader_finds_the_same_and_its_container_is_read(tmp_path):
    require_pynq()
    (tmp_path / "x.xclbin").write_bytes(DATA)
    command = [find_pynq()[0], "-c", _PYNQ, tmp_path / "x.xclbin"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=tmp_path, env={})
    kinds, text, mhz, kind, default = json.loads(done.stdout.splitlines()[-1])
    assert (kinds, mhz, kind) == ([0, 2, 11], 300, 1)
    assert 'instance name="slimfab_1a2b3c4d"' in text
    with open(default, "rb") as file:
        real = file.read()  # of a Zynq: everything is there but kernels' clocks
    with pytest.raises(BundleError, match="default: names no kernel clock"):
        xclbin.read(real, "default")
    with pytest.raises(BundleError, match="it is damaged"):
        xclbin.read(real[:-1], "default")


@pytest.mark.parametrize("place", range(0, len(DATA), 7))
def test_a_flipped_byte_is_refused_or_harmless(place):
    """Never anything but a BundleError, whatever the byte is for."""
    damaged = bytearray(DATA)
    damaged[place] ^= 0xFF
    with suppress(BundleError):
        assert xclbin.read(bytes(damaged), "x.xclbin").clock_mhz > 0


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"<project>", b"<!ELEMEN>", "has declarations"),
        (b"<project>", b"<project ", "its metadata is no XML"),
        (b"fpgaDevice", b"fpgaDevize", "names no part"),
    ],
)
def test_metadata_that_is_not_v_plus_pluss(old, new, message):
    with pytest.raises(BundleError, match=message):
        xclbin.read(DATA.replace(old, new), "x.xclbin")
