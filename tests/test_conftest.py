# SPDX-License-Identifier: Apache-2.0
"""The test suite's own rules: one thread, named skips, and skips that fail where they must not happen."""

import os
from pathlib import Path

import pytest
from conftest import forbidden

CONFTEST = Path(__file__).with_name("conftest.py")

SUITE = """
import pytest

@pytest.mark.needs("no-such-tool")
def test_by_marker(): ...

@pytest.mark.skipif(True, reason="needs g++ on PATH")
def test_by_reason(): ...

@pytest.mark.xfail(reason="no-such-tool", strict=True)
def test_expected_failure():
    raise AssertionError

def test_plain(): ...
"""


@pytest.fixture
def suite(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makeconftest(CONFTEST.read_text())
    pytester.makeini("[pytest]\nmarkers =\n    needs(*names): tools\n")
    pytester.makepyfile(SUITE)
    return pytester


def test_numeric_libraries_run_on_one_thread() -> None:
    assert os.environ["OMP_NUM_THREADS"] == "1"
    torch = pytest.importorskip("torch")
    assert torch.get_num_threads() == 1
    torch.set_num_threads(2)


def test_threads_that_another_test_set_are_forgotten() -> None:
    torch = pytest.importorskip("torch")
    assert torch.get_num_threads() == 1


def test_missing_tools_skip_by_name(suite: pytest.Pytester) -> None:
    result = suite.runpytest_inprocess("-rs", "--require", "")
    result.assert_outcomes(passed=1, skipped=2, xfailed=1)
    result.stdout.fnmatch_lines(["*needs no-such-tool*"])


@pytest.mark.parametrize(
    ("required", "expected"),
    [
        ("g++", True),
        ("G++", True),
        ("verilator,g++", True),
        ("all", True),
        ("", False),
        ("g", False),
        ("path-g++", False),
    ],
)
def test_a_required_tool_is_found_in_the_reason_as_a_word(required: str, expected: bool) -> None:
    assert forbidden("needs g++ on PATH", tuple(filter(None, required.split(",")))) is expected


def test_a_required_tool_fails_instead(suite: pytest.Pytester) -> None:
    result = suite.runpytest_inprocess("--require", "no-such-tool")
    result.assert_outcomes(passed=1, skipped=1, errors=1, xfailed=1)
    result.stdout.fnmatch_lines(["*needs no-such-tool*--require turns into a failure*"])


def test_a_required_module_fails_at_collection(suite: pytest.Pytester) -> None:
    suite.makepyfile(test_module="import pytest\npytest.importorskip('no_such_module')\n")
    result = suite.runpytest_inprocess("test_module.py", "--require", "no_such_module")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*no_such_module*--require turns into a failure*"])
