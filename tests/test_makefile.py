# SPDX-License-Identifier: Apache-2.0
"""The set-up: what the Makefile offers, and how missing system packages are reported or installed.

The machines are fakes: a PATH that holds only what is put there, with an `id` that says who we are.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SYSTEM_PACKAGES = ROOT / ".ci" / "system-packages"
TARGETS = [
    "help",
    "install",
    "pynq",
    "data",
    "lint",
    "test",
    "test-slow",
    "test-all",
    "test-rtl",
    "demo",
    "board-demo",
    "dist",
    "clean",
]


class Machine:
    """A machine with nothing but bash, cat and mkdir, and the fake programs that a test adds."""

    def __init__(self, folder: Path) -> None:
        self.bin = folder / "bin"
        self.log = folder / "apt.log"
        self.images = folder / "fashion-mnist"
        self.bin.mkdir()
        for tool in ("bash", "env", "touch", "chmod", "mkdir"):
            (self.bin / tool).symlink_to(shutil.which(tool) or tool)

    def add(self, name: str, body: str = "exit 0") -> None:
        program = self.bin / name
        program.write_text(f"#!{self.bin}/bash\n{body}\n")
        program.chmod(0o755)

    def add_apt(self) -> None:
        """An apt-get that notes its arguments, and whose packages bring the programs of the same name."""
        self.add(
            "apt-get",
            f'echo "$*" >> "{self.log}"\n'
            f'for word in "$@"; do case $word in\n'
            f'  g++ | chromium) touch "{self.bin}/$word"; chmod +x "{self.bin}/$word" ;;\n'
            f'  python3-venv) echo "#!{self.bin}/bash" > "{self.bin}/python3"; chmod +x "{self.bin}/python3" ;;\n'
            f'  dataset-fashion-mnist) mkdir -p "{self.images}"; touch "{self.images}/train-images-idx3-ubyte.gz" ;;\n'
            f"esac; done",
        )

    def check(self, *packages: str) -> tuple[int, list[str]]:
        """Exit code and lines that the script writes."""
        environment = {"PATH": str(self.bin), "FASHION_MNIST": str(self.images)}
        done = subprocess.run(
            [str(self.bin / "bash"), str(SYSTEM_PACKAGES), *packages],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stdout == ""
        return done.returncode, done.stderr.splitlines()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_an_ordinary_user_is_told_what_is_missing_and_how_to_get_it(machine: Machine) -> None:
    machine.add("id", "echo 1000")
    machine.add("python3")
    machine.add_apt()
    assert machine.check("python3-venv", "g++") == (
        1,
        ["missing: g++ (compiles hls4ml's C simulation); get it with: sudo apt-get install g++"],
    )
    assert not machine.log.exists()


def test_what_is_optional_is_told_and_does_not_fail(machine: Machine) -> None:
    machine.add("id", "echo 1000")
    status, lines = machine.check("--optional", "dataset-fashion-mnist", "chromium")
    assert status == 0
    assert [line.split(" ")[1] for line in lines] == ["dataset-fashion-mnist", "chromium"]


def test_root_installs_only_what_is_missing(machine: Machine) -> None:
    machine.add("id", "echo 0")
    machine.add("g++")
    machine.add_apt()
    status, lines = machine.check("python3-venv", "g++", "--optional", "dataset-fashion-mnist")
    assert (status, lines) == (0, ["installing Debian packages: python3-venv dataset-fashion-mnist"])
    update, install = machine.log.read_text().splitlines()
    assert update.startswith("update")
    assert install.startswith("install -y")
    assert install.endswith("--no-install-recommends python3-venv dataset-fashion-mnist")


def test_an_install_that_fails_is_reported(machine: Machine) -> None:
    machine.add("id", "echo 0")
    machine.add("apt-get", "echo 'E: no network' >&2; exit 100")
    status, lines = machine.check("g++")
    assert status == 1
    assert lines[1:] == [
        "E: no network",
        "missing: g++ (compiles hls4ml's C simulation); get it with: sudo apt-get install g++",
    ]


def test_a_complete_machine_hears_nothing(machine: Machine) -> None:
    machine.add("python3")
    machine.add("g++")
    assert machine.check("python3-venv", "g++") == (0, [])


def make(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return subprocess.run(
        ["make", *arguments], cwd=ROOT, env=environment | variables, capture_output=True, text=True, check=False
    )


def test_help_is_the_default_and_lists_every_target() -> None:
    listed = [line.split()[1] for line in make().stdout.splitlines() if line.startswith("  make ")]
    assert listed == TARGETS


@pytest.mark.parametrize("target", ["test", "test-slow", "test-all", "demo", "board-demo", "lint", "dist"])
def test_every_target_sets_itself_up(target: str) -> None:
    """On a fresh checkout (here: another, empty place for the environment) the plan starts with the set-up."""
    plan = make("-n", target, "VENV=/nonexistent/venv").stdout
    assert "system-packages python3-venv g++" in plan
    assert "-m pip install --progress-bar off  -e '.[all,dev]' -c constraints.txt" in plan


@pytest.mark.needs("g++")
def test_an_old_python_is_refused_in_one_line(tmp_path: Path) -> None:
    old = tmp_path / "python3.9"
    old.write_text('#!/bin/sh\ncase "$*" in *version_info*) exit 1 ;; esac\n')
    old.chmod(0o755)
    done = make("install", f"PYTHON={old}", f"VENV={tmp_path}/venv")
    assert done.returncode != 0
    assert f"{old}: expected Python 3.11 or newer; install it" in done.stderr
    assert not (tmp_path / "venv").exists()
