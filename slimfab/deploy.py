# SPDX-License-Identifier: Apache-2.0
"""Networks and bundles on boards, real ones and the emulated one: run, judge every integer, measure."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from boards.bundle import ESTIMATE, Bundle, open_verified
from boards.deploy import Effort, measure
from boards.fleet import Verdict, everywhere
from boards.measurement import Comparison, Measurement, compare
from boards.session import Session
from boards.transports import BOARD_PYTHON, Host, local, ssh
from hwsim import reference, serial
from hwsim.errors import InputError, UnsupportedError, VerifyError
from hwsim.network import Network, Weights
from slimfab import onnx_bundle

if TYPE_CHECKING:
    from hwsim.fixed import IntArray
    from hwsim.fpga.folding import Goal

Listen = Callable[[float, str], None]
Say = Callable[[str], None]
THIS = "this board"
COUNTED = ("latency", "latency_max", "interval", "checksum")
_COUNTED_IMAGES = 4
RESULT = "measurement.json"


@dataclass(frozen=True)
class Deployed:
    """What a board said: all ``integers`` of ``images`` are the golden executor's, else there is none of these.

    ``counters`` are the design's after some images, on the emulated board equal to the simulation's.
    """

    board: str
    pynq: str
    clock_mhz: float
    images: int
    integers: int
    counters: dict[str, int]
    measurement: Measurement | None = None
    comparison: tuple[Comparison, ...] = ()


def emulate(
    network: Network,
    weights: Weights,
    images: "IntArray",
    folder: Path,
    board: str,
    clock_mhz: float | None = None,
    goal: "Goal | None" = None,
    effort: Effort | None = None,
    *,
    pynq: str = "4.0.0",
    cache: Path | None = None,
    listen: Listen = lambda share, text: None,
) -> Deployed:
    """Put a network on the emulated board: fold, emit, compile, load through pynq, run, compare, perhaps measure.

    Args:
        images: (N, *shape) integers of the input's format, N at least 2.
        folder: gets design/ and bundle/; replaced if they are there.
        effort: of the measurement; None for none.
        pynq: its version.

    Raises:
        ToolMissing, ToolFailed: Verilator, g++ or pynq is missing or failed.
        UnsupportedError, InputError, BudgetError, OutputError: see :func:`slimfab.rtl.simulate`.
        BoardError: the emulated board failed.
        VerifyError: an integer or a counter is wrong.
    """
    from boards.emulated.environment import EmulatedSession, find_pynq
    from boards.emulated.project import emulated_board, write_emulated
    from hls.rtl_compile import FAST
    from hls.rtl_sim import RtlExecutor
    from hwsim.fpga.assemble import estimate_folded
    from hwsim.fpga.folding import choose

    find_pynq(pynq)  # before anything is written
    device = emulated_board(board).device
    choice = choose(network, device, "folded", clock_mhz, goal=goal)
    design = (choice.require() if goal is not None and goal.budgets else choice).design
    listen(0.0, "Verilator and g++")
    executor = RtlExecutor(network, weights, design, folder / "design", cache=cache, optimise=FAST)
    golden = images[: min(len(images), 16)]
    bundle = write_emulated(
        network, weights, golden, folder / "design", folder / "bundle", board, cache=cache, optimise=FAST
    )
    for name, data in onnx_bundle.bundle_files(network, weights).items():
        serial.atomic_write(bundle / name, data)
    listen(0.4, "simulate")
    executor.predict(images[:_COUNTED_IMAGES])
    assert executor.last_run is not None
    listen(0.5, f"{len(images)} images through pynq {pynq}")
    expected = reference.execute(network, weights, images)
    with EmulatedSession(bundle, pynq) as session:
        _judge(session, images, expected)
        session.ask("reload")
        session.run(images[:_COUNTED_IMAGES])
        counters = session.counters()
        for name in COUNTED:
            if counters[name] != executor.last_run.counters[name]:
                raise VerifyError(
                    f"{name}: the emulated board counts {counters[name]}, the simulation "
                    f"{executor.last_run.counters[name]}; expected the same; report it"
                )
        found = None if effort is None else measure(session, bundle, images, expected, "emulated", effort)
        about = session.about
    expected_cost = estimate_folded(network, device, 1, design, weights)
    serial.write_json(folder / ESTIMATE, expected_cost)
    rows = () if found is None else compare(found, expected_cost)
    if found is not None:
        serial.write_json(folder / RESULT, found)
    size = int(expected.size)
    return Deployed(board, str(about["pynq"]), float(about["clock_mhz"]), len(images), size, counters, found, rows)


@dataclass(frozen=True)
class Place:
    """A way to a board: its name in measurements, and what starts a session with an unpacked bundle there."""

    transport: str
    connect: Callable[[Path], Session]


def places(hosts: Sequence[str] = (), python: str = BOARD_PYTHON, remotes: Sequence[str] = ()) -> dict[str, Place]:
    """Boards by name: those behind ssh (``hosts``) and those that PYNQ.remote serves; without any, this board.

    Raises:
        InputError: a name is there twice, or is no host's.
    """
    found = {host: _behind_ssh(Host(host, python)) for host in hosts}
    found |= {address: _served(address) for address in remotes}
    if len(found) < len(hosts) + len(remotes):
        raise InputError(
            f"deploy: got boards {', '.join([*hosts, *remotes])}; expected every board once; leave one out"
        )
    return found or {THIS: Place("local", local)}


def _behind_ssh(board: Host) -> Place:
    return Place("ssh", lambda folder: ssh(folder, board))


def _served(address: str) -> Place:
    from boards.emulated.environment import remote

    return Place("pynq-remote", lambda folder: remote(folder, address))


def deploy_everywhere(
    path: Path,
    folder: Path,
    where: Mapping[str, Place],
    effort: Effort | None = None,
    say: Say = lambda text: None,
) -> tuple[Verdict[Deployed], ...]:
    """Like :func:`deploy_bundle`, on several boards at once; each has a folder of its name under ``folder``."""
    _for_a_driver(path)  # once for all of them, before anything else

    def one(name: str, at: Place) -> Callable[[], Deployed]:
        place = folder / re.sub(r"[^\w.-]", "_", name)
        return lambda: deploy_bundle(path, place, at, effort, lambda text: say(f"{name}: {text}"))

    return everywhere({name: one(name, at) for name, at in where.items()})


def _for_a_driver(path: Path) -> Bundle:
    """A verified bundle of a board that the driver knows.  Raises UnsupportedError where it is a card's."""
    bundle = open_verified(path)
    if bundle.manifest.platform:
        raise UnsupportedError(
            f"{path}: is a kernel for XRT on {bundle.manifest.board}; expected a board of pynq's, there is no driver "
            f"for cards; load {bundle.manifest.xclbin} from a program of your own (docs/boards.md)"
        )
    return bundle


