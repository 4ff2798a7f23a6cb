# SPDX-License-Identifier: Apache-2.0
"""The page of operators says what the registries say."""

import re
from pathlib import Path

PAGE = Path(__file__).resolve().parents[1] / "docs" / "operators.md"
PATHS = ("estimate", "integers", "hls4ml", "SystemVerilog", "C++")


def rows() -> dict[str, tuple[set[str], str]]:
    """By operator, the columns that say yes, and the last one."""
    found = re.findall(r"^\| `(\w+)` \|(.*)\| (.*) ?\|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    return {
        name: ({path for path, cell in zip(PATHS, cells.split("|"), strict=True) if cell.strip() == "yes"}, limits)
        for name, cells, limits in found
    }


def test_every_operator_goes_where_the_page_says() -> None:
    from boards.cpu.calls import RULES
    from hls.layers import LOWERINGS as EMITTED
    from hls.lowering import LOWERINGS as PROJECTED
    from hwsim.ops import OPAQUE, OPS

    tables = {
        "estimate": set(OPS) - {OPAQUE},
        "integers": {name for name, op in OPS.items() if op.exact},
        "hls4ml": set(PROJECTED),
        "SystemVerilog": set(EMITTED),
        "C++": set(RULES),
    }
    expected = {
        name: {path for path in PATHS if name in tables[path]} for name in OPS if name not in ("input", "output")
    }
    assert {name: paths for name, (paths, _) in rows().items()} == expected


def test_what_becomes_a_table_is_said() -> None:
    from hwsim.tabulate import FUNCTIONS, MAX_TABLE_BITS

    said = f"a quantised file has it as `lookup`, up to {MAX_TABLE_BITS} bits"
    tables = {name for name, (_, limits) in rows().items() if limits.strip() == said}
    assert tables == set(FUNCTIONS)


def test_the_largest_table_is_as_the_page_says() -> None:
    from hls.from_hls4ml_activations import MAX_TABLE_BITS

    assert f"of more than {MAX_TABLE_BITS} input bits" in PAGE.read_text(encoding="utf-8")
