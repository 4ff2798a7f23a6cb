# SPDX-License-Identifier: Apache-2.0
"""Runs at the edges of what executors and boards hold: sums beyond float32, a board that is too small."""

import pytest
from small_runs import Ears, go, result_of, small_recipe

from hwsim import device

pytestmark = pytest.mark.needs("torch", "brevitas", "qonnx", "hls4ml", "g++", "sklearn")


@pytest.mark.slow
def test_sums_beyond_float32_are_verified_exactly(tmp_path):
    wide = {"weight_width": 16, "activation_width": 16, "operand_width": 16}
    go(small_recipe(tmp_path, {"quantise": wide, "prune": None}), tmp_path / "run")
    verified = result_of(tmp_path / "run")["verify"]
    assert {name: one["mismatches"] for name, one in verified.items()} == {"qonnx": 0, "golden": 0, "csim": 0}
    assert "float32" in verified["qonnx"]["remark"]
    assert "float32" in (tmp_path / "run/report.html").read_text()


@pytest.mark.slow
def test_a_board_of_your_own_that_is_too_small(tmp_path):
    board = tmp_path / "tiny.yaml"
    shipped = (device.FOLDER / "pynq-z2.yaml").read_text()
    board.write_text(shipped.replace("value: 53200", "value: 5300"))
    recipe = small_recipe(tmp_path, {"hardware": {"board": "tiny.yaml"}, "prune": None, "verify": {"images": 10}})
    assert go(recipe, tmp_path / "run").summary("compare")["fits_board"] is False
    built = [one for one in result_of(tmp_path / "run")["estimates"] if one["target"] == f"fpga:{board}"]
    assert [one["fits"] for one in built] == [False, False, False]
    assert "but the design does not fit this board" in (tmp_path / "run/report.html").read_text()
    ears = Ears()
    board.write_text(shipped)
    device.load.cache_clear()
    assert go(recipe, tmp_path / "run", ears).summary("compare")["fits_board"] is True
    assert ears.executed[:1] == ["build hls4ml project"]
