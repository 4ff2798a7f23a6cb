# SPDX-License-Identifier: Apache-2.0
"""Measured energy beside the estimate: on a machine with a counter, and one clear line on one without."""

from itertools import count
from pathlib import Path

import pytest
from command_line import succeeds

from hwsim import meters
from hwsim.errors import InputError
from hwsim.meters import Meter
from slimfab import measured
from slimfab.console import reading_text
from slimfab.measured import measure_model
from slimfab.models import Model, load_model

pytestmark = pytest.mark.needs("torch")


def counting(*names: str) -> tuple[list[Meter], list[str]]:
    """Meters that gain a joule per reading."""
    turns = {name: count(0.0, 1e6) for name in names}
    return [Meter(name, "package", lambda name=name: next(turns[name])) for name in names], ["no other meter"]


def test_every_inference_of_a_batch_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measured, "find_meters", lambda: counting("rapl:package-0"))
    (found,), missing = measure_model(load_model("jet_mlp"), batch=4, seconds=1e-9)
    assert (found.meter, found.runs, found.energy_uj) == ("rapl:package-0", 4, 1e6 / 4)
    assert "torch, float, on " in found.what
    assert missing == ["no other meter"]
    assert reading_text(found).startswith("measured by rapl:package-0: 250 mJ per inference, ")


def test_a_machine_without_meters_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pynvml", None)
    monkeypatch.setattr(measured, "find_meters", lambda: meters.find_meters(tmp_path))
    text = succeeds("compare", "jet_mlp", "-t", "cpu:cortex-a9", "--measure")
    assert f"no RAPL meter: {tmp_path} has no intel-rapl zone; virtual machines and most Arm boards lack it\n" in text
    assert "no NVML meter: nvidia-ml-py is not installed; pip install 'slimfab[power]'\n" in text


def test_a_file_has_nothing_to_run() -> None:
    loaded = load_model("jet_mlp")
    with pytest.raises(InputError, match="jet_mlp: got no torch module; expected one to run; measure a zoo name"):
        measure_model(Model(loaded.name, loaded.network, loaded.weights))
