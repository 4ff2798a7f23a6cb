# SPDX-License-Identifier: Apache-2.0
"""Compiling projects: with fake compilers in milliseconds, and once with the real one."""

from pathlib import Path

import numpy as np
import pytest
from hls_networks import Builder, corner_images

from hls import compile as hls_compile
from hls import csim
from hls.compile import FAST, QUICK, compile_project, default_cache
from hls.lowering import lower
from hls.project import Project, write_project
from hwsim.errors import OutputError, ToolFailed, ToolMissing
from hwsim.fixed import FixedPoint

S8 = FixedPoint(8, 4, True, "RND_CONV", "SAT")


def fake_project(folder: Path) -> Project:
    """The files that compiling looks at, without hls4ml."""
    b = Builder((4,), S8)
    lowered = lower(*b.build(b.add("relu", "x", FixedPoint(8, 4, False))))
    types = folder / "firmware" / "ap_types" / "etc"
    (folder / "firmware" / "weights").mkdir(parents=True)
    types.mkdir(parents=True)
    (types / "ap_private.h").write_text("INLINE void clearUnusedBits(void) volatile {}\n")
    (folder / "firmware" / "weights" / "w2.txt").write_text("0.5")
    (folder / "firmware" / "net.cpp").write_text("// net\n")
    (folder / "net_bridge.cpp").write_text("// bridge\n")
    return Project(folder, lowered)


