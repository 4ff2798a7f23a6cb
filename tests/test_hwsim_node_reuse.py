# SPDX-License-Identifier: Apache-2.0
"""Reuse distances are those that two runs of a network show, for single networks and for variants."""

import numpy as np
import pytest

from hwsim.node_reuse import missed, reuse_bytes
from hwsim.runtime_nodes import LOWERINGS
from hwsim.variants import variants
from hwsim.workload import workload
from slimfab.measure import micro

NETWORKS = micro.networks(10, seed=5)


def counted(nodes, moved):
    """The bytes between two nodes of a form, by running all nodes twice."""
    order = sorted(range(len(moved)), key=lambda node: nodes.kernel[node])
    passed, last, found = 0.0, {}, {}
    for node in order * 2:
        passed += moved[node]
        found[node] = passed - last.get(nodes.form[node], np.nan)
        last[nodes.form[node]] = passed
    return [found[node] for node in range(len(moved))]


@pytest.mark.parametrize("network", NETWORKS, ids=lambda one: one.name)
def test_distances_are_those_of_the_second_run(network):
    work = workload(network)
    nodes = LOWERINGS["eager"](work, "fp32", 16)
    moved = np.random.default_rng(0).uniform(1, 100, len(nodes.form)).round()
    found = reuse_bytes(work, nodes, moved)
    assert found.tolist() == counted(nodes, moved)
    assert (found >= moved).all()
    assert found.max() <= moved.sum()


def test_variants_have_the_distances_of_their_networks():
    network = next(one for one in NETWORKS if one.name.startswith("plain"))
    first = next(layer.name for layer in network.layers if layer.op == "conv2d")
    widths = [5, 8, 20]
    together = variants(network, {first: widths}).work
    nodes = LOWERINGS["eager"](together, "fp32", 16)
    found = reuse_bytes(together, nodes, together.column("outputs")[nodes.kernel])
    per_variant = nodes.kernel // (len(together.kernels) // len(widths))
    for index, width in enumerate(widths):
        work = workload(network.with_widths({first: width}))
        alone = LOWERINGS["eager"](work, "fp32", 16)
        expected = reuse_bytes(work, alone, work.column("outputs")[alone.kernel])
        assert sorted(found[per_variant == index]) == sorted(expected)


def test_planned_runtimes_find_their_code_where_it_was():
    work = workload(NETWORKS[0])
    nodes = LOWERINGS["onnxruntime"](work, "fp32", 16)
    assert not reuse_bytes(work, nodes, np.ones(len(nodes.form))).any()


def test_a_cache_keeps_at_most_its_size():
    assert missed(np.array([0.0, 50.0, 100.0, 400.0]), 100.0).tolist() == [0, 0, 0, 0.75]
