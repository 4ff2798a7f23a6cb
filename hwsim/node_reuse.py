# SPDX-License-Identifier: Apache-2.0
"""How much passes through the caches until the code of a node is needed again.

Networks are run again and again, and a node finds what its form's last run left, less what other nodes displaced. The
measure of that is the reuse distance (R. Mattson et al., "Evaluation techniques for storage hierarchies", IBM Systems
Journal 9(2), 1970). It is why the same dense layer takes two to three times as long behind convolutions as in a
perceptron where a runtime dispatches every node.
"""

import numpy as np

from hwsim.columns import Column
from hwsim.runtime_nodes import FORMS, Nodes
from hwsim.workload import Workload


def reuse_bytes(work: Workload, nodes: Nodes, moved: Column) -> Column:
    """Bytes moved since the last node of the same form, by each node too, (nodes,); 0 where nodes are not dispatched.

    Args:
        work: the kernels that the nodes belong to, of one network or of variants of one.
        nodes: see :mod:`hwsim.runtime_nodes`.
        moved: bytes that every node reads and writes, weights included, (nodes,).
    """
    if not nodes.dispatched or not len(moved):
        return np.zeros(len(moved))
    order = np.argsort(nodes.kernel, kind="stable")  # as they run
    variants: int = getattr(work, "count", 1)
    variant = nodes.kernel[order] // (len(work.kernels) // variants)
    passed = np.cumsum(moved[order])
    together = np.argsort(variant * len(FORMS) + nodes.form[order], kind="stable")  # nodes of a form side by side
    form, variant = nodes.form[order][together], variant[together]
    now = passed[together]
    first = np.flatnonzero(np.diff(variant * len(FORMS) + form, prepend=-1))
    last = np.append(first[1:], len(form)) - 1
    before = np.concatenate([[0.0], now[:-1]])
    # The first node of a form follows the last one of the run before.
    before[first] = now[last] - np.bincount(variant, weights=moved[order][together])[variant[first]]
    found = np.empty(len(moved))
    found[order[together]] = now - before
    return found


def missed(distance: Column, cache_bytes: float) -> Column:
    """The share of what is needed again after so many bytes that a cache has lost, (nodes,).

    Of a footprint that is used in turn, a cache that replaces lines at random keeps at most its own size.
    """
    return np.asarray(1 - np.minimum(1.0, cache_bytes / np.maximum(distance, 1.0)))
