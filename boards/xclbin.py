# SPDX-License-Identifier: Apache-2.0
"""The container that v++ writes for XRT (``.xclbin``): which platform and part, which kernels, at which clock.

A header, a table of sections, and the sections (layout: github:Xilinx/XRT, src/runtime_src/core/include/xclbin.h;
``pynq/pl_server/xclbin_parser.py`` reads the same). The kernels are XML in the section EMBEDDED_METADATA.
"""

import struct
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from dataclasses import dataclass

from boards import bitfile
from hwsim.errors import BundleError

_MAGIC = b"xclbin2\0"
_HEADER = struct.Struct("<QQQHBBHH16s64s16s16sI")  # axlf_header: length, …, mode, …, platform, uuid, …, sections
_EMULATIONS = (4, 5, 6)  # modes XCLBIN_HW_EMU, XCLBIN_SW_EMU, XCLBIN_HW_EMU_PR
_HEADER_AT = 304  # behind magic, cipher, key block and an identifier
_SECTION = struct.Struct("<I16s4xQQ")  # kind, name, offset, size
_SECTIONS_AT = _HEADER_AT + _HEADER.size + 4  # aligned to eight bytes
BITSTREAM, METADATA, CLOCKS = 0, 2, 11  # kinds of sections
_CLOCK = struct.Struct("<HB5x128s")  # MHz, type, name
_DATA_CLOCK = 1  # the type of a platform's scalable clock 0, which drives ap_clk
MAX_SECTIONS = 64


@dataclass(frozen=True)
class Xclbin:
    """What the container says of itself; ``instances`` are the kernels' names by the names of their instances.

    ``has_bitstream`` is whether a card can be configured with it: what v++ makes for emulation carries a simulation in
    the same section.
    """

    platform: str
    part: str
    instances: Mapping[str, str]
    clock_mhz: int
    has_bitstream: bool


def read(data: bytes, where: str) -> Xclbin:
    """Read the content of an ``.xclbin`` file.

    Raises:
        BundleError: it is none, it is cut off or damaged, or it names no kernels, part or clock.
    """
    if not data.startswith(_MAGIC) or len(data) < _SECTIONS_AT:
        raise BundleError(f"{where}: is no .xclbin file; expected the container that v++ writes; build it again")
    length, _, _, _, _, _, mode, _, _, platform, _, _, count = _HEADER.unpack_from(data, _HEADER_AT)
    if length != len(data) or not 1 <= count <= MAX_SECTIONS or _SECTIONS_AT + count * _SECTION.size > len(data):
        raise BundleError(f"{where}: got {len(data)} bytes, {count} sections; expected {length} bytes; it is damaged")
    sections = {}
    for index in range(count):
        kind, _, offset, size = _SECTION.unpack_from(data, _SECTIONS_AT + index * _SECTION.size)
        if offset + size > len(data):
            raise BundleError(f"{where}: section {index} leaves the file; expected it within; it is cut off")
        sections[kind] = data[offset : offset + size]
    part, instances = _kernels(sections.get(METADATA, b""), where)
    name = platform.rstrip(b"\0").decode("ascii", "replace")
    clock_mhz = _clock_mhz(sections.get(CLOCKS, b""), where)
    return Xclbin(name, part, instances, clock_mhz, mode not in _EMULATIONS and bool(sections.get(BITSTREAM)))


def _kernels(text: bytes, where: str) -> tuple[str, dict[str, str]]:
    """The part, and the kernels' names by instance."""
    if b"<!" in text.replace(b"<!--", b""):
        raise BundleError(f"{where}: has declarations; expected the plain XML that v++ writes; refuse it")
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise BundleError(f"{where}: its metadata is no XML ({error}); expected kernels; build it again") from error
    device = root.find("platform/device")
    # family:device:package:speed:grade, such as virtexuplusHBM:xcu50:fsvh2104:-2:e
    names = [] if device is None else device.get("fpgaDevice", "").split(":")
    if device is None or len(names) < 4:
        raise BundleError(f"{where}: names no part; expected platform/device with fpgaDevice; build it again")
    instances = {
        one.get("name", ""): kernel.get("name", "")
        for kernel in device.iterfind("core/kernel")
        for one in kernel.iterfind("instance")
    }
    return "-".join([names[1], names[2], *(part.strip("-") for part in names[3:])]), instances


def _clock_mhz(data: bytes, where: str) -> int:
    """The frequency of the clock that kernels run at."""
    count = int.from_bytes(data[:2], "little")
    if data and 2 + count * _CLOCK.size <= len(data):
        for index in range(count):
            mhz, kind, _ = _CLOCK.unpack_from(data, 2 + index * _CLOCK.size)
            if kind == _DATA_CLOCK and mhz > 0:
                return int(mhz)
    raise BundleError(f"{where}: names no kernel clock; expected one of type DATA; build it again")


def instance(build_id: str) -> str:
    """The name under which a build's kernel stands in its container: so a stale one is known without loading it."""
    return f"slimfab_{build_id}"


def check(data: bytes, platform: str, part: str, build_id: str, where: str) -> Xclbin:
    """Read a container that must be of one build.

    Raises:
        BundleError: it is none, of another platform, part or build, or holds no configuration.
    """
    found = read(data, where)
    if found.platform != platform:
        raise BundleError(f"{where} is for platform {found.platform}; expected {platform}; build it again")
    if not bitfile.same_part(found.part, part):
        raise BundleError(f"{where} is for part {found.part}; expected {part}; build it again")
    if list(found.instances) != [instance(build_id)]:
        raise BundleError(
            f"{where} is stale: got kernels {', '.join(found.instances) or 'none'}; expected {instance(build_id)}; "
            "it comes from another build, link it again"
        )
    if not found.has_bitstream:
        raise BundleError(f"{where}: holds no configuration; expected one of a card, no emulation; link it again")
    return found


def write(
    platform: str, part: str, instances: Mapping[str, str], clock_mhz: int, payload: bytes = b"\xff" * 64, mode: int = 0
) -> bytes:
    """An ``.xclbin`` file around a payload: what a stand-in for v++ makes."""
    device, package, *speed = part.split("-")
    kernels = "".join(
        f'<kernel name="{kernel}"><instance name="{instance}"/></kernel>' for instance, kernel in instances.items()
    )
    names = ":".join(["stand-in", device, package, f"-{speed[0]}", *speed[1:]])
    text = f'<project><platform><device fpgaDevice="{names}"><core>{kernels}</core></device></platform></project>'
    clocks = struct.pack("<H", 1) + _CLOCK.pack(clock_mhz, _DATA_CLOCK, b"DATA_CLK")
    sections = {BITSTREAM: payload, METADATA: text.encode(), CLOCKS: clocks}
    place = _SECTIONS_AT + len(sections) * _SECTION.size
    table, body = b"", b""
    for kind, content in sections.items():
        table += _SECTION.pack(kind, b"", place + len(body), len(content))
        body += content
    header = _HEADER.pack(place + len(body), 0, 0, 0, 0, 0, mode, 0, b"", platform.encode(), b"", b"", len(sections))
    return (_MAGIC.ljust(_HEADER_AT, b"\0") + header).ljust(_SECTIONS_AT, b"\0") + table + body
