# SPDX-License-Identifier: Apache-2.0
import os

import pytest

from hwsim import host

X86 = """processor\t: 0
model name\t: Some CPU
cpu MHz\t\t: 2400.0
flags\t\t: fpu avx avx2 fma

processor\t: 1
cpu MHz\t\t: 3100.5
"""
ARM = "processor\t: 0\nFeatures\t: fp asimd asimddp\n"


@pytest.fixture
def machine(tmp_path, monkeypatch):
    def make(cpuinfo, caches=()):
        (tmp_path / "cpuinfo").write_text(cpuinfo)
        for index, size in enumerate(caches):
            (tmp_path / f"index{index}").mkdir()
            (tmp_path / f"index{index}" / "size").write_text(size + "\n")
        monkeypatch.setattr(host, "CPUINFO", tmp_path / "cpuinfo")
        monkeypatch.setattr(host, "CACHES", tmp_path)
        return host.detect()

    return make


def test_an_x86_machine_is_described_by_its_flags_fastest_clock_and_largest_cache(machine):
    found = machine(X86, ("32K", "1024K", "16M"))
    assert found.title == "Some CPU"
    assert found["clock_mhz"] == 3100.5
    assert (found["macs_per_cycle.fp32"], found["macs_per_cycle.int8"]) == (16, 16)
    assert found["cache_kib"] == 16 * 1024
    assert found["cores"] == len(os.sched_getaffinity(0))
    assert "detected avx2" in found.quantity("macs_per_cycle.fp32").source


def test_an_arm_machine_has_no_clock_in_cpuinfo_and_gets_the_assumed_one(machine):
    found = machine(ARM)
    assert found["clock_mhz"] == host.FALLBACK_MHZ
    assert found["cache_kib"] == host.FALLBACK_CACHE_KIB
    assert found["macs_per_cycle.int8"] == 32


def test_an_unknown_processor_is_scalar_and_the_bar_stays_wide(machine):
    found = machine("")
    assert found["macs_per_cycle.fp32"] == 1
    assert found["error.fp32"] >= 3


def test_a_machine_without_proc_is_described_by_assumptions(tmp_path, monkeypatch):
    monkeypatch.setattr(host, "CPUINFO", tmp_path / "none")
    monkeypatch.setattr(host, "CACHES", tmp_path / "none")
    assert host.detect()["clock_mhz"] == host.FALLBACK_MHZ


def test_a_clock_that_is_no_number_is_assumed(machine):
    assert machine("cpu MHz\t: unknown\n")["clock_mhz"] == host.FALLBACK_MHZ
