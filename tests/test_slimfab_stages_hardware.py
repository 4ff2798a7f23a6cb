# SPDX-License-Identifier: Apache-2.0
"""Verification where the sums are wider than the arithmetic of one of the executors."""

import pytest
from small_runs import go, result_of, small_recipe

pytestmark = pytest.mark.needs("torch", "brevitas", "qonnx", "hls4ml", "g++", "sklearn")


@pytest.mark.slow
def test_sums_beyond_float32_are_verified_exactly(tmp_path):
    wide = {"weight_width": 16, "activation_width": 16, "operand_width": 16}
    go(small_recipe(tmp_path, {"quantise": wide, "prune": None}), tmp_path / "run")
    verified = result_of(tmp_path / "run")["verify"]
    assert {name: one["mismatches"] for name, one in verified.items()} == {"qonnx": 0, "golden": 0, "csim": 0}
    assert "float32" in verified["qonnx"]["remark"]
    assert "float32" in (tmp_path / "run/report.html").read_text()
