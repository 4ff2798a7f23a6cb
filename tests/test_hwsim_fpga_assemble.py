# SPDX-License-Identifier: Apache-2.0
import pytest
from cost_networks import LAW, Draft, ad08, networks, resnet8, rn06, rn07
from hypothesis import given
from hypothesis import strategies as st

from hwsim import device, targets
from hwsim.design import Design, Folding
from hwsim.errors import InputError
from hwsim.fpga.assemble import estimate_folded, estimate_hls4ml

PYNQ = device.load("pynq-z2")


def designed(network, reuse_factors, strategy="resource"):
    named = [layer.name for layer in network.layers if layer.op in ("conv2d", "dense")]
    folding = {name: Folding(reuse_factor=reuse, strategy=strategy)
               for name, reuse in zip(named, reuse_factors, strict=True)}  # fmt: skip
    return Design(network.hash, "pynq-z2", 100.0, folding=folding)


@pytest.mark.parametrize(
    ("network", "reuse_factors", "latency_us", "energy_uj"),
    [
        # Measured on the Pynq-Z2 at 100 MHz.  RN07, AD08: github:mlcommons/tiny_results_v0.7, open/hls4ml-finn;
        # RN06: github:mlcommons/tiny_results_v0.5, open/hls4ml (no energy).
        (rn07(), (96, 2048, 2048, 16384, 16384, 20480), 27_325, 44_191),
        (ad08(), (128, 144, 144, 144, 144, 144), 18.74, 30.0),
        (rn06(), (864, 9216, 9216, 20480), 7_897, None),
    ],
)
def test_measured_boards_are_within_the_error_bar(network, reuse_factors, latency_us, energy_uj):
    found = estimate_hls4ml(network, PYNQ, design=designed(network, reuse_factors))
    assert found.latency_us.low <= latency_us <= found.latency_us.high
    assert found.latency_us.value == pytest.approx(latency_us, rel=0.15)
    if energy_uj:
        assert found.energy_uj.low <= energy_uj <= found.energy_uj.high


def test_the_place_and_route_report_of_the_camera_demo_is_within_the_error_bar():
    # github:fastmachinelearning/hls4ml-live-demo, camera_demo_overlay: 20,386 LUT, 30,289 FF, no DSP
    network = rn06()
    found = estimate_hls4ml(network, PYNQ, design=designed(network, (864, 9216, 9216, 20480)))
    assert found.resources.lut.low <= 20_386 <= found.resources.lut.high
    assert found.resources.ff.low <= 30_289 <= found.resources.ff.high
    assert found.resources.dsp.value == 0


@pytest.mark.parametrize(("bits", "lut", "ff", "dsp"), [(16, 123_948, 43_435, 5_386), (6, 118_931, 30_702, 0)])
def test_logic_synthesis_of_the_svhn_networks_is_within_the_error_bar(bits, lut, ff, dsp):
    # hls4ml-tutorial part 6, io_stream, latency, reuse factor 1; half of the weights are zero: half of the products.
    # The 353 DSP blocks of the 6-bit network are its 16-bit first layer and softmax, which this copy does not have.
    draft = Draft(3, 32, 32, weights=bits, activations=bits)
    for width in (16, 16, 24):
        draft.conv(width, 3, 1, (0,) * 4)
        draft.relu()
        draft.max_pool()
    draft.layer("flatten")
    for width in (42, 64, 10):
        draft.dense(width)
        draft.relu()
    network = draft.network()
    named = [layer.name for layer in network.layers if layer.op in ("conv2d", "dense")]
    design = Design(network.hash, "u250", 200.0, folding=dict.fromkeys(named, Folding(strategy="latency")))
    found = estimate_hls4ml(network, device.load("u250"), design=design)
    half = {name: figure.scaled(0.5) for name, figure in found.resources.items()}
    assert half["lut"].low <= lut <= half["lut"].high
    assert half["ff"].low <= ff <= half["ff"].high
    assert half["dsp"].low <= dsp <= half["dsp"].high
    assert found.ii.value == 1028


def test_illegal_foldings_name_the_rule_and_the_nearest():
    network = resnet8()
    with pytest.raises(
        InputError,
        match="conv2d1: reuse_factor=10 must divide 27 inputs, or be 27 times a divisor of 16 outputs; nearest: 9, 27",
    ):
        estimate_hls4ml(network, PYNQ, design=Design(network.hash, "pynq-z2", 100.0,
                                                     folding={"conv2d1": Folding(reuse_factor=10)}))  # fmt: skip
    with pytest.raises(InputError, match="conv2d1: pe=12 must divide 16 output channels; nearest: 8, 16"):
        estimate_folded(network, PYNQ, design=Design(network.hash, "pynq-z2", 100.0,
                                                     folding={"conv2d1": Folding(pe=12)}))  # fmt: skip
    with pytest.raises(InputError, match="conv2d1: got memory 'ultra'; expected auto, logic, distributed, block"):
        estimate_folded(network, PYNQ, design=Design(network.hash, "pynq-z2", 100.0,
                                                     folding={"conv2d1": Folding(memory="ultra")}))  # fmt: skip
    with pytest.raises(InputError, match="conv2d1: simd=4 must divide 3 inputs per position; nearest: 3"):
        estimate_folded(network, PYNQ, design=Design(network.hash, "pynq-z2", 100.0,
                                                     folding={"conv2d1": Folding(simd=4)}))  # fmt: skip


