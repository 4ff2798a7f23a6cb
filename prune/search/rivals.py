# SPDX-License-Identifier: Apache-2.0
"""General-purpose optimisers out of Optuna, as rivals: the tree-structured Parzen estimator and NSGA-II."""

from typing import TYPE_CHECKING

import numpy as np

from hwsim.errors import ToolMissing
from prune.search.environment import Environment

if TYPE_CHECKING:
    import optuna

REPEATS = 4  # asks per evaluation, after which a sampler that proposes nothing new is stopped
FAILED = -1e9  # told for points whose score is NaN


def tpe(env: Environment, seed: int = 0) -> None:
    """Tree-structured Parzen estimator (Bergstra et al., NeurIPS 2011)."""
    _run(env, _optuna().samplers.TPESampler(seed=seed))


def nsga2(env: Environment, seed: int = 0) -> None:
    """NSGA-II (Deb et al., 2002) on score alone; the budget is kept by clipping, as everywhere."""
    _run(env, _optuna().samplers.NSGAIISampler(seed=seed, population_size=max(4, min(50, env.evaluations // 4))))


def _run(env: Environment, sampler: "optuna.samplers.BaseSampler") -> None:
    study = _optuna().create_study(direction="maximize", sampler=sampler)
    for _ in range(REPEATS * env.evaluations):
        if not env.left:
            return
        trial = study.ask()
        wishes = [trial.suggest_int(v.name, 0, len(v.options) - 1) for v in env.space.variables]
        (score,) = env.rate([env.keep(np.array(wishes, dtype=np.int64))])
        study.tell(trial, score if np.isfinite(score) else FAILED)


def _optuna() -> "type[optuna]":  # type: ignore[valid-type]
    try:
        import optuna
    except ImportError:
        raise ToolMissing(
            "search: optuna is missing; expected for tpe and nsga2; pip install 'slimfab[search]'"
        ) from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna
