# SPDX-License-Identifier: Apache-2.0
"""AMC: a DDPG agent walks the network once per episode and chooses each layer's share (He et al., ECCV 2018).

The state is the paper's eleven numbers (§3.1), the budget is kept by clipping (§3.3), the reward is the score of the
pruned network without training. :func:`accuracy_guaranteed` has the paper's reward for searching without a budget.
"""

import math
from collections.abc import Callable

import torch
from torch import nn

from prune.search.ddpg import Agent, Hyper
from prune.search.environment import Environment
from prune.search.features import STATE, Layers
from prune.search.space import Point

Reward = Callable[[float, Point], float]
FADED = 0.02  # of the noise that a search ends with
EPISODES_PER_EVALUATION = 4  # after so many the agent only repeats itself, and the search ends


class HandMade(nn.Module):
    """AMC's state as an encoder without parameters."""

    def __init__(self, layers: Layers) -> None:
        super().__init__()
        costs = torch.as_tensor(layers.costs / layers.costs.sum(), dtype=torch.float32)
        self.register_buffer("static", torch.as_tensor(layers.static, dtype=torch.float32))
        self.register_buffer("costs", costs)
        self.register_buffer("rest", costs.flip(0).cumsum(0).flip(0) - costs)

    def forward(self, actions: torch.Tensor) -> torch.Tensor:
        """States (episodes, variables, 11) of actions (episodes, variables)."""
        lost = self.costs * (1 - actions)
        first = torch.zeros_like(actions[:, :1])
        reduced = torch.cat([first, lost.cumsum(1)[:, :-1]], dim=1)
        previous = torch.cat([first + 1, actions[:, :-1]], dim=1)
        static = self.static.expand(len(actions), -1, -1)
        rest = self.rest.expand(len(actions), -1)
        return torch.cat([static, torch.stack([reduced, rest, previous], dim=-1)], dim=-1)


def amc(
    env: Environment, layers: Layers, seed: int = 0, hyper: Hyper | None = None, reward: Reward | None = None
) -> Agent:
    """Search with AMC's agent until the evaluations are spent.

    Args:
        layers: :func:`prune.search.features.describe` of the network.
        hyper: by default AMC's, with a quarter of the evaluations as random episodes (100 of 400 in the paper).
        reward: of the score and point of an episode; the score itself by default.
    """
    agent = Agent(HandMade(layers), len(STATE), len(env.space.variables), hyper or quarter_warmup(env), seed)
    walk(env, agent, reward)
    return agent


def quarter_warmup(env: Environment) -> Hyper:
    """AMC's settings with a quarter of the evaluations as random episodes, and noise that lasts for the others.

    The published decay leaves a fiftieth of the noise after 76 episodes. An agent is updated once per layer and
    episode, so that on a network of few layers it has learned little by then; a longer search explores for longer.
    """
    warmup = max(1, env.evaluations // 4)
    lasting = FADED ** (1 / max(1, env.evaluations - warmup))
    return Hyper(warmup=warmup, decay=max(Hyper().decay, lasting))


def walk(env: Environment, agent: Agent, reward: Reward | None = None) -> None:
    """Episodes until the evaluations are spent; those whose score is NaN teach nothing."""
    for _ in range(EPISODES_PER_EVALUATION * env.evaluations):
        if not env.left:
            return
        point = episode(env, agent)
        (score,) = env.rate([point])
        if math.isfinite(score):
            agent.learn(env.space.shares(point), reward(score, point) if reward else score)


def episode(env: Environment, agent: Agent) -> Point:
    """One walk over the variables: every wish is clipped before the next state is made."""
    point, wishes = env.space.narrowest.copy(), env.space.narrowest.copy()
    for variable in range(len(point)):
        chosen = env.space.shares(point)[:variable]
        wishes[variable] = env.space.nearest(variable, agent.act(chosen))
        point[variable] = env.clip(point, variable, int(wishes[variable]))
    return env.keep(wishes)


def accuracy_guaranteed(env: Environment, layers: Layers, seed: int = 0, hyper: Hyper | None = None) -> Agent:
    """Search with the reward -error · log(cost) of §3.3, by which the best point is chosen too.

    Scores are accuracies, and the cost is that of the first limit, which should be wide: the unpruned network's.
    """
    limit = env.limits[0]
    env.merit = lambda one: worth(one.score, one.costs[limit.field])
    return amc(env, layers, seed, hyper, lambda score, point: worth(score, float(limit.cost(point[None])[0])))


def worth(accuracy: float, cost: float) -> float:
    """-error · log(cost); costs below 1 count as 1."""
    return -(1 - accuracy) * math.log(max(cost, 1.0))
