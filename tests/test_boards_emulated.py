# SPDX-License-Identifier: Apache-2.0
"""The emulated board through unmodified pynq: integers and cycles of the simulation, and every fault by its name."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from board_runs import Bundle, random_images, require_pynq, small_bundle, wide_bundle
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from boards.emulated.environment import EmulatedSession
from boards.emulated.faults import KINDS, OF_TRANSFERS
from hls.rtl_compile import QUICK
from hls.rtl_sim import RtlExecutor
from hwsim import reference
from hwsim.errors import BoardError

pytestmark = pytest.mark.needs("g++", "verilator")

EXPECTED = {
    "hang": ("DmaTimeout", "send busy, receive busy.*frames_out=0"),
    "dead": ("DmaTimeout", "send busy, receive busy.*frames_out=0"),
    "missing_tlast": ("DmaTimeout", "send idle, receive busy.*frames_in=6, frames_out=6"),
    "short_output": ("ShortTransfer", "got 30 bytes; expected 60; TLAST came early"),
    "bit_flip": ("ChecksumError", "memory has 0x[0-9a-f]{8}, the design sent 0x[0-9a-f]{8}"),
    "starved": ("DmaTimeout", "send busy, receive busy.*frames_in=3, frames_out=3"),
    "slave_error": ("DmaError", "receive stopped: slave error: memory refused the access, halted"),
    "decode_error": ("DmaError", "send stopped: decode error: no memory at this address, halted"),
    "lost_connection": ("ConnectionLost", "no longer answers"),
    "wrong_clock": ("ClockError", r"runs at \d+ MHz; expected at most 100 MHz"),
}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory, rtl_cache: Path) -> Bundle:
    require_pynq()
    return small_bundle(tmp_path_factory.mktemp("board"), rtl_cache)


@pytest.fixture(scope="module")
def session(bundle: Bundle) -> Iterator[EmulatedSession]:
    with EmulatedSession(bundle.folder) as session:
        yield session


@pytest.fixture(scope="module")
def small_transfers(bundle: Bundle) -> Iterator[EmulatedSession]:
    with EmulatedSession(bundle.folder, max_images=4) as session:
        yield session


def expected(bundle: Bundle, images: np.ndarray) -> np.ndarray:
    return reference.execute(bundle.network, bundle.weights, images)


@pytest.mark.parametrize(("version", "board"), [("3.1.2", "pynq-z2"), ("3.0.1", "pynq-z2"), ("4.0.0", "zcu104")])
def test_every_pynq_and_processor_gives_golden_integers(
    version: str, board: str, tmp_path: Path, rtl_cache: Path
) -> None:
    require_pynq(version)
    bundle = small_bundle(tmp_path, rtl_cache, board)
    images = random_images(bundle.network, 20, 1)
    with EmulatedSession(bundle.folder, version) as session:
        assert session.about["pynq"] == version
        np.testing.assert_array_equal(session.run(images), expected(bundle, images))


def test_cycles_are_the_simulations(bundle: Bundle, session: EmulatedSession, tmp_path: Path, rtl_cache: Path) -> None:
    images = random_images(bundle.network, 10, 2)
    executor = RtlExecutor(
        bundle.network, bundle.weights, bundle.design, tmp_path / "design", cache=rtl_cache, optimise=QUICK
    )
    simulated = executor.predict(images)
    session.ask("reload")  # the latency of the first images after a reset, as the simulation has it
    np.testing.assert_array_equal(session.run(images), simulated)
    counters, run = session.counters(), executor.last_run
    assert run is not None
    for name in ("latency", "latency_max", "interval", "stall_out", "frames_in", "frames_out", "checksum"):
        assert counters[name] == run.counters[name], name
    # The simulation offers its first beat in the very cycle in which the design leaves reset, and waits for one.
    assert counters["stall_in"] == run.counters["stall_in"] - 1
    assert counters["frames_per_packet"] == 10


def test_real_numbers_are_quantised_on_the_board(bundle: Bundle, session: EmulatedSession) -> None:
    fmt = bundle.network.tensors["x"].format
    assert fmt is not None
    reals = np.random.default_rng(3).normal(0, 3, (7, 3, 6, 6))
    integers = np.clip(np.floor(reals / fmt.step), fmt.min_int, fmt.max_int).astype(np.int64)
    np.testing.assert_array_equal(session.run(reals), expected(bundle, integers))


def test_many_transfers_use_the_same_memory(bundle: Bundle, session: EmulatedSession) -> None:
    before = session.ask("state")[0]["memory_used"]
    images = random_images(bundle.network, 30, 4)
    for count in (1, 30, 7, 1):
        np.testing.assert_array_equal(session.run(images[:count]), expected(bundle, images[:count]))
    assert session.run(images[:0]).shape == (0, 5)
    assert session.ask("state")[0]["memory_used"] == before


@pytest.mark.parametrize("kind", KINDS)
def test_a_fault_ends_in_its_error_and_leaves_a_working_board(
    kind: str, bundle: Bundle, session: EmulatedSession
) -> None:
    name, message = EXPECTED[kind]
    images = random_images(bundle.network, 6, 5)
    session.inject(kind)
    with pytest.raises(BoardError, match=message) as caught:
        _ = session.ask("reload") if kind == "wrong_clock" else session.run(images)
    assert caught.value.kind == name
    assert session.ask("state")[0]["waiting"] == 0
    np.testing.assert_array_equal(session.run(images), expected(bundle, images))


@pytest.mark.parametrize("kind", OF_TRANSFERS)
@pytest.mark.parametrize("after", [0, 1, 3])
def test_results_before_an_error_are_kept(
    kind: str, after: int, bundle: Bundle, small_transfers: EmulatedSession
) -> None:
    images = random_images(bundle.network, 15, 6)  # in four transfers, the last one smaller
    wanted = expected(bundle, images)
    np.testing.assert_array_equal(small_transfers.run(images), wanted)
    small_transfers.inject(kind, after)
    with pytest.raises(BoardError) as caught:
        small_transfers.run(images)
    assert caught.value.kind == EXPECTED[kind][0]
    np.testing.assert_array_equal(caught.value.results, wanted[: 4 * after])
    np.testing.assert_array_equal(small_transfers.run(images), wanted)


def test_too_little_memory_is_said_with_what_is_needed(bundle: Bundle) -> None:
    with pytest.raises(BoardError, match=r"cannot allocate \d+ bytes of contiguous memory, \w+ are free") as caught:
        EmulatedSession(bundle.folder, max_images=400_000)
    assert caught.value.kind == "BuffersError"


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((1, 3, 6, 5), int), r"got shape \(1, 3, 6, 5\); expected \(N, 3, 6, 6\)"),
        (np.full((1, 3, 6, 6), 32), "got integers from 32 to 32; expected -32 to 31"),
        (np.full((1, 3, 6, 6), np.nan), "got 108 values that are not finite"),
    ],
)
def test_wrong_input_is_refused(session: EmulatedSession, images: np.ndarray, message: str) -> None:
    with pytest.raises(BoardError, match=message) as caught:
        session.run(images)
    assert caught.value.kind == "DataError"


def test_another_design_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    copy = tmp_path / "bundle"
    shutil.copytree(bundle.folder, copy)
    text = (copy / "manifest.json").read_text()
    (copy / "manifest.json").write_text(text.replace(bundle.network.hash, "0" * 16))
    with pytest.raises(BoardError, match=f"computes network {bundle.network.hash}; expected {'0' * 16}") as caught:
        EmulatedSession(copy)
    assert caught.value.kind == "WrongDesign"


def test_wrong_golden_vectors_fail_the_self_test(bundle: Bundle, tmp_path: Path) -> None:
    copy = tmp_path / "bundle"
    shutil.copytree(bundle.folder, copy)
    outputs = np.load(copy / "golden" / "outputs.npy")
    outputs[0, 0] += 1
    np.save(copy / "golden" / "outputs.npy", outputs)
    with pytest.raises(BoardError, match="got 1 wrong integers of 60, the same each time") as caught:
        EmulatedSession(copy)
    assert caught.value.kind == "SelfTestError"


STEPS = st.lists(st.one_of(st.sampled_from(sorted(KINDS)), st.integers(1, 6)), min_size=1, max_size=8)


def run_steps(bundle: Bundle, session: EmulatedSession, steps: list[str | int]) -> None:
    """Faults and batches in any order: a batch comes out right, or in an error; in the end the board works."""
    for step in steps:
        if isinstance(step, str):
            session.inject(step)
            continue
        images = random_images(bundle.network, 12, step)[:step]
        try:
            results = session.run(images)
        except BoardError:
            continue
        np.testing.assert_array_equal(results, expected(bundle, images))
    for _ in range(3 * len(steps)):
        if session.ask("state")[0]["waiting"] == 0:
            break
        for what in ("reload", "run"):
            arrays = [random_images(bundle.network, 8, 0)] if what == "run" else []
            try:
                session.ask(what, {}, *arrays)
            except BoardError:
                continue
    images = random_images(bundle.network, 9, 9)
    np.testing.assert_array_equal(session.run(images), expected(bundle, images))


@settings(max_examples=5, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_random_faults(bundle: Bundle, session: EmulatedSession, steps: list[str | int]) -> None:
    run_steps(bundle, session, steps)


@pytest.mark.slow
@settings(max_examples=1000, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_a_thousand_random_faults(bundle: Bundle, session: EmulatedSession, steps: list[str | int]) -> None:
    run_steps(bundle, session, steps)


def test_transfers_do_not_fill_memory(bundle: Bundle, session: EmulatedSession) -> None:
    images = random_images(bundle.network, 12, 7)
    found = session.ask("soak", {"bytes": 200_000}, images)[0]
    assert (found["wrong"], found["runs"] > 50) == (0, True)
    assert found["after"] - found["before"] < 8 << 20  # what interpreters keep for themselves


@pytest.mark.slow
def test_a_gigabyte_does_not_fill_memory(tmp_path: Path, rtl_cache: Path) -> None:
    require_pynq()
    bundle = wide_bundle(tmp_path, rtl_cache)
    images = random_images(bundle.network, 1024, 8)
    with EmulatedSession(bundle.folder, answer_s=3600.0) as session:
        found = session.ask("soak", {"bytes": 1 << 30}, images)[0]
    assert (found["wrong"], found["bytes"] >= 1 << 30) == (0, True)
    assert found["after"] - found["before"] < 8 << 20


def test_the_hosts_time_is_told_by_who_spends_it(bundle: Bundle, session: EmulatedSession) -> None:
    spent = session.ask("overhead", {"runs": 3}, random_images(bundle.network, 2, 1))[0]["seconds"]
    assert sorted(spent) == ["board", "checksum", "copies", "driver", "pynq"]
    assert min(spent.values()) > 0
