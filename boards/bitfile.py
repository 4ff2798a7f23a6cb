# SPDX-License-Identifier: Apache-2.0
"""The header of a ``.bit`` file: which design, for which part, written by which tool, and whose it is.

Nine bytes of preamble, then fields of a letter, a length and a value: ``a`` design with ``UserID`` and ``Version``,
``b`` part, ``c`` date, ``d`` time, ``e`` the configuration itself (the layout that pynq's own reader expects in
``pynq/pl_server/embedded_device.py``). ``UserID`` is what ``BITSTREAM.CONFIG.USERID`` was when the file was written:
a build puts its own identity there, so that a bitstream of another build is known without loading it.
"""

import re
import struct
from dataclasses import dataclass

from hwsim.errors import BundleError

_PREAMBLE = bytes.fromhex("00090ff00ff00ff00ff0000001")
_DEFAULT_USER_ID = 0xFFFF_FFFF  # Vivado's, where none was set


@dataclass(frozen=True)
class Header:
    """What a bitstream says of itself; ``part`` as the tool writes it: ``7z020clg400``, ``xczu7ev-ffvc1156-2-e``."""

    design: str
    part: str
    user_id: int
    version: str
    date: str
    payload_bytes: int


def read(data: bytes, where: str) -> Header:
    """The header at the start of ``data``.

    Raises:
        BundleError: it is no bitstream, or is cut off.
    """
    if not data.startswith(_PREAMBLE):
        raise BundleError(f"{where}: is no .bit file; expected the header that Vivado writes; build it again")
    fields, place = {}, len(_PREAMBLE)
    for letter in "abcd":
        size = int.from_bytes(data[place + 1 : place + 3], "big")
        value = data[place + 3 : place + 3 + size]
        if data[place : place + 1] != letter.encode() or len(value) != size:
            raise BundleError(f"{where}: field {letter} of the .bit header is damaged; build the bitstream again")
        fields[letter] = value.rstrip(b"\0").decode("ascii", "replace")
        place += 3 + size
    size = int.from_bytes(data[place + 1 : place + 5], "big")
    if data[place : place + 1] != b"e" or len(data) - place - 5 != size:
        raise BundleError(f"{where}: got {len(data) - place - 5} bytes of payload; expected {size}; it is cut off")
    design, *settings = fields["a"].split(";")
    named = dict(setting.partition("=")[::2] for setting in settings)
    user_id = named.get("UserID", "")
    return Header(
        design,
        fields["b"],
        int(user_id, 16) if re.fullmatch(r"0[xX][0-9a-fA-F]{1,8}", user_id) else _DEFAULT_USER_ID,
        named.get("Version", ""),
        f"{fields['c']} {fields['d']}",
        size,
    )


def write(design: str, part: str, user_id: int, version: str, payload: bytes = b"\xff" * 64) -> bytes:
    """A ``.bit`` file around a payload: what an emulated board is given in place of a configuration."""
    title = f"{design};UserID=0X{user_id:08X};Version={version}"
    data = _PREAMBLE
    for letter, value in zip("abcd", (title, part, "1980/01/01", "00:00:00"), strict=True):
        text = value.encode("ascii") + b"\0"
        data += letter.encode() + struct.pack(">H", len(text)) + text
    return data + b"e" + struct.pack(">I", len(payload)) + payload


def same_part(found: str, part: str) -> bool:
    """Whether a part as a tool shortens it (``7z020clg400``) is ``part`` (``xc7z020clg400-1``)."""
    return len(_bare(found)) >= len("7z020") and _bare(part).startswith(_bare(found))


def _bare(part: str) -> str:
    return re.sub(r"[^a-z0-9]", "", part.lower().removeprefix("xc"))
