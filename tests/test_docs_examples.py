# SPDX-License-Identifier: Apache-2.0
"""The worked examples: every command prints what the page shows, and what the text claims holds.

``python tests/test_docs_examples.py`` writes the outputs into the page again.
"""

import json
import re
import sys
import tempfile
from functools import cache
from pathlib import Path

import pytest
from command_line import succeeds

PAGE = Path(__file__).resolve().parents[1] / "docs" / "examples.md"
BLOCK = re.compile(r"```console\n\$ slimfab ([^\n]*)\n(.*?)```", re.DOTALL)
REFRESH = "run: python tests/test_docs_examples.py"

pytestmark = pytest.mark.needs("torch")


def blocks() -> list[tuple[str, str]]:
    """Every command of the page with the output below it."""
    return BLOCK.findall(PAGE.read_text(encoding="utf-8"))


@cache
def answer(command: str) -> tuple[str, dict[str, dict[str, float]]]:
    """What a command prints, without blanks at the ends of lines; latency and energy by target."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "out.json"
        lines = [line.rstrip() for line in succeeds(*command.split(), "--json", file).splitlines()]
        found = json.loads(file.read_text())
    values = {one["target"]: {name: one[name]["value"] for name in ("latency_us", "energy_uj")} for one in found}
    return "\n".join(line for line in lines if line) + "\n", values


def test_there_are_examples() -> None:
    assert len(blocks()) == 5


@pytest.mark.parametrize(("command", "output"), blocks(), ids=[command for command, _ in blocks()])
def test_commands_print_what_the_page_shows(command: str, output: str) -> None:
    assert output == answer(command)[0], REFRESH


def test_pruning_pays_on_the_fpga_and_not_on_the_gpu() -> None:
    whole, half = (answer(command)[1] for command, _ in blocks()[:2])
    gain = {target: whole[target]["latency_us"] / half[target]["latency_us"] for target in whole}
    assert max(gain["gpu:jetson-orin"], gain["gpu:a100"]) < 1.1
    assert min(gain["fpga:pynq-z2"], gain["fpga:zcu104"]) > 1.7
    assert gain["fpga:pynq-z2"] > 3


def test_four_bits_pay_on_the_fpga_alone() -> None:
    eight, four = (answer(command)[1] for command, _ in blocks()[2:4])
    for target in ("cpu:cortex-a72", "gpu:jetson-orin", "npu:gemmini"):
        assert four[target]["latency_us"] == eight[target]["latency_us"]
        assert four[target]["energy_uj"] == eight[target]["energy_uj"]
    for target, factor in (("fpga:pynq-z2", 3), ("fpga:pynq-z2/folded", 1.5)):
        assert four[target]["latency_us"] < eight[target]["latency_us"] / factor
        assert four[target]["energy_uj"] < eight[target]["energy_uj"] / factor


def test_the_cpu_wins() -> None:
    command, output = blocks()[4]
    found = answer(command)[1]
    cpu, board = found["cpu:cortex-a72"], found["fpga:zcu102/folded"]
    assert cpu["latency_us"] < board["latency_us"] / 4
    assert cpu["energy_uj"] < board["energy_uj"] / 4
    for question in ("latency", "throughput", "energy per inference"):
        assert f"\n{question}: cpu:cortex-a72 wins, " in output
    assert output.count("does not fit") >= 3


def refresh() -> None:
    """Write the outputs into the page again."""
    text = PAGE.read_text(encoding="utf-8")
    new = BLOCK.sub(lambda found: f"```console\n$ slimfab {found[1]}\n{answer(found[1])[0]}```", text)
    PAGE.write_text(new, encoding="utf-8")


if __name__ == "__main__":
    sys.path.insert(0, str(PAGE.parents[1]))
    refresh()
