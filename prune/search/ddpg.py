# SPDX-License-Identifier: Apache-2.0
"""The actor-critic agent that AMC and AGMC share: DDPG with one action per layer (Lillicrap et al., arXiv 1509.02971).

What the agent sees is made by an encoder: a module that turns the actions of episodes (episodes, variables) into states
(episodes, variables, features), where the state of a variable knows the actions before it and no others. Episodes are
kept as actions and states are made anew for every update, so that an encoder that learns gets its gradients from the
actor's and the critic's losses alike: from the critic's through its state, from the actor's through the action that it
chooses. The critic judges that action in a state that stands still, or the encoder would learn states that flatter it;
and targets come from a slow copy of the encoder as from one of actor and critic.
"""

import copy
from collections import deque
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Hyper:
    """The agent's settings; defaults as in AMC's published code (github.com/mit-han-lab/amc).

    ``warmup`` episodes act at random; after that noise of deviation ``sigma`` shrinks by ``decay`` per episode.
    ``replay`` counts episodes. Every layer's transition carries the episode's reward, from which each update takes a
    moving mean of its batches' rewards; ``baseline`` of it stays from one update to the next.
    """

    warmup: int = 100
    sigma: float = 0.5
    decay: float = 0.95
    hidden: int = 300
    actor_lr: float = 1e-4
    critic_lr: float = 1e-3
    tau: float = 0.01
    batch: int = 64
    gamma: float = 1.0
    replay: int = 100
    baseline: float = 0.5
    least: float = 0.2


class Agent:
    """A policy over keep-shares in [``least``, 1] that learns from whole episodes."""

    def __init__(self, encoder: nn.Module, features: int, variables: int, hyper: Hyper, seed: int) -> None:
        self.hyper, self.variables = hyper, variables
        self._rng = np.random.default_rng(seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.encoder, self._encoder_slow = encoder, copy.deepcopy(encoder)
            self._actor, self._actor_slow = _actor(features, hyper.hidden), _actor(features, hyper.hidden)
            self._critic, self._critic_slow = _Critic(features, hyper.hidden), _Critic(features, hyper.hidden)
        _follow(self._actor_slow, self._actor, 1.0)
        _follow(self._critic_slow, self._critic, 1.0)
        learned = list(encoder.parameters())
        self._learns = any(one.requires_grad for one in learned)
        self._actor_step = torch.optim.Adam([*self._actor.parameters(), *learned], lr=hyper.actor_lr, fused=True)
        self._critic_step = torch.optim.Adam([*self._critic.parameters(), *learned], lr=hyper.critic_lr, fused=True)
        self._episodes: deque[tuple[Array, float]] = deque(maxlen=hyper.replay)
        self._mean: float | None = None
        self.finished = 0

    @torch.no_grad()
    def act(self, chosen: Array) -> float:
        """The wished share of the next variable, given those chosen before it, (chosen,)."""
        if self.finished < self.hyper.warmup:
            return float(self._rng.uniform(self.hyper.least, 1.0))
        actions = torch.ones(1, self.variables)
        actions[0, : len(chosen)] = torch.as_tensor(chosen, dtype=torch.float32)
        state = self.encoder(actions)[0, len(chosen)]
        sigma = self.hyper.sigma * self.hyper.decay ** (self.finished - self.hyper.warmup)
        return self._near(self._share(self._actor(state)).item(), sigma)

    def learn(self, shares: Array, reward: float) -> None:
        """Take in an episode: the shares (variables,) that were really chosen and the reward; then update."""
        self.finished += 1
        self._episodes.append((np.asarray(shares, dtype=np.float64), reward))
        if self.finished > self.hyper.warmup:
            for _ in range(self.variables):
                self._update()

    def _near(self, mean: float, sigma: float) -> float:
        """Normal noise cut off at the bounds."""
        for _ in range(100):
            found = float(self._rng.normal(mean, sigma))
            if self.hyper.least <= found <= 1:
                return found
        return float(np.clip(mean, self.hyper.least, 1.0))

    def _share(self, raw: torch.Tensor) -> torch.Tensor:
        return self.hyper.least + (1 - self.hyper.least) * raw

    def _update(self) -> None:
        actions, rewards = self._batch()
        states = self.encoder(actions)
        with torch.no_grad():
            later = self._encoder_slow(actions) if self._learns else states
            following = self._critic_slow(later, self._share(self._actor_slow(later)[..., 0]))[:, 1:]
            target = rewards + self.hyper.gamma * nn.functional.pad(following, (0, 1))
        loss = nn.functional.mse_loss(self._critic(states, actions), target)
        _descend(self._critic_step, loss)
        if self._learns:
            states = self.encoder(actions)
        value = self._critic(states.detach(), self._share(self._actor(states)[..., 0]))
        _descend(self._actor_step, -value.mean())
        if self._learns:
            _follow(self._encoder_slow, self.encoder, self.hyper.tau)
        _follow(self._actor_slow, self._actor, self.hyper.tau)
        _follow(self._critic_slow, self._critic, self.hyper.tau)

    def _batch(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Actions (episodes, variables) and what their rewards (episodes, 1) are above the moving mean."""
        count = min(len(self._episodes), max(1, round(self.hyper.batch / self.variables)))
        picked = [self._episodes[i] for i in self._rng.choice(len(self._episodes), count, replace=False)]
        actions = torch.as_tensor(np.stack([shares for shares, _ in picked]), dtype=torch.float32)
        rewards = np.array([reward for _, reward in picked])
        mean, stays = float(rewards.mean()), self.hyper.baseline
        self._mean = mean if self._mean is None else stays * self._mean + (1 - stays) * mean
        return actions, torch.as_tensor(rewards - self._mean, dtype=torch.float32)[:, None]


def _actor(features: int, hidden: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(features, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, 1), nn.Sigmoid()
    )


class _Critic(nn.Module):
    """The value of an action in a state: both through a layer of their own, summed, and two more."""

    def __init__(self, features: int, hidden: int) -> None:
        super().__init__()
        self.state, self.action = nn.Linear(features, hidden), nn.Linear(1, hidden)
        self.rest = nn.Sequential(nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, 1))

    def forward(self, states: torch.Tensor, actions: torch.Tensor) -> torch.Tensor:
        return self.rest(self.state(states) + self.action(actions[..., None]))[..., 0]


def _descend(optimiser: torch.optim.Optimizer, loss: torch.Tensor) -> None:
    """One step; gradients are computed for the optimiser's own parameters alone."""
    own = [one for group in optimiser.param_groups for one in group["params"] if one.requires_grad]
    optimiser.zero_grad()
    loss.backward(inputs=own)
    optimiser.step()


@torch.no_grad()
def _follow(slow: nn.Module, fast: nn.Module, tau: float) -> None:
    torch._foreach_lerp_(list(slow.parameters()), list(fast.parameters()), tau)
