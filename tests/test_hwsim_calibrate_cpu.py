# SPDX-License-Identifier: Apache-2.0
"""A device whose prices are known is measured, calibrated and described; the file gives the prices back."""

import numpy as np
import pytest
import yaml

from hwsim import calibrate_cpu, device, priced
from hwsim.errors import DeviceError
from hwsim.kernel_fit import Measurements
from hwsim.kernel_terms import PRICES


def known():
    return yaml.safe_load((device.FOLDER / "cortex-a53.yaml").read_text(encoding="utf-8"))


def measured(factor, seed):
    generator = np.random.default_rng(seed)
    true = np.full(len(PRICES), 1e-3) * factor
    true[[PRICES.index("kernel"), PRICES.index("inference")]] = 0.002
    counts = generator.lognormal(sigma=2, size=(60, len(PRICES)))
    return Measurements(counts, counts @ true, np.array([f"net{i}" for i in range(60)])), true


@pytest.fixture
def calibrated():
    runs = {"int8": measured(1.0, 0)[0], "fp32": measured(3.0, 1)[0]}
    return calibrate_cpu.calibrate(runs, {})


def test_prices_of_both_types_are_found(calibrated):
    for dtype, factor in (("int8", 1.0), ("fp32", 3.0)):
        true = measured(factor, 0)[1]
        assert calibrated[dtype].prices == pytest.approx(true, rel=0.05)
        assert calibrated[dtype].error < 1.05


def test_starting_a_kernel_costs_the_same_in_every_type(calibrated):
    shared = [PRICES.index("kernel"), PRICES.index("inference")]
    assert calibrated["fp32"].prices[shared] == pytest.approx(calibrated["int8"].prices[shared])


def test_no_product_is_cheaper_than_one_of_a_large_matrix_product():
    runs, true = measured(1.0, 2)
    free = true.copy()
    free[PRICES.index("dense_weight")] = 0.0
    found = calibrate_cpu.calibrate({"int8": Measurements(runs.counts, runs.counts @ free, runs.network)}, {})
    price = dict(zip(PRICES, found["int8"].prices.tolist(), strict=True))
    assert price["dense_weight"] == price["mac"] > 0


def test_the_device_file_gives_the_prices_back(calibrated, tmp_path):
    widest = {"fp32": (2.0, "another runtime takes half as long")}
    content = calibrate_cpu.describe(known(), calibrated, "made up for a test", widest)
    path = tmp_path / "mine.yaml"
    path.write_text(calibrate_cpu.text_of(content, "made up"), encoding="utf-8")
    found = device.load(str(path))
    assert found.is_priced
    for dtype, one in calibrated.items():
        assert priced.prices_us(found, dtype) == pytest.approx(one.prices, rel=1e-3)
    assert found["error.fp32"] == 2.0
    assert "widened: another runtime takes half as long" in found.quantity("error.fp32").source
    assert found.quantity("cycles_per.int8.mac").source == "fitted to 60 runs: made up for a test"
    for line in path.read_text(encoding="utf-8").splitlines():
        assert ("value:" in line) == ("source:" in line), line


def test_a_device_file_without_a_price_is_refused(calibrated):
    content = calibrate_cpu.describe(known(), calibrated, "made up for a test", {})
    del content["numbers"]["cycles_per"]["int8"]["byte"]
    with pytest.raises(DeviceError, match="number 'cycles_per.int8.byte' is missing; a cpu needs"):
        calibrate_cpu.text_of(content, "made up")