@pytest.fixture
def fake_compiler(tmp_path, monkeypatch):
    """Puts a shell script called g++ on PATH; returns a function that sets what it does after its version."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    hls_compile._version.cache_clear()

    def becomes(body: str) -> Path:
        calls = folder / "calls"
        script = f'#!/bin/sh\nif [ "$1" = --version ]; then echo "g++ 1.0"; exit 0; fi\necho "$@" >> {calls}\n{body}\n'
        (folder / "g++").write_text(script)
        (folder / "g++").chmod(0o755)
        return calls

    yield becomes
    hls_compile._version.cache_clear()


WRITES_OUTPUT = 'for argument; do last="$argument"; done; echo compiled > "$last"'


def test_the_same_sources_are_compiled_once(tmp_path, fake_compiler):
    calls = fake_compiler(WRITES_OUTPUT)
    project = fake_project(tmp_path / "project")
    library = compile_project(project, tmp_path / "cache")
    assert library.path.read_text() == "compiled\n"
    assert (library.folder / "weights" / "w2.txt").read_text() == "0.5"
    assert compile_project(project, tmp_path / "cache").folder == library.folder
    assert len(calls.read_text().splitlines()) == 1


@pytest.mark.parametrize("changed", ["firmware/net.cpp", "net_bridge.cpp", "firmware/weights/w2.txt"])
def test_other_sources_or_weights_are_compiled_anew(changed, tmp_path, fake_compiler):
    calls = fake_compiler(WRITES_OUTPUT)
    project = fake_project(tmp_path / "project")
    compile_project(project, tmp_path / "cache")
    with (project.folder / changed).open("a") as file:
        file.write("1")
    compile_project(project, tmp_path / "cache")
    assert len(calls.read_text().splitlines()) == 2


def test_other_options_are_another_library(tmp_path, fake_compiler):
    calls = fake_compiler(WRITES_OUTPUT)
    project = fake_project(tmp_path / "project")
    folders = {compile_project(project, tmp_path / "cache", options).folder for options in (FAST, QUICK)}
    assert len(folders) == 2
    first, second = calls.read_text().splitlines()
    assert first.startswith("-O3 -march=native")
    assert second.startswith("-O1")


def test_megabytes_of_generated_code_are_not_optimised_for_minutes(tmp_path, fake_compiler):
    calls = fake_compiler(WRITES_OUTPUT)
    project = fake_project(tmp_path / "project")
    (project.folder / "firmware" / "nnet_utils").mkdir()
    (project.folder / "firmware" / "nnet_utils" / "nnet_code_gen.h").write_text("/" * 1_000_001)
    compile_project(project, tmp_path / "cache")
    assert calls.read_text().startswith("-O1 ")


FAILURES = [
    (
        "error: 'DenseResource_rf_gt_nin' is not a member of 'nnet'",
        "hls4ml 1.3.0 lacks this reuse factor; choose a legal one (hls.legality)",
    ),
    ("fatal error: error writing to /tmp/cc.s: No space left on device", "the disk is full; free some space"),
    ("g++: fatal error: Killed signal terminated program cc1plus", "not enough memory for g++; close other programs"),
    ("net.cpp:3: error: something else", "see the log"),
]


@pytest.mark.parametrize(("line", "cause"), FAILURES)
def test_a_failed_compilation_says_why_and_keeps_its_log(line, cause, tmp_path, fake_compiler):
    fake_compiler(f'echo "In file included from x" >&2; echo "{line}" >&2; exit 1')
    project = fake_project(tmp_path / "project")
    with pytest.raises(ToolFailed) as error:
        compile_project(project, tmp_path / "cache")
    log = project.folder / "csim_compile.log"
    assert str(error.value) == f"net: g++ failed on the generated C++ ({line}); {cause}; log: {log}"
    assert line in log.read_text()
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_failure_without_words_gives_the_exit_code(tmp_path, fake_compiler):
    fake_compiler("exit 3")
    with pytest.raises(ToolFailed, match=r"g\+\+ failed on the generated C\+\+ \(exit code 3\); see the log"):
        compile_project(fake_project(tmp_path / "project"), tmp_path / "cache")


def test_a_missing_compiler_is_named_with_the_remedy(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolMissing, match=r"g\+\+ is not installed; .* apt-get install g\+\+"):
        compile_project(fake_project(tmp_path / "project"), tmp_path / "cache")


def test_a_cache_that_cannot_be_written_is_refused(tmp_path, fake_compiler):
    fake_compiler(WRITES_OUTPUT)
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(OutputError, match="cannot write .*; choose a writable cache folder"):
        compile_project(fake_project(tmp_path / "project"), tmp_path / "cache")


def test_a_library_published_meanwhile_by_another_process_is_taken(tmp_path, fake_compiler):
    project = fake_project(tmp_path / "project")
    fake_compiler(WRITES_OUTPUT)
    first = compile_project(project, tmp_path / "first")
    rival = tmp_path / "cache" / first.folder.name
    fake_compiler(f"{WRITES_OUTPUT}; mkdir -p {rival}; echo theirs > {rival}/csim.so")
    assert compile_project(project, tmp_path / "cache").path.read_text() == "theirs\n"


def test_the_cache_follows_xdg(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache() == tmp_path / "slimfab" / "csim"


@pytest.mark.slow
@pytest.mark.needs("g++", "hls4ml")
def test_the_faster_types_compute_what_amds_own_do(tmp_path, monkeypatch):
    b = Builder((2, 5, 5), S8)
    t = b.conv("x", 3, (3, 3), FixedPoint(7, 3, True, "RND_ZERO", "SAT_SYM"), FixedPoint(5, 3), FixedPoint(9, 8))
    t = b.add("avg_pool2d", t, FixedPoint(6, 3, True, "RND_INF", "SAT"), kernel=(3, 3), stride=(3, 3))
    network, weights = b.build(b.dense(b.add("flatten", t, b.tensors[t].format), 4, FixedPoint(13, 6), S8))
    project = write_project(lower(network, weights), tmp_path / "project")
    images = corner_images(network)
    fast = csim.predict(compile_project(project, tmp_path / "fast"), network, images)
    monkeypatch.setattr(hls_compile, "_PLAIN", hls_compile._VOLATILE)
    original = compile_project(project, tmp_path / "original", ("-O2",))
    np.testing.assert_array_equal(csim.predict(original, network, images), fast)


@pytest.mark.needs("hls4ml")
def test_amds_header_still_has_the_function_that_is_replaced(tmp_path):
    b = Builder((4,), S8)
    project = write_project(lower(*b.build(b.add("relu", "x", FixedPoint(8, 4, False)))), tmp_path / "project")
    header = project.folder / "firmware" / "ap_types" / "etc" / "ap_private.h"
    assert header.read_text().count(hls_compile._VOLATILE) == 2
    hls_compile._write_fast_types(project.folder / "firmware" / "ap_types", tmp_path / "overlay")
    overlay = (tmp_path / "overlay" / "etc" / "ap_private.h").read_text()
    assert overlay == header.read_text().replace(hls_compile._VOLATILE, hls_compile._PLAIN)
