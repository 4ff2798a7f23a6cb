# SPDX-License-Identifier: Apache-2.0
"""Index maps from weights to units: limits, counts and masks."""

import numpy as np
import pytest

from hwsim.errors import InputError, UnknownNameError
from prune.granularity import (
    GRANULARITIES,
    expand,
    keep_share,
    n_of_m,
    pattern_library,
    pattern_mask,
    unit_scores,
    units,
)

SHAPE = (8, 6, 3, 3)
RNG = np.random.default_rng(0)


def same_partition(a, b):
    pairs = {*zip(a.ravel().tolist(), b.ravel().tolist(), strict=True)}
    return len(pairs) == len(np.unique(a)) == len(np.unique(b))


@pytest.mark.parametrize("name", GRANULARITIES.names())
@pytest.mark.parametrize("shape", [SHAPE, (5, 7)])
def test_units_are_numbered_without_gaps(name, shape):
    index = units(name, shape, 4, 4)
    assert index.shape == shape
    assert np.unique(index).tolist() == list(range(index.max() + 1))


@pytest.mark.parametrize(
    ("name", "rows", "columns", "limit"),
    [
        ("block_punched", 1, 1, "element"),
        ("block_punched", 8, 6, "kernel_position"),
        ("unrolled", 8, 6, "kernel_position"),
        ("block_row", 1, 6, "filter"),
        ("block_column", 8, 1, "channel"),
        ("block_row", 1, 1, "kernel"),
        ("block_column", 1, 1, "kernel"),
        ("multiplier", 1, 1, "element"),
        ("multiplier", 6 * 9, 1, "filter"),
    ],
)
def test_limits_of_blocks(name, rows, columns, limit):
    assert same_partition(units(name, SHAPE, rows, columns), units(limit, SHAPE))


def test_counts_with_ragged_edges():
    assert units("block_punched", SHAPE, 3, 4).max() + 1 == 3 * 2 * 9
    assert units("multiplier", (4, 6), 5).max() + 1 == 5


def test_a_multipliers_weights_follow_one_another_in_hls4mls_order():
    index = units("multiplier", (2, 4, 1, 2), rows=4)
    # (filter, kernel column, channel): the four channels at one kernel position.
    assert index[0, :, 0, 0].tolist() == [0, 0, 0, 0]
    assert index[0, :, 0, 1].tolist() == [1, 1, 1, 1]
    assert index[1, 0, 0].tolist() == [2, 3]


def test_masks_keep_the_units_of_largest_norm():
    weight = RNG.normal(size=SHAPE)
    index = units("block_punched", SHAPE, 4, 3)
    scores = unit_scores(index, weight)
    assert scores[0] == pytest.approx(np.linalg.norm(weight[:4, :3, 0, 0]))
    keep = keep_share(scores, 0.25)
    assert keep.sum() == 9
    assert scores[keep].min() > scores[~keep].max()
    assert expand(index, keep).mean() == 0.25
    assert unit_scores(units("filter", SHAPE), weight, 1)[2] == pytest.approx(np.abs(weight[2]).sum())


def test_n_of_m_keeps_the_largest_of_every_run():
    weight = np.array([[1.0, -4, 3, 2, 0, 0, 5, 6]])
    assert n_of_m(weight, 2, 4).tolist() == [[False, True, True, False, False, False, True, True]]
    mask = n_of_m(RNG.normal(size=(4, 8, 3, 3)), 1, 4)
    assert mask.reshape(4, 2, 4, 3, 3).sum(axis=2).tolist() == np.ones((4, 2, 3, 3)).tolist()


def test_patterns_keep_the_centre_and_the_count_and_the_best_of_the_library():
    weight = RNG.normal(size=SHAPE)
    library = pattern_library(weight, kept=4, patterns=6)
    assert library.shape == (6, 3, 3)
    assert library.sum(axis=(1, 2)).tolist() == [4] * 6
    assert library[:, 1, 1].all()
    mask = pattern_mask(weight, library)
    energies = (weight[3, 2] ** 2 * library).sum(axis=(1, 2))
    assert (weight[3, 2][mask[3, 2]] ** 2).sum() == pytest.approx(energies.max())


def test_bad_arguments_are_refused():
    with pytest.raises(UnknownNameError, match="unknown pruning granularity 'blocks'"):
        units("blocks", SHAPE)
    with pytest.raises(InputError, match="element: got a weight of shape"):
        units("element", (3,))
    with pytest.raises(InputError, match="block_row: got blocks of 0x2; expected at least 1x1"):
        units("block_row", SHAPE, 0, 2)
    with pytest.raises(InputError, match="n_of_m: got 2:4 for 6 channels"):
        n_of_m(np.zeros(SHAPE), 2, 4)
    with pytest.raises(InputError, match="keep_share: got share=0"):
        keep_share(np.ones(3), 0)