def test_the_latency_strategy_takes_any_reuse_factor():
    network = ad08()
    assert estimate_hls4ml(network, PYNQ, design=designed(network, (10,) * 6, "latency")).cycles.value > 0


def test_a_folding_of_an_unknown_layer_names_the_nearest():
    network = resnet8()
    design = Design(network.hash, "pynq-z2", 100.0, folding={"conv2d_1": Folding()})
    with pytest.raises(InputError, match="design: folding of unknown layer 'conv2d_1'; did you mean 'conv2d1'"):
        estimate_hls4ml(network, PYNQ, design=design)


def test_layers_without_folding_get_the_smallest_hardware():
    network = rn06()
    given_all = estimate_hls4ml(network, PYNQ, design=designed(network, (27 * 32, 9216, 9216, 20480)))
    assert estimate_hls4ml(network, PYNQ, design=Design(network.hash, "pynq-z2", 100.0)).cycles == given_all.cycles


def test_float_networks_are_costed_as_16_bits_and_the_note_says_so():
    found = estimate_hls4ml(resnet8(None, None), PYNQ)
    assert any("not quantised: costed as 16-bit fixed point" in note for note in found.notes)
    assert not any("not quantised" in note for note in estimate_hls4ml(resnet8(), PYNQ).notes)


def test_the_dsp_bar_covers_both_choices_where_the_tool_decides():
    dsp = estimate_hls4ml(resnet8(8, 8), PYNQ).resources.dsp
    assert dsp.low == dsp.value == 0 < dsp.high
    sure = estimate_hls4ml(resnet8(4, 4), PYNQ).resources.dsp
    assert sure.low == sure.high == 0


def test_boards_with_measured_power_and_without_say_which():
    measured, modelled = estimate_hls4ml(resnet8(), PYNQ), estimate_hls4ml(resnet8(), device.load("zcu104"))
    assert "board power x time" in measured.notes[-1]
    assert measured.power_w.value == 1.62
    assert "no measured power" in modelled.notes[-1]
    assert modelled.power_w.value > device.load("zcu104")["power_static_w"]


def test_batches_stream():
    network = resnet8()
    one, ten = (targets.estimate(network, "fpga:pynq-z2", batch) for batch in (1, 10))
    assert ten.cycles.value == pytest.approx(one.cycles.value + 9 * one.ii.value)
    assert ten.energy_uj.value < one.energy_uj.value


@LAW
@given(networks(), st.sampled_from(("fpga:pynq-z2", "fpga:zcu104/folded")), st.floats(20, 300))
def test_a_faster_clock_is_never_slower_in_time(network, target, clock):
    slow, fast = (targets.estimate(network, target, design=_at(targets.design(network, target), mhz))
                  for mhz in (clock, 2 * clock))  # fmt: skip
    assert fast.latency_us.value <= slow.latency_us.value
    assert slow.resources == fast.resources


def _at(design, clock_mhz):
    return Design(design.network_hash, design.device, clock_mhz, design.io_type, design.backend, design.folding,
                  design.fifo_depths)  # fmt: skip


@LAW
@given(networks(), st.sampled_from(("fpga:pynq-z2", "fpga:pynq-z2/folded")))
def test_the_interval_covers_every_stage_and_the_work(network, target):
    found = targets.estimate(network, target)
    busiest = max(layer.cycles for layer in found.layers)
    assert found.ii.value >= busiest
    assert found.cycles.value >= found.ii.value
    stages = sum(layer.resources.lut.value for layer in found.layers)
    assert found.resources.lut.value >= stages


def test_designs_unlike_those_that_were_measured_are_named():
    def beyond(network):
        notes = estimate_hls4ml(network, PYNQ).notes
        return [
            note.split("measured: ")[1] for note in notes if note.startswith("outside of the designs on which bars")
        ]

    assert beyond(resnet8(8, 8)) == []
    (found,) = beyond(resnet8(4, 4))
    assert found.startswith("conv2d1, ")
    assert found.endswith(" (not 6 to 16 bits)")
    assert beyond(ad08()) == ["io_parallel"]
    assert not any("outside of the designs" in note for note in estimate_folded(resnet8(4, 4), PYNQ).notes)
