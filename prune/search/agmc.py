# SPDX-License-Identifier: Apache-2.0
"""AGMC: AMC's loop with a learned state: a graph network and a recurrent decoder (Yu et al., ICCV 2021).

The published code turns states into numbers before the agent sees them, so that its encoder never learns, and makes
them once per search from random node features. Here nodes are layer groups with features that mean something, among
them the share chosen so far; the graph is encoded anew after each action, and gradients flow through everything.
``frozen=True`` is the control: the same encoder with its random first weights.
"""

import torch
from torch import nn

from prune.search.amc import Reward, quarter_warmup, walk
from prune.search.ddpg import Agent, Hyper
from prune.search.environment import Environment
from prune.search.features import Layers

HIDDEN, EMBEDDING = 50, 30  # widths of the published encoder


class GraphState(nn.Module):
    """Two graph convolutions over the variables, a read-out of the next one, and a recurrent state behind them.

    Node features are the static ones of :class:`Layers`, each variable's share of all cost, its chosen share (1 where
    none is chosen yet) and whether it is chosen. A graph of another size runs through the same weights.
    """

    def __init__(self, layers: Layers, seed: int) -> None:
        super().__init__()
        static = torch.as_tensor(layers.static, dtype=torch.float32)
        share = torch.as_tensor(layers.costs / layers.costs.sum(), dtype=torch.float32)
        self.register_buffer("static", torch.cat([static, share[:, None]], dim=1), persistent=False)
        self.register_buffer("mixing", _normalised(len(static), torch.as_tensor(layers.edges)), persistent=False)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.first = nn.Linear(self.static.shape[1] + 2, HIDDEN)
            self.second = nn.Linear(HIDDEN, EMBEDDING)
            self.decoder = nn.GRU(2 * EMBEDDING + 1, EMBEDDING, batch_first=True)

    def forward(self, actions: torch.Tensor) -> torch.Tensor:
        """States (episodes, variables, EMBEDDING) of actions (episodes, variables)."""
        episodes, count = actions.shape
        before = torch.ones(count, count).tril(-1)  # row t: the variables chosen before t
        shares = torch.where(before.bool(), actions[:, None, :], torch.ones(()))
        chosen = before.expand(episodes, -1, -1)
        static = self.static.expand(episodes, count, -1, -1)
        nodes = torch.cat([static, shares[..., None], chosen[..., None]], dim=-1)  # (episodes, t, node, features)
        nodes = torch.relu(self.first(self.mixing @ nodes))
        nodes = torch.relu(self.second(self.mixing @ nodes))
        own = nodes[:, torch.arange(count), torch.arange(count)]
        previous = torch.cat([torch.ones(episodes, 1), actions[:, :-1]], dim=1)
        states, _ = self.decoder(torch.cat([nodes.mean(dim=2), own, previous[..., None]], dim=-1))
        return states


def agmc(
    env: Environment,
    layers: Layers,
    seed: int = 0,
    hyper: Hyper | None = None,
    reward: Reward | None = None,
    *,
    frozen: bool = False,
    encoder: GraphState | None = None,
) -> Agent:
    """Search with AGMC's agent until the evaluations are spent.

    Args:
        frozen: keep the encoder's weights as they are; only actor and critic learn.
        encoder: one that was trained on another network of the same features; its weights are taken over.
    """
    own = GraphState(layers, seed)
    if encoder is not None:
        own.load_state_dict(encoder.state_dict())
    own.requires_grad_(not frozen)
    agent = Agent(own, EMBEDDING, len(env.space.variables), hyper or quarter_warmup(env), seed)
    walk(env, agent, reward)
    return agent


def _normalised(count: int, edges: torch.Tensor) -> torch.Tensor:
    """D^-1/2 (A + I) D^-1/2 of the undirected graph (Kipf & Welling, ICLR 2017)."""
    joined = torch.eye(count)
    joined[edges[:, 0], edges[:, 1]] = joined[edges[:, 1], edges[:, 0]] = 1.0
    scale = joined.sum(dim=1).rsqrt()
    return scale[:, None] * joined * scale[None, :]
