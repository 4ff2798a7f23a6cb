# SPDX-License-Identifier: Apache-2.0
"""Output folders that cannot be written and disks that fill up: one line, nothing half-written, a rerun completes."""

import errno
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from command_line import assert_nothing_half_written, refused, succeeds
from small_runs import FILE, Ears, finished_run, go, result_of, write_recipe

from hwsim.errors import OutputError
from slimfab.pipeline import STAGES
from slimfab.recipe import load_recipe

pytestmark = pytest.mark.needs("torch", "brevitas", "qonnx", "hls4ml", "g++", "sklearn")


# Output folders


def test_a_file_in_the_way_of_the_output_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    message = refused("run", write_recipe(tmp_path), "--output", tmp_path / "file")
    assert re.match(r"/.*/file: cannot write \(.*\); choose another --output", message)
    message = refused("run", write_recipe(tmp_path), "--output", tmp_path / "file/deeper")
    assert re.match(r"/.*/file/deeper: cannot write \(Not a directory\); choose another --output", message)
    assert (tmp_path / "file").read_bytes() == b""


def test_a_folder_that_may_not_be_written(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o500)
    if os.access(tmp_path / "closed", os.W_OK):
        pytest.skip("needs a user other than root, who may write anywhere")
    message = refused("run", write_recipe(tmp_path), "--output", tmp_path / "closed")
    assert re.match(r"/.*/closed: cannot write \(Permission denied\); choose another --output", message)


def test_other_files_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    message = refused("compare", "jet_mlp", "--json", tmp_path / "file/x.json")
    assert re.match(r"/.*x\.json: cannot write \(.*\); choose a writable folder", message)
    message = refused("init", tmp_path / "file/r.yaml")
    assert re.match(r"/.*r\.yaml: cannot write \(.*\); choose a writable folder", message)


# Full disks


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_a_disk_that_fills_up_in_a_stage(stage: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every write of one stage fails as on a full disk; finished stages stay, and a rerun completes the run."""
    root, run = finished_run(), tmp_path / "run"
    shutil.copytree(root, run)
    folder = run / f"{STAGES.index(stage) + 1:02d}-{stage.name}"
    (folder / "done.json").unlink()
    for later in ("result.json", "report.html"):
        (run / later).unlink()
    real, full = os.fsync, False

    def fill(event: str) -> None:
        nonlocal full
        full = full or event == stage.title

    def fsync(handle: int) -> None:
        if full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    recipe = load_recipe(root.parent / FILE)
    with pytest.raises(OutputError, match=r"^/.*: cannot write \(No space left on device\); choose a writable folder"):
        go(recipe, run, Ears(fill))
    full = False
    assert not (folder / "done.json").exists()
    assert not (run / "result.json").exists()
    assert {path.name for path in run.rglob(".*")} == {".lock"}
    go(recipe, run)
    assert result_of(run) == result_of(root)


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 200 KiB of its own."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(disk)]
    if os.geteuid() != 0 or shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("needs mount, as root")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_disk_that_is_really_full(tiny_disk: Path, tmp_path: Path) -> None:
    recipe, run = write_recipe(tmp_path), tiny_disk / "run"
    message = refused("run", recipe, "--output", run)
    assert re.match(r"small: cannot write the hls4ml project \(No space left on device\); free ", message)
    assert_nothing_half_written(run)
    assert (run / "06-export/done.json").exists()
    subprocess.run(["mount", "-o", "remount,size=100m", str(tiny_disk)], check=True)
    succeeds("run", recipe, "--output", run)
    assert result_of(run)["verify"] == result_of(finished_run())["verify"]
