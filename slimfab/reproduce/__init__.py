# SPDX-License-Identifier: Apache-2.0
"""Experiments of pruning papers, run again: with the controls the papers left out, on several seeds, with pass bars.

An experiment is a file ``experiments/NAME.yaml`` (:mod:`slimfab.reproduce.experiment`) and a kind, a function under
:data:`KINDS`; each seed gives one :class:`Card`. ``docs/results.md`` is made from the cards alone.
"""

from slimfab.reproduce.card import Bar, Card, Row, load_cards, save_card
from slimfab.reproduce.experiment import Experiment, load_experiment, names
from slimfab.reproduce.results import render
from slimfab.reproduce.run import KINDS, run_seed

__all__ = [
    "KINDS",
    "Bar",
    "Card",
    "Experiment",
    "Row",
    "load_cards",
    "load_experiment",
    "names",
    "render",
    "run_seed",
    "save_card",
]