def deploy_bundle(
    path: Path, folder: Path, where: Place, effort: Effort | None = None, say: Say = lambda text: None
) -> Deployed:
    """Verify a bundle, unpack it, and run its golden vectors on a board.

    Args:
        folder: gets bundle/, which must not exist, and what is measured.
        where: the board; see :func:`places`.
        say: told which window of power begins.

    Raises:
        BundleError: the bundle is damaged, stale, hostile or of another board.
        BoardError: the board cannot be reached, or failed; ``kind`` names the error.
        VerifyError: an integer is wrong.
        ToolMissing, OutputError: there is no ssh or no pynq; the folder cannot be written.
    """
    bundle = _for_a_driver(path)
    (inputs, expected), expected_cost = bundle.golden(), bundle.estimate()
    unpacked = bundle.unpack(folder / "bundle")
    with where.connect(unpacked) as session:
        _judge(session, inputs, expected)
        counters = session.counters()
        found = None if effort is None else measure(session, unpacked, inputs, expected, where.transport, effort, say)
        about = session.about
    rows: tuple[Comparison, ...] = ()
    if found is not None:
        serial.write_json(folder / RESULT, found)
        rows = () if expected_cost is None else compare(found, expected_cost)
    size, clock = int(expected.size), float(about["clock_mhz"])
    return Deployed(bundle.manifest.board, str(about["pynq"]), clock, len(inputs), size, counters, found, rows)


def _judge(session: Session, images: "IntArray", expected: "IntArray") -> None:
    wrong = np.count_nonzero(session.run(images) != expected)
    if wrong:
        raise VerifyError(
            f"{session.where}: {wrong} of {expected.size} integers differ from the golden executor's; expected none; "
            "lower the clock, or build again"
        )
