# SPDX-License-Identifier: Apache-2.0
"""Which of several targets is best at something, whether the error bars allow to say so, and why it is."""

from collections.abc import Sequence
from dataclasses import dataclass

from hwsim.card import bound
from hwsim.errors import InputError
from hwsim.estimate import Estimate, Figure

QUESTIONS = {"latency_us": "latency", "interval_us": "throughput", "energy_uj": "energy per inference"}


@dataclass(frozen=True)
class Verdict:
    """The answer to one question.

    Args:
        field: a figure of the estimates, of which less is better.
        best: the target with the smallest value among those that fit; empty if none fits.
        ahead: by which factor the next one is behind; None where there is no next one.
        rivals: targets whose error bars reach into the best one's: they may be the best.
        bound_by, bound_share: what takes most of the best one's time, and how much.
        left_out: targets on which the network does not fit.
        remark: what makes the question unfair; empty if nothing does.
    """

    field: str
    best: str
    runner_up: str
    ahead: float | None
    rivals: tuple[str, ...]
    bound_by: str
    bound_share: float
    left_out: tuple[str, ...]
    remark: str = ""

    @property
    def is_clear(self) -> bool:
        """Whether no other target may be the best, as far as the error bars know."""
        return bool(self.best) and not self.rivals

    def text(self) -> str:
        """One line, such as ``latency: gpu:h100 is best, 3.1 times ahead of …; bound by memory (80 % of the time)``."""
        question = QUESTIONS[self.field]
        if not self.best:
            return f"{question}: the network fits on none of these targets"
        why = f"; bound by {self.bound_by} ({self.bound_share:.0%} of its time)" if self.bound_by else ""
        why += f"; {self.remark}" if self.remark else ""
        if self.ahead is None:
            return f"{question}: {self.best} is the only one that fits{why}"
        lead = f"{self.ahead:.3g} times ahead of {self.runner_up}"
        if self.is_clear:
            return f"{question}: {self.best} wins, {lead}{why}"
        names = ", ".join(self.rivals)
        return f"{question}: no clear winner: {self.best} is {lead}, but error bars overlap with {names}{why}"


def verdict(estimates: Sequence[Estimate], field: str) -> Verdict:
    """Compare estimates of one network by a figure of which less is better.

    Raises:
        InputError: no estimates, or a field that is not in QUESTIONS.
    """
    if field not in QUESTIONS:
        raise InputError(f"verdict: got field '{field}'; expected one of {', '.join(QUESTIONS)}")
    if not estimates:
        raise InputError("verdict: got no estimates; expected one at least; name a target")
    fitting = sorted((one for one in estimates if one.fits()), key=lambda one: one.field(field))
    left_out = tuple(one.target for one in estimates if not one.fits())
    if not fitting:
        return Verdict(field, "", "", None, (), "", 0.0, left_out)
    best, others = fitting[0], fitting[1:]
    found = best.figure(field)
    rivals = tuple(one.target for one in others if _overlap(found, one.figure(field)))
    ahead = others[0].field(field) / found.value if others and found.value > 0 else None
    runner_up = others[0].target if others else ""
    return Verdict(field, best.target, runner_up, ahead, rivals, *bound(best), left_out, _remark(best, others, field))


def _remark(best: Estimate, others: Sequence[Estimate], field: str) -> str:
    """What is not covered; energies of arrays are of a chip and its memory, those of others of boards or packages."""
    if not best.is_complete:
        return "of the layers that are covered"
    is_array = [one.target.startswith("npu:") for one in (best, *others)]
    if field != "energy_uj" or all(is_array) or not any(is_array):
        return ""
    return "energies of npu targets leave out the board around chip and memory"


def _overlap(best: Figure, other: Figure) -> bool:
    return other.low <= best.high
