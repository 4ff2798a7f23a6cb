# SPDX-License-Identifier: Apache-2.0
from cost_networks import LAW, Draft, networks, resnet8
from hypothesis import given

from hwsim.fixed import FixedPoint
from hwsim.fpga.stages import INVISIBLE, pipeline
from hwsim.network import Tensor


def test_a_residual_block_is_wired_by_position():
    draft = Draft(4, 8, 8)
    first = draft.conv(4)
    draft.conv(4)
    draft.layer("add", draft.last, first)
    stages = pipeline(draft.network()).stages
    assert [stage.sources for stage in stages] == [(), (0,), (1, 0)]
    assert [stage.readers for stage in stages] == [2, 1, 1]


def test_the_matrix_of_a_convolution_and_of_a_depthwise_one():
    draft = Draft(3, 8, 8)
    draft.conv(6, stride=2)
    draft.depthwise()
    conv, depthwise = pipeline(draft.network()).stages
    assert (conv.kind, conv.mw, conv.mh, conv.groups) == ("matrix", 27, 6, 1)
    assert (conv.padded_rows, conv.rows_out, conv.stride_rows, conv.pad_top) == (10, 4, 2, 1)
    assert (conv.padding_rows, depthwise.padding_rows) == (1, 2)  # the stride passes over the row at the bottom
    assert (depthwise.kind, depthwise.mw, depthwise.mh, depthwise.groups) == ("depthwise", 9, 1, 6)


def test_a_flattened_image_still_arrives_pixel_by_pixel():
    draft = Draft(3, 8, 8)
    draft.conv(5)
    draft.layer("flatten")
    draft.dense(7)
    dense = pipeline(draft.network()).stages[-1]
    assert (dense.channels_in, dense.rows_in, dense.columns_in, dense.mw, dense.mh) == (5, 8, 8, 320, 7)


def test_a_requantisation_is_the_output_type_of_the_stage_before_it():
    draft = Draft(3, 8, 8, weights=8, activations=8)
    conv = draft.conv(5)
    out = draft.layer("requantise")
    draft.tensors[conv] = Tensor(draft.tensors[conv].shape, FixedPoint(20, 12))
    draft.tensors[out] = Tensor(draft.tensors[out].shape, FixedPoint(5, 2))
    draft.relu()
    stages = pipeline(draft.network()).stages
    assert [stage.op for stage in stages] == ["conv2d", "relu"]
    assert stages[0].output_bits == 5
    assert stages[1].input_bits == 5


def test_float_networks_are_costed_as_16_bits():
    found = pipeline(resnet8(None, None))
    assert found.has_float
    assert {stage.input_bits for stage in found.stages} == {16}
    assert found.input_bits == 3 * 32 * 32 * 16


def test_vectors_have_no_images():
    draft = Draft(16)
    draft.dense(4)
    assert not pipeline(draft.network()).has_images
    assert pipeline(resnet8()).has_images


@LAW
@given(networks())
def test_every_visible_layer_is_a_stage_and_sources_come_before(network):
    stages = pipeline(network).stages
    assert [stage.name for stage in stages] == [layer.name for layer in network.layers if layer.op not in INVISIBLE]
    assert all(source < index for index, stage in enumerate(stages) for source in stage.sources)
    assert sum(stage.macs for stage in stages) == network.macs()
    assert all(stage.macs == stage.mw * stage.mh * stage.groups * stage.pixels_out for stage in stages)
