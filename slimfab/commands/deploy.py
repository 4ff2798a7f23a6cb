# SPDX-License-Identifier: Apache-2.0
"""``slimfab deploy``: a bundle on a board, or a network on the emulated one."""

from pathlib import Path
from typing import Annotated

import typer

from boards.deploy import Effort
from boards.fleet import Verdict
from boards.transports import BOARD_PYTHON
from hwsim.errors import BoardError, InputError
from slimfab import console
from slimfab.deploy import RESULT, Deployed, deploy_bundle, deploy_everywhere, emulate, places
from slimfab.measurement_tables import show, verdicts_table

#: Options that another one makes sense of, and which one that is.
_NEEDS = {
    "board": "emulated", "images": "emulated", "pynq": "emulated", "budget": "emulated", "runs": "measure",
    "meter": "measure", "python": "host",
}  # fmt: skip


def deploy(
    context: typer.Context,
    source: Annotated[
        str, typer.Argument(help="bundle (.zip); with --emulate a QONNX file or folder with network.json")
    ],
    output: Annotated[Path, typer.Option(help="folder for the unpacked bundle and what is measured")],
    emulated: Annotated[
        bool, typer.Option("--emulate", help="without a board: the emulated one, through pynq")
    ] = False,
    host: Annotated[
        list[str] | None,
        typer.Option(help="the board as ssh has it, such as xilinx@192.168.2.99; again for more; default this one"),
    ] = None,
    python: Annotated[str, typer.Option(help="Python of those boards")] = BOARD_PYTHON,
    remote: Annotated[
        list[str] | None, typer.Option(help="the board's address, if PYNQ.remote serves it; again for more")
    ] = None,
    measure: Annotated[bool, typer.Option("--measure", help="latency, throughput and power, with raw samples")] = False,
    runs: Annotated[int, typer.Option(help="measured runs of one image")] = 1000,
    meter: Annotated[
        bool,
        typer.Option("--meter", help="windows of rest and work for a meter at the supply; see 'slimfab board power'"),
    ] = False,
    board: Annotated[str, typer.Option("--board", "-b", help="emulated board; see 'slimfab board list'")] = "pynq-z2",
    images: Annotated[int, typer.Option(help="inputs for the emulated board: the format's ends, then random")] = 100,
    pynq: Annotated[str, typer.Option(help="pynq of the emulated board: 4.0.0, 3.1.2 or 3.0.1")] = "4.0.0",
    budget: Annotated[str, typer.Option(help="limits of the folding such as dsp=100,lut=20000")] = "",
) -> None:
    """Run a bundle on a board, or a network on the emulated board; compare every integer, and measure."""
    if emulated and (host or remote):
        raise InputError("--emulate: got a board's address, too; expected one of them; leave out --host and --remote")
    _refuse_useless(context)
    if meter and emulated:
        raise InputError("--meter: expected a board with a supply to meter; leave out --emulate, or --meter")
    # Every run takes the same cycles on the emulated board: a few are as good as many.
    effort = (Effort(2, runs, 1) if emulated else Effort(runs=runs, meter=meter)) if measure else None
    if emulated:
        found = _emulate(source, output, board, images, pynq, budget, effort)
    elif source.endswith(".zip"):
        there = places(host or (), python, remote or ())
        if len(there) > 1:
            _judge_all(deploy_everywhere(Path(source), output, there, effort, console.say), output)
            return
        found = deploy_bundle(Path(source), output, *there.values(), effort, console.say)
    else:
        raise InputError(f"{source}: is no bundle; expected a .zip; make one with 'slimfab build', or add --emulate")
    where = f"{found.board}{' (emulated)' if emulated else ''}, pynq {found.pynq}, {found.clock_mhz:g} MHz"
    console.say(f"{where}: {found.integers} integers of {found.images} images equal the golden executor's")
    console.say(_cycles(found, emulated))
    if found.measurement is not None:
        show(found.measurement, found.comparison)
        console.say(f"samples  {output / RESULT}")


def _refuse_useless(context: typer.Context) -> None:
    """Raises InputError where an option was given that does nothing without another one."""
    flags = {parameter.name: parameter.opts[0] for parameter in context.command.params}
    for name, wanted in _NEEDS.items():
        source = context.get_parameter_source(name)
        given = source is not None and source.name != "DEFAULT"
        if given and not context.params[wanted]:
            raise InputError(f"{flags[name]}: does nothing without {flags[wanted]}; add that, or leave it out")


def _judge_all(verdicts: "tuple[Verdict[Deployed], ...]", output: Path) -> None:
    """Every board's verdict.  Raises BoardError where one failed."""
    console.out.print(verdicts_table(verdicts))
    console.say(f"a folder for each board in  {output}")
    failed = [verdict for verdict in verdicts if verdict.result is None]
    for verdict in failed:
        console.say(f"{verdict.where}: {verdict.error}")
    if failed:
        names = ", ".join(verdict.where for verdict in failed)
        raise BoardError(f"deploy: {len(failed)} of {len(verdicts)} boards failed: {names}; see above", "Boards")


def _emulate(
    source: str, output: Path, board: str, images: int, pynq: str, budget: str, effort: Effort | None
) -> Deployed:
    from hwsim.fpga.folding import Goal, parse_budgets
    from slimfab.rtl import load_integers, sample_inputs

    goal = Goal("interval_us", parse_budgets(budget))
    exact = load_integers(source)
    inputs = sample_inputs(exact.network, images)
    with console.ProgressBars() as bars:
        bars.started(0, 1, "emulate")
        return emulate(
            exact.network, exact.weights, inputs, output, board, None, goal, effort, pynq=pynq, listen=bars.advanced
        )


def _cycles(found: Deployed, emulated: bool) -> str:
    counters = found.counters
    same = ", as the simulation counts them" if emulated else ""
    return (
        f"its counters say {counters['latency_max']} cycles at most per image, {counters['interval']} between two{same}"
    )
