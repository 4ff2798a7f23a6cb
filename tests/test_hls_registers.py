# SPDX-License-Identifier: Apache-2.0
"""``python tests/test_hls_registers.py`` writes the map into hardware and documentation again."""

from pathlib import Path

from hls.registers import BY_NAME, ID, REGISTERS, localparams, table
from hls.templates import RTL

CONTROL = RTL / "control.sv"
PAGE = Path(__file__).parents[1] / "docs" / "registers.md"
MARKS = {
    CONTROL: ("  // ---- register map, written by hls/registers.py\n", "  // ---- end of register map\n"),
    PAGE: ("<!-- written by hls/registers.py -->\n", "<!-- end -->\n"),
}


def parts(file: Path) -> tuple[str, str, str]:
    """What stands before, between and after the marks."""
    begin, end = MARKS[file]
    before, rest = file.read_text().split(begin)
    inside, after = rest.split(end)
    return before + begin, inside, end + after


def test_hardware_and_documentation_hold_the_map() -> None:
    assert parts(CONTROL)[1] == localparams()
    assert parts(PAGE)[1] == table()


def test_every_register_has_a_word_and_every_bit_a_place_of_its_own() -> None:
    offsets = [register.offset for register in REGISTERS]
    assert offsets == sorted({4 * (offset // 4) for offset in offsets})
    assert len(BY_NAME) == len(REGISTERS)
    for register in REGISTERS:
        places = [bit.place for bit in register.bits]
        assert places == sorted(set(places))
        assert all(0 <= place < 32 for place in places)
        assert register.access in ("read-only", "read-write")


def test_the_id_spells_its_letters() -> None:
    assert ID.to_bytes(4, "big") == b"SLIM"


if __name__ == "__main__":
    for file, text in ((CONTROL, localparams()), (PAGE, table())):
        before, _, after = parts(file)
        file.write_text(before + text + after)
