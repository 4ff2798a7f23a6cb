# SPDX-License-Identifier: Apache-2.0
"""Run a build folder: here, or on another machine over ssh. What it runs is build.sh, the same that a person would."""

import io
import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from boards.vivado.plan import RECORD, SCRIPT, Plan, is_done
from boards.vivado.releases import ALTERNATIVES, Release
from boards.vivado.scripts import HLS_REPORT
from hls.tools import find_tool
from hwsim import serial
from hwsim.errors import InputError, ToolFailed, ToolMissing

Listen = Callable[[str], None]
MAX_RESULT_BYTES = 512 << 20
_HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]*")
_SSH = ("ssh", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes", "-o", "ConnectTimeout=20")
#: What a tool or ssh says → what it means, and what to do.
CAUSES: Mapping[str, str] = {
    r"bad lexical cast": "HLS until 2021.2 refuses dates after 2021; install AMD's patch, answer record 76960",
    r"(?i)no (valid )?licen[cs]e|licen[cs]e.*(expired|failed|not found)": "no licence for this part or tool",
    r"requires more .* than are available|\[Place 30-640\]|over-utili[sz]ed": "it does not fit; fold more (--budget)",
    r"No space left on device": "the disk is full; free some space",
    r"bad_alloc|[Oo]ut of memory|Killed": "not enough memory; set JOBS=1 or take a larger machine",
    r"Host key verification failed": "unknown host key; connect once by hand and confirm it",
    r"Permission denied \(": "the machine refused; expected a key that it knows (ssh-copy-id)",
    r"Could not resolve hostname|Connection (refused|timed out)|No route to host": "the machine cannot be reached",
}


@dataclass(frozen=True)
class Machine:
    """Where a build runs.

    ``host`` is as ssh has it, "" for here; ``settings`` the path of AMD's settings64.sh there, "" where the tools are
    on PATH; ``board_files`` the folder of board files there; ``jobs`` how many processes run at once.
    """

    host: str = ""
    settings: str = ""
    board_files: str = ""
    jobs: int = 4

    def __post_init__(self) -> None:
        if self.host and _HOST.fullmatch(self.host) is None:
            raise InputError(f"host: got {self.host!r}; expected a name as ssh has it, such as me@server")
        for name, text in (("settings", self.settings), ("board files", self.board_files)):
            if re.fullmatch(r"[\w./+-]*", text) is None:
                raise InputError(
                    f"{name}: got {text!r}; expected a path of letters, digits, _ . + and -; move it there"
                )
        if self.jobs < 1:
            raise InputError(f"jobs: got {self.jobs}; expected 1 or more")

    @property
    def variables(self) -> dict[str, str]:
        """What build.sh reads."""
        found = {"SETTINGS": self.settings, "BOARD_FILES": self.board_files, "JOBS": str(self.jobs)}
        return {name: value for name, value in found.items() if value}


def run(folder: Path | str, plan: Plan, machine: Machine, listen: Listen = lambda text: None) -> None:
    """Run the steps that are not done yet; called again, it goes on where it stopped.

    Args:
        listen: called with every line that build.sh prints.

    Raises:
        ToolMissing: a tool is not there, or another release; says what can be done without it.
        ToolFailed: a step failed; says which, with the tool's first error and what it means.
    """
    target = Path(folder)
    waiting = [step for step in plan.steps if not is_done(target, step)]
    if not waiting:
        return
    if machine.host:
        _run_there(target, plan, machine, listen)
        return
    if not machine.settings:
        _require(target, plan, [step.command[0] for step in waiting])
    environment = {**os.environ, **machine.variables}
    _follow([_bash(), str(target / SCRIPT)], environment, listen, target)


def installed() -> Release | None:
    """The release of the Vivado on PATH; None where there is none.

    Raises:
        ToolMissing: it is one that is not supported.
    """
    tool = find_tool("vivado")
    return Release.parse(tool.version) if tool.found else None


def _require(folder: Path, plan: Plan, programs: Sequence[str]) -> None:
    for program in dict.fromkeys(programs):
        if shutil.which(program) is None:
            raise ToolMissing(
                f"{program}: is not on PATH; expected release {plan.tools}; source its settings64.sh, or name it with "
                f"--settings, or a machine that has it with --host, or run {folder / SCRIPT} there; {ALTERNATIVES}"
            )
    found = installed()
    if found is not None and found != plan.release:
        raise ToolMissing(
            f"vivado: got release {found}; expected {plan.release}, which the scripts in {folder} are for; write them "
            f"for the other with --tools {found}; {ALTERNATIVES}"
        )


def _run_there(folder: Path, plan: Plan, machine: Machine, listen: Listen) -> None:
    if shutil.which("ssh") is None:
        raise ToolMissing("ssh: is not on PATH; expected OpenSSH's client; apt-get install openssh-client")
    there = f"slimfab-builds/{plan.name}-{plan.build_id}"
    listen(f"{machine.host}: copying to {there}")
    _ssh(machine.host, f"mkdir -p {there} && tar -xf - -C {there}", _packed(folder))
    variables = " ".join(f"{name}={value}" for name, value in machine.variables.items())
    try:
        _follow([*_SSH, machine.host, f"{variables} bash {there}/{SCRIPT}"], dict(os.environ), listen, folder)
    finally:
        # Logs of a step that failed are wanted too; what is not there is left out.
        wanted = f"{plan.name}.bit {plan.name}.hwh {plan.name}.xclbin reports logs done {HLS_REPORT}"
        _unpacked(_ssh(machine.host, f"cd {there} && tar -cf - $(ls -d {wanted} 2>/dev/null)"), folder, plan)


def _packed(folder: Path) -> bytes:
    """What another machine needs of a build folder, as a tar file."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path in sorted(
            [
                folder / RECORD,
                folder / SCRIPT,
                *folder.glob("*.tcl"),
                *folder.glob("*.cfg"),
                *(folder / "sources").rglob("*"),
            ]
        ):
            if path.is_file():
                archive.add(path, path.relative_to(folder).as_posix())
    return buffer.getvalue()


def _unpacked(data: bytes, folder: Path, plan: Plan) -> None:
    """Write what came back; only plain files that a build makes are taken."""
    expected = re.compile(rf"{plan.name}\.(bit|hwh|xclbin)|(reports|logs|done)/[\w.-]+|{re.escape(HLS_REPORT)}")
    try:
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            for member in archive:
                name = member.name.removeprefix("./")
                if not member.isfile() or not expected.fullmatch(name) or member.size > MAX_RESULT_BYTES:
                    continue
                content = archive.extractfile(member)
                if content is not None:
                    serial.atomic_write(folder / name, content.read())
    except tarfile.TarError as error:
        raise ToolFailed(f"ssh: what came back is damaged ({error}); run the same command again") from error


def _ssh(host: str, command: str, data: bytes = b"") -> bytes:
    done = subprocess.run([*_SSH, host, command], input=data, capture_output=True, check=False)
    if done.returncode:
        said = done.stderr.decode(errors="replace")
        raise ToolFailed(f"ssh: {host}: {_explained(said) or _last_line(said)}")
    return done.stdout


def _follow(command: Sequence[str], environment: Mapping[str, str], listen: Listen, folder: Path) -> None:
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        errors="replace", env=environment,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line.rstrip())
            listen(lines[-1])
    if process.returncode:
        said = "\n".join(lines[-8:])
        cause = _explained(said)
        first = next((line for line in lines if re.match(r"(?i)error\b|.*; expected ", line)), "")
        reason = "; ".join(part for part in (first[:300], cause) if part) or "no error message"
        raise ToolFailed(f"{_last_line(said)}: {reason}; everything it said is in {folder / 'logs'}")


def _explained(said: str) -> str:
    return next((meaning for pattern, meaning in CAUSES.items() if re.search(pattern, said)), "")


def _last_line(said: str) -> str:
    lines = [line for line in said.splitlines() if line.strip()]
    return lines[-1][:300] if lines else "it said nothing"


def _bash() -> str:
    found = shutil.which("bash")
    if found is None:
        raise ToolMissing("bash: is not on PATH; AMD's settings64.sh needs it; install bash")
    return found
