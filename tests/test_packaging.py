# SPDX-License-Identifier: Apache-2.0
"""What an installed slimfab consists of: the wheel's content, the extras, and a life without the checkout."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = {"slimfab", "hwsim", "hls", "quant", "prune", "boards"}
# Suffixes of files that the library reads at run time, beside its own modules.
DATA_SUFFIXES = {
    *(".yaml", ".yml", ".j2", ".html", ".css", ".js", ".json", ".npz", ".tmpl", ".typed"),
    *(".sv", ".cpp", ".tcl"),
}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built without network access from a copy, because setuptools leaves a build folder behind."""
    source = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for package in PACKAGES:
        shutil.copytree(ROOT / package, source / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "tests", source / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    out = tmp_path_factory.mktemp("wheel")
    run([sys.executable, "-m", "pip", "wheel", "--no-build-isolation", "--no-deps", "-w", str(out), str(source)])
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="session")
def content(wheel: Path) -> set[str]:
    return set(zipfile.ZipFile(wheel).namelist())


def run(command: list[str], cwd: Path = ROOT, **environment: str) -> str:
    """Runs a command that must succeed, without PYTHONPATH, and returns what it wrote."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(command, cwd=cwd, env=inherited | environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def requirement_name(requirement: str) -> str:
    return re.split(r"[<>=!~;\[ ]", requirement, maxsplit=1)[0].lower().replace("_", "-")


def test_the_wheel_holds_exactly_the_six_packages(content: set[str]) -> None:
    top = {name.split("/")[0] for name in content}
    assert {name for name in top if not name.endswith(".dist-info")} == PACKAGES


def test_the_wheel_holds_every_module_and_data_file(content: set[str]) -> None:
    expected = {
        file.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for file in (ROOT / package).rglob("*")
        if file.suffix in DATA_SUFFIXES | {".py"} and "__pycache__" not in file.parts
    }
    assert expected - content == set()
    assert {f"{package}/py.typed" for package in PACKAGES} <= content


def test_the_wheel_carries_licence_and_command(wheel: Path, content: set[str]) -> None:
    assert any(name.endswith("licenses/LICENSE") for name in content)
    (entry_points,) = (name for name in content if name.endswith("entry_points.txt"))
    assert "slimfab = slimfab.cli:main" in zipfile.ZipFile(wheel).read(entry_points).decode()


def test_the_base_needs_no_heavy_package() -> None:
    base = {requirement_name(requirement) for requirement in PROJECT["dependencies"]}
    assert base == {"numpy", "pyyaml", "numba", "typer", "rich", "pydantic"}


def test_every_requirement_is_pinned() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[^+\s]+", pin) for pin in pins)
    extras = [name for group in PROJECT["optional-dependencies"].values() for name in group]
    asked = {requirement_name(name) for name in [*PROJECT["dependencies"], *extras]} - {"slimfab"}
    assert asked - {requirement_name(pin) for pin in pins} == set()


def test_no_other_distribution_owns_our_names() -> None:
    """`hls` or `quant` from somewhere else in site-packages would be imported in our place."""
    code = f"from importlib.util import find_spec\nfor name in {sorted(PACKAGES)}: print(find_spec(name).origin)"
    found = run([sys.executable, "-c", code], cwd=Path("/")).splitlines()
    assert found == [str(ROOT / package / "__init__.py") for package in sorted(PACKAGES)]


@pytest.mark.slow
def test_an_empty_environment_runs_the_base_without_torch(wheel: Path, tmp_path: Path) -> None:
    run([sys.executable, "-m", "venv", str(tmp_path / "venv")])
    python = str(tmp_path / "venv" / "bin" / "python")
    run([python, "-m", "pip", "install", "-q", "-c", str(ROOT / "constraints.txt"), str(wheel)])
    root = Path("/")
    home = str(tmp_path)
    assert run([python, "-c", "import importlib.util as u; print(u.find_spec('torch'))"], root).strip() == "None"
    run([python, "-W", "error", "-c", "import hwsim"], root, HOME=home)
    slimfab = str(tmp_path / "venv" / "bin" / "slimfab")
    assert "run" in run([slimfab, "--help"], root, HOME=home)
    assert "torch" in run([slimfab, "doctor"], root, HOME=home)
