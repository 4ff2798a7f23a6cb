# SPDX-License-Identifier: Apache-2.0
"""Blocks of zeros that are stated count as given ones do, on the hardware that leaves them out."""

import pytest
from cost_networks import Draft, resnet8

from hwsim import targets
from hwsim.errors import UnknownNameError
from hwsim.fpga.stages import pipeline
from hwsim.fpga.stated_zeros import drawn
from hwsim.sparsity import block, everywhere, n_m, unstructured

FOLDED = "fpga:pynq-z2/folded"


def test_blocks_save_cycles_and_only_cycles():
    network = resnet8().with_bits(8)
    dense, half, tenth = (
        targets.estimate(network, FOLDED, sparsity=everywhere(network, block(8, 8, share)) if share else None)
        for share in (0.0, 0.5, 0.1)
    )
    assert tenth.latency_us.value < half.latency_us.value < 0.9 * dense.latency_us.value
    assert half.resources == dense.resources
    assert half.notes[-1].startswith("zeros: block of 8 x 8, 50% kept, drawn at random")


def test_stated_blocks_are_weights_that_are_given():
    network = resnet8().with_bits(8)
    zeros = everywhere(network, block(4, 4, 0.3))
    stated = targets.estimate(network, FOLDED, sparsity=zeros)
    given = targets.estimate(network, FOLDED, weights=drawn(network, zeros))
    assert (stated.cycles, stated.ii, stated.latency_us) == (given.cycles, given.ii, given.latency_us)


def test_so_many_whole_blocks_are_kept_with_channels_innermost():
    draft = Draft(8, 6, 6)
    draft.conv(8)
    network = draft.network()
    (stage,) = pipeline(network).stages
    (mask,) = drawn(network, {stage.name: block(4, 8, 0.5)}).values()
    kept = mask.transpose(0, 2, 3, 1).reshape(2, 4, 9, 8)  # blocks of four filters and a position's channels
    whole = kept.reshape(2, 4, 9, 8).transpose(0, 2, 1, 3).reshape(18, 32)
    assert (whole == whole[:, :1]).all()
    assert mask.mean() == 0.5


def test_layers_of_flattened_images_have_blocks_within_a_position():
    draft = Draft(8, 3, 3)
    draft.layer("flatten")
    draft.dense(4)
    network = draft.network()
    (name,) = (stage.name for stage in pipeline(network).stages)
    (mask,) = drawn(network, {name: block(4, 8, 0.3)}).values()
    positions = mask.reshape(4, 8, 9)
    assert (positions == positions[:1, :1]).all()  # features are channel by channel in the tensor
    assert mask.mean() == 3 / 9


def test_other_patterns_change_nothing_but_notes():
    network = resnet8().with_bits(8)
    (first, second, *_) = everywhere(network, n_m(2, 4))
    found = targets.estimate(network, FOLDED, sparsity={first: n_m(2, 4), second: unstructured(0.5)})
    assert found.latency_us == targets.estimate(network, FOLDED).latency_us
    assert [note for note in found.notes if "saves nothing" in note] == list(found.notes[-2:])


def test_unknown_layers_are_refused():
    with pytest.raises(UnknownNameError, match="sparsity: no layer with weights 'conv9'"):
        targets.estimate(resnet8(), FOLDED, sparsity={"conv9": block(2, 2, 0.5)})
