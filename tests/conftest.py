# SPDX-License-Identifier: Apache-2.0
"""What every test gets: one thread, the `needs` marker, and skips that CI may not have.

``@pytest.mark.needs("g++", "brevitas")`` skips a test, by name, where a program or module is missing.
``--require g++,brevitas`` (or SLIMFAB_REQUIRE in the environment) turns every skip whose reason names one
of them into a failure, ``--require all`` turns every skip, so that a green run means that the tests ran.
"""

import importlib.util
import os
import re
import shutil
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

# Before numpy or torch is imported, and inherited by subprocesses: tests are small, and share the machine.
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_variable] = "1"

pytest_plugins = ["pytester"]

FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz")
REQUIRED = pytest.StashKey[tuple[str, ...]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--require",
        default=os.environ.get("SLIMFAB_REQUIRE", ""),
        help="comma-separated tools whose absence fails a test instead of skipping it, or 'all'",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.stash[REQUIRED] = tuple(name for name in config.getoption("--require").split(",") if name)


def is_present(name: str) -> bool:
    """Whether a program is on PATH, a module can be imported, or the named data set is installed."""
    if name == "fashion-mnist":
        return FASHION_MNIST.exists()
    return shutil.which(name) is not None or importlib.util.find_spec(name) is not None


@pytest.fixture(scope="session")
def rtl_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where verilated designs are compiled, so that tests share what they have in common."""
    return tmp_path_factory.mktemp("rtl")


def pytest_runtest_setup(item: pytest.Item) -> None:
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)  # a recipe that an earlier test ran set its own
    for marker in item.iter_markers("needs"):
        for name in marker.args:
            if not is_present(name):
                pytest.skip(f"needs {name}")


def forbidden(reason: str, required: tuple[str, ...]) -> bool:
    """Whether a skip with this reason is one that `required` does not allow."""
    if "all" in required:
        return True
    return any(re.search(rf"(?<![\w+-]){re.escape(name)}(?![\w+-])", reason, re.IGNORECASE) for name in required)


def skip_reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    """The reason of a skipped report, whose longrepr is (file, line, reason)."""
    return report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and not hasattr(report, "wasxfail"):
        fail_forbidden(report, item.config)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if report.skipped:
        fail_forbidden(report, collector.config)
    return report


def fail_forbidden(report: pytest.TestReport | pytest.CollectReport, config: pytest.Config) -> None:
    reason = skip_reason(report)
    if forbidden(reason, config.stash[REQUIRED]):
        report.outcome = "failed"
        report.longrepr = f"{reason}  [a skip that --require turns into a failure]"
