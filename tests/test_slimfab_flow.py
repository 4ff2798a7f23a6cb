# SPDX-License-Identifier: Apache-2.0
"""Stages run once, resume where they stopped, and redo only what a change touches."""

import errno
import fcntl
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from hwsim import serial
from hwsim.errors import OutputError
from slimfab.flow import Run, Silent, Stage, Summary, execute, file_hash
from slimfab.recipe import Recipe, parse_recipe


def recipe(**changes: object) -> Recipe:
    return parse_recipe({"name": "r", "model": {"source": "vgg_tiny"}, "dataset": {"name": "digits"}, **changes})


def chain(log: list[str], fail: str = "", error: Exception | None = None) -> tuple[Stage, ...]:
    """Three stages a → b → c that log their name; stage ``fail`` raises after it wrote half of its work."""

    def stage(name: str) -> Callable[[Run], Summary]:
        def body(run: Run) -> Summary:
            log.append(name)
            serial.atomic_write(run.folder(name) / "half.txt", name)
            if name == fail:
                raise error or KeyboardInterrupt
            return {"value": name}

        return body

    return (
        Stage("a", "first", stage("a"), lambda r: r.seed),
        Stage("b", "second", stage("b"), lambda r: r.verify.images, ("a",)),
        Stage("c", "third", stage("c"), lambda r: None, ("b",)),
    )


def go(root: Path, stages: tuple[Stage, ...], configured: Recipe | None = None, until: str | None = None) -> Run:
    run = Run(configured or recipe(), root, Silent(), stages)
    execute(run, until)
    return run


def test_stages_run_in_order_and_once(tmp_path: Path) -> None:
    log: list[str] = []
    run = go(tmp_path, chain(log))
    go(tmp_path, chain(log))
    assert log == ["a", "b", "c"]
    assert run.folder("b") == tmp_path / "02-b"
    assert run.summary("b") == {"value": "b"}


def test_a_killed_stage_runs_again_with_what_it_left(tmp_path: Path) -> None:
    log: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        go(tmp_path, chain(log, fail="b"))
    assert not (tmp_path / "02-b/done.json").exists()
    kept: list[bool] = []
    stages = list(chain(log))
    body = stages[1].run
    stages[1] = Stage(
        "b", "second", lambda r: kept.append((r.folder("b") / "half.txt").exists()) or body(r), stages[1].config, ("a",)
    )
    go(tmp_path, tuple(stages))
    assert log == ["a", "b", "b", "c"]
    assert kept == [True]


def test_a_change_redoes_what_depends_on_it_and_clears_old_files(tmp_path: Path) -> None:
    log: list[str] = []
    go(tmp_path, chain(log))
    (tmp_path / "02-b/stale.txt").touch()
    go(tmp_path, chain(log), recipe(verify={"images": 7}))
    assert log == ["a", "b", "c", "b", "c"]
    assert not (tmp_path / "02-b/stale.txt").exists()


def test_until_stops_after_that_stage(tmp_path: Path) -> None:
    log: list[str] = []
    go(tmp_path, chain(log), until="b")
    assert log == ["a", "b"]


def test_a_damaged_marker_means_not_done(tmp_path: Path) -> None:
    log: list[str] = []
    go(tmp_path, chain(log))
    (tmp_path / "02-b/done.json").write_text('{"key": ')
    go(tmp_path, chain(log))
    assert log == ["a", "b", "c", "b"]


def test_a_full_disk_names_stage_and_remedy_and_keeps_finished_stages(tmp_path: Path) -> None:
    log: list[str] = []
    full = OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(OutputError, match=r"02-b: stage 'b' cannot write \(No space left on device\); free some space"):
        go(tmp_path, chain(log, fail="b", error=full))
    assert (tmp_path / "01-a/done.json").exists()
    assert not (tmp_path / "02-b/done.json").exists()
    go(tmp_path, chain(log))
    assert log == ["a", "b", "b", "c"]


def test_an_unwritable_folder_is_one_clear_line(tmp_path: Path) -> None:
    blocker = tmp_path / "file"
    blocker.touch()
    with pytest.raises(OutputError, match=r"file/run: cannot write \(Not a directory\); choose another --output"):
        go(blocker / "run", chain([]))


def test_two_runs_in_one_folder_are_refused(tmp_path: Path) -> None:
    with (tmp_path / ".lock").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(OutputError, match="another run uses this folder"):
            go(tmp_path, chain([]))


def test_results_live_in_memory_only_once(tmp_path: Path) -> None:
    run = Run(recipe(), tmp_path, Silent(), chain([]))
    assert run.remember("x", lambda: [1]) is run.remember("x", lambda: [2])


def test_file_hash_follows_the_content(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text("one")
    first = file_hash(path)
    path.write_text("two")
    assert first != file_hash(path)
    assert file_hash(None) is None
    assert file_hash(tmp_path / "missing") is None


def test_progress_is_told_as_a_fraction(tmp_path: Path) -> None:
    heard: list[tuple[float, str]] = []

    class Ears(Silent):
        def advanced(self, fraction: float, text: str) -> None:
            heard.append((fraction, text))

    run = Run(recipe(), tmp_path, Ears(), ())
    run.progress("images")(5, 20)
    assert heard == [(0.25, "images")]


def test_markers_are_plain_json(tmp_path: Path) -> None:
    go(tmp_path, chain([]))
    assert set(json.loads((tmp_path / "01-a/done.json").read_text())) == {"key", "seconds", "summary"}
