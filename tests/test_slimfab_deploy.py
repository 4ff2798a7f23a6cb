# SPDX-License-Identifier: Apache-2.0
"""``slimfab deploy``: the emulated board says what the simulation says; what cannot be deployed is refused."""

from pathlib import Path

import pytest
from board_runs import require_pynq, small_network
from command_line import slimfab

from boards.measurement import Measurement
from hwsim import serial
from hwsim.network import save


@pytest.mark.needs("g++", "verilator")
def test_a_network_runs_on_the_emulated_board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    require_pynq()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    network, weights = small_network()
    save(network, weights, tmp_path / "net")
    output = tmp_path / "out"
    asked = ("--images", 20, "--measure", "--runs", 5, "--output", output)
    outcome = slimfab("deploy", tmp_path / "net", "--emulate", *asked)
    text = " ".join(outcome.out.split())
    assert outcome.code == 0, outcome.err
    assert "pynq-z2 (emulated), pynq 4.0.0" in text
    assert "100 integers of 20 images equal the golden executor's" in text
    assert "as the simulation counts them" in text
    assert "power: not measurable on this board" in text
    found = serial.from_json(Measurement, serial.read_json(output / "measurement.json"))
    assert (found.mismatches, len(found.latency_s), found.transport) == (0, 5, "emulated")


def test_what_is_no_bundle_is_refused(tmp_path: Path) -> None:
    outcome = slimfab("deploy", "resnet8", "--output", tmp_path)
    text = " ".join(outcome.err.split())
    assert outcome.code == 2
    assert "resnet8: is no bundle; expected a .zip; make one with 'slimfab build', or add --emulate" in text
    file = tmp_path / "x.zip"
    file.write_bytes(b"no zip file")
    outcome = slimfab("deploy", file, "--output", tmp_path / "out")
    assert (outcome.code, "x.zip" in outcome.err) == (2, True)
    assert not (tmp_path / "out").exists()
