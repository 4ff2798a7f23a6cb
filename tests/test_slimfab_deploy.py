# SPDX-License-Identifier: Apache-2.0
"""``slimfab deploy``: the emulated board says what the simulation says; what cannot be deployed is refused."""

import json
from pathlib import Path

import board_bundles as bundles
import numpy as np
import pytest
from board_runs import require_pynq, small_bundle, small_network
from command_line import slimfab

from boards import board
from boards.bundle import pack
from boards.deploy import Effort, driver_files
from boards.emulated.environment import RemoteBoard, remote
from boards.emulated.project import NAME
from boards.manifest import Manifest
from boards.measurement import Measurement
from hwsim import serial
from hwsim.errors import BoardError, InputError
from hwsim.network import save
from hwsim.targets import estimate
from slimfab.deploy import Deployed, Place, deploy_everywhere, places


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
    assert "C++: 0 of 100 integers differ; g++" in text
    assert "ONNX Runtime on" in text
    assert "not measured: not installed for" in text
    assert "the processor is this machine's, not the board's: no speed-up is stated" in text
    found = serial.from_json(Measurement, serial.read_json(output / "measurement.json"))
    assert (found.mismatches, len(found.latency_s), found.transport) == (0, 5, "emulated")


@pytest.mark.needs("g++", "verilator")
def test_a_board_of_the_users_own_is_emulated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    require_pynq()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    save(*small_network(), tmp_path / "net")
    mine = tmp_path / "mine.yaml"
    mine.write_text((board.FOLDER / "pynq-z2.yaml").read_text().replace("name: pynq-z2", "name: mine"))
    outcome = slimfab(
        "deploy", tmp_path / "net", "--emulate", "--board", mine, "--images", 2, "--output", tmp_path / "out"
    )
    assert outcome.code == 0, outcome.err
    assert "10 integers of 2 images equal the golden executor's" in " ".join(outcome.out.split())


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


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--emulate", "--host", "xilinx@pynq"), "--emulate: got a board's address, too; expected one of them"),
        (("--emulate", "--remote", "pynq"), "--emulate: got a board's address, too; expected one of them"),
        (("--emulate", "--measure", "--meter"), "--meter: expected a board with a supply to meter"),
        (("--meter",), "--meter: does nothing without --measure; add that, or leave it out"),
        (("--runs", "5"), "--runs: does nothing without --measure"),
        (("--board", "pynq-z2"), "--board: does nothing without --emulate"),  # even where it is the default
        (("-b", "kv260"), "--board: does nothing without --emulate"),
        (("--images", "5"), "--images: does nothing without --emulate"),
        (("--pynq", "3.1.2"), "--pynq: does nothing without --emulate"),
        (("--budget", "dsp=10"), "--budget: does nothing without --emulate"),
        (("--python", "python3", "--remote", "pynq"), "--python: does nothing without --host"),
    ],
)
def test_options_that_would_do_nothing_are_refused(options: tuple[str, ...], message: str, tmp_path: Path) -> None:
    outcome = slimfab("deploy", "x.zip", "--output", tmp_path / "out", *options)
    assert (outcome.code, message in outcome.err) == (2, True)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("u50", "u50: has no processor that pynq runs on; expected a Zynq board, such as pynq-z2"),
        ("cortex-a9", "unknown board 'cortex-a9'"),
    ],
)
def test_what_cannot_be_emulated_is_refused_before_anything_is_written(name: str, message: str, tmp_path: Path) -> None:
    require_pynq()
    save(*small_network(), tmp_path / "net")
    outcome = slimfab("deploy", tmp_path / "net", "--emulate", "--board", name, "--output", tmp_path / "out")
    assert (outcome.code, message in " ".join(outcome.err.split())) == (2, True)
    assert not (tmp_path / "out").exists()


@pytest.mark.needs("g++", "verilator")
def test_a_bundle_runs_where_it_is_sent(tmp_path: Path, rtl_cache: Path) -> None:
    require_pynq()
    small = small_bundle(tmp_path, rtl_cache)
    made, expected = small.folder, estimate(small.network, "fpga:pynq-z2/folded", 1, small.design)
    manifest = serial.from_json(Manifest, serial.read_json(made / "manifest.json"))
    files = {f"{NAME}.{end}": (made / f"{NAME}.{end}").read_bytes() for end in ("bit", "hwh")}
    golden = (np.load(made / "golden" / f"{end}.npy") for end in ("inputs", "outputs"))
    files["estimate.json"] = json.dumps(serial.to_json(expected)).encode()
    bundle = pack(manifest, {**files, **driver_files()}, *golden, tmp_path / "small.zip")
    with RemoteBoard(made) as served:
        here = Place("pynq-remote", lambda folder: remote(folder, "127.0.0.1", served.port))
        gone = Place("pynq-remote", lambda folder: remote(folder, "127.0.0.1", 9))
        there = {"a board": here, "no board": gone}
        good, bad = deploy_everywhere(bundle.path, tmp_path / "out", there, Effort(1, 3, 1, 0))
    assert (bad.where, bad.result, type(bad.error)) == ("no board", None, BoardError)
    assert (tmp_path / "out" / "a_board" / "measurement.json").exists()
    assert good.error is None
    found = good.result
    assert found is not None
    assert (found.images, found.integers, found.pynq) == (12, 60, "4.0.0")
    assert found.measurement is not None
    assert (found.measurement.transport, found.measurement.mismatches) == ("pynq-remote", 0)
    rows = {row.metric: row for row in found.comparison}
    assert rows["cycles"].estimated == expected.cycles
    assert rows["cycles"].ratio == pytest.approx(1, abs=0.02)  # the estimate knows no weights, some of which are zero
    assert found.measurement.processors[0].missing == "the bundle holds no C++; build it again"


def test_boards_have_names() -> None:
    assert [(name, place.transport) for name, place in places(["xilinx@pynq"], remotes=["other"]).items()] == [
        ("xilinx@pynq", "ssh"), ("other", "pynq-remote"),
    ]  # fmt: skip
    assert [place.transport for place in places().values()] == ["local"]
    with pytest.raises(InputError, match="deploy: got boards a, a; expected every board once; leave one out"):
        places(["a"], remotes=["a"])


def test_one_board_that_fails_is_one_verdict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def deployed(path: Path, folder: Path, where: Place, effort: Effort | None, say: object) -> Deployed:
        if "broken" in folder.name:
            raise BoardError("xilinx@broken: dma: nothing more came; run again", "DmaTimeout")
        return Deployed("pynq-z2", "3.0.1", 100.0, 3, 12, {})

    monkeypatch.setattr("slimfab.deploy.deploy_bundle", deployed)
    bundle = bundles.make(tmp_path / "doubler.zip")
    hosts = [word for name in ("one", "broken", "two") for word in ("--host", f"xilinx@{name}")]
    outcome = slimfab("deploy", bundle.path, *hosts, "--output", tmp_path / "out")
    assert outcome.code == 2
    assert "xilinx@broken: dma: nothing more came; run again" in outcome.out
    assert [line.split()[1:4] for line in outcome.out.splitlines() if line.lstrip().startswith("xilinx@")][:3] == [
        ["12", "all", "right"], ["–", "failed", "–"], ["12", "all", "right"],
    ]  # fmt: skip
    assert "deploy: 1 of 3 boards failed: xilinx@broken; see above" in outcome.err
