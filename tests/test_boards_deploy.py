# SPDX-License-Identifier: Apache-2.0
"""Sessions over every transport give the same answers, and what hinders one is said in one line."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from board_runs import Bundle, random_images, require_pynq, small_bundle

from boards import deploy, transports
from boards.emulated.environment import ROOT, EmulatedSession, RemoteBoard, find_pynq, remote
from boards.session import Session
from hls.emit import load_manifest
from hwsim import reference
from hwsim.errors import BoardError, InputError, ToolMissing, UnknownNameError

#: An ssh that runs the command here, by a shell as the other side would.
SSH = '#!/bin/sh\nwhile [ "$1" != board ]; do shift; done\nshift\ncd "$FAR" && exec sh -c "$*"\n'
#: A board's Python: the emulated board's worker in the folder that was copied.
PYTHON = "#!/bin/sh\nPYTHONPATH={root} exec {python} -m boards.emulated.worker .\n"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory, rtl_cache: Path) -> Bundle:
    require_pynq()
    return small_bundle(tmp_path_factory.mktemp("board"), rtl_cache)


def program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.mark.needs("g++", "verilator")
def test_a_board_behind_ssh_answers_like_any_other(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    far = tmp_path / "far"
    far.mkdir()
    program(tmp_path / "bin" / "ssh", SSH)
    python = program(tmp_path / "python", PYTHON.format(root=ROOT, python=find_pynq()[0]))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("FAR", str(far))
    images = random_images(bundle.network, 9, 1)
    host = transports.Host("board", str(python), root="a place's bundles", become_root=False)
    with transports.ssh(bundle.folder, host) as session:
        np.testing.assert_array_equal(session.run(images), reference.execute(bundle.network, bundle.weights, images))
    assert (far / "a place's bundles" / "bundle" / "golden" / "inputs.npy").exists()


@pytest.mark.needs("g++", "verilator")
def test_a_measurement_has_golden_integers_and_the_logics_time(bundle: Bundle) -> None:
    images = random_images(bundle.network, 8, 2)
    expected = reference.execute(bundle.network, bundle.weights, images)
    with EmulatedSession(bundle.folder) as session:
        found = deploy.measure(session, bundle.folder, images, expected, "emulated", deploy.Effort(1, 20, 2, 0))
    assert (found.mismatches, found.integers, found.images) == (0, 40, 8)
    assert (found.board, found.clock_mhz, found.power) == ("pynq-z2", 100.0, ())
    assert len(found.latency_s) == 20
    assert [size for size, _ in found.transfers] == [1, 1, 2, 2, 4, 4, 8, 8]
    # One image takes its cycles, those of the DMA engine, and accesses to registers; every further one an interval.
    cycles = found.percentile_us(50) * found.clock_mhz
    assert 0 < cycles - found.cycles - 44 - 39 < 400
    interval = found.counters["interval"]
    assert interval == load_manifest(bundle.emitted).interval
    assert found.fit_us[1] * found.clock_mhz == pytest.approx(interval, rel=0.1)
    compiled, onnx = found.processors
    assert onnx.missing == "the bundle holds no ONNX file; build it again"
    assert (compiled.runtime, compiled.mismatches, compiled.integers, len(compiled.latency_s)) == ("C++", 0, 40, 20)
    assert found.speed_up(compiled) is None  # two machines are not compared


@pytest.mark.needs("g++", "verilator")
def test_a_board_behind_pynq_remote_answers_like_any_other(bundle: Bundle) -> None:
    images = random_images(bundle.network, 9, 3)
    with RemoteBoard(bundle.folder) as board, remote(bundle.folder, "127.0.0.1", board.port) as session:
        np.testing.assert_array_equal(session.run(images), reference.execute(bundle.network, bundle.weights, images))
        assert session.counters()["frames_out"] == 2 * 12 + 9  # the golden vectors, twice
        board.close()
        with pytest.raises(BoardError, match=r"127\.0\.0\.1: board: no longer answers") as caught:
            session.run(images)
    assert caught.value.kind == "ConnectionLost"


#: A notebook's cells on the emulated board, in the folder of the bundle.
NOTEBOOK = """\
from pynq import Device
from boards.emulated.device import EmulatedDevice
Device.active_device = EmulatedDevice(".")
{cells}
assert (outputs == expected).all()
assert counters["frames_out"] > 0
"""


@pytest.mark.needs("g++", "verilator")
def test_the_notebook_runs_through_pynq(bundle: Bundle, tmp_path: Path) -> None:
    notebook = json.loads((ROOT / "boards" / "notebooks" / "start.ipynb").read_text(encoding="utf-8"))
    code = "\n".join("".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code")
    script = tmp_path / "cells.py"
    script.write_text(NOTEBOOK.format(cells=code.replace("range(100)", "range(2)")))
    environment = {**os.environ, "PYTHONPATH": f"{bundle.folder}:{ROOT}", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [str(find_pynq()[0]), str(script)],
        cwd=bundle.folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def fails(session: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path / "bin" / "ssh", f"#!/bin/sh\necho '{session}' >&2\nexit 255\n")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("Host key verification failed.", "board: host key verification failed: its host key is unknown or has chang"),
        ("x@board: Permission denied (publickey).", "board: permission denied: no key is accepted; copy yours: ssh-c"),
        ("ssh: connect to host board port 22: Connection refused", "board: connection refused: nothing listens there"),
        ("something else", "board: something else"),
    ],
)
def test_a_refusal_is_explained(words: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fails(words, tmp_path, monkeypatch)
    with pytest.raises(BoardError, match=message) as caught:
        transports.ssh(tmp_path, transports.Host("board"))
    assert caught.value.kind == "ConnectionLost"


def test_without_ssh_nothing_is_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolMissing, match="ssh is not installed"):
        transports.ssh(tmp_path, transports.Host("board"))
    with pytest.raises(InputError, match="ssh: got host '-oProxyCommand=x'; expected a name such as"):
        transports.Host("-oProxyCommand=x")


def test_without_pynq_the_remedy_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLIMFAB_PYNQ", str(tmp_path))
    with pytest.raises(ToolMissing, match=r"pynq 4\.0\.0 is not installed in .*; the emulated board needs it; make"):
        find_pynq()
    with pytest.raises(UnknownNameError, match=r"pynq: got version 2\.7; expected one of 4\.0\.0, 3\.1\.2, 3\.0\.1"):
        find_pynq("2.7")


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("raise SystemExit('no pynq here')", r"somewhere: connection lost \(no pynq here\); start it again"),
        ("print('hello', flush=True)", "somewhere: connection lost"),
        ("import time; time.sleep(60)", "somewhere: connection lost"),
    ],
)
def test_a_worker_that_does_not_answer_is_lost(code: str, message: str) -> None:
    with pytest.raises(BoardError, match=message) as caught:
        Session([sys.executable, "-c", code], "somewhere", start_s=2.0)
    assert caught.value.kind == "ConnectionLost"
    with pytest.raises(BoardError, match=r"somewhere: cannot start /nonexistent \(No such file or directory\)"):
        Session(["/nonexistent"], "somewhere")


def test_an_effort_must_be_one() -> None:
    with pytest.raises(InputError, match="measure: got 0 runs, 20 repeats, 10 warm-up runs and windows of 10 s"):
        deploy.Effort(runs=0)
