# SPDX-License-Identifier: Apache-2.0
"""The note about HLS's own report: what it sums, and when it says that it does not know."""

from cost_networks import Draft, resnet8

from hwsim import device
from hwsim.design import Design, Folding
from hwsim.fpga.assemble import estimate_folded, estimate_hls4ml

HEAD = "HLS reports before logic synthesis, dense layers: "


def notes(*widths: int, reuse: tuple[int, ...], weights: int = 8, activations: int = 16) -> list[str]:
    draft = Draft(widths[0], weights=weights, activations=activations)
    for width in widths[1:]:
        draft.dense(width)
    network = draft.network()
    named = [layer.name for layer in network.layers if layer.op == "dense"]
    folding = {name: Folding(reuse_factor=factor) for name, factor in zip(named, reuse, strict=True)}
    design = Design(network.hash, "u250", 200.0, io_type="io_parallel", folding=folding)
    return list(estimate_hls4ml(network, device.load("u250"), design=design).notes)


def figures(text: str) -> dict[str, list[int]]:
    """{resource: [value, low, high]} of a note."""
    parts = text.removeprefix(HEAD).split(";")[0].replace("(", "").replace(")", "").replace(" to", "").split(", ")
    return {name: [int(number) for number in numbers] for name, *numbers in (part.split(" ") for part in parts)}


def test_a_report_of_known_layers_is_within_the_note():
    # github:Dendendelen/wa-hls4ml-search, results_resource.csv: 96 inputs, 128 outputs, 8 bits, reuse factor 768
    (found,) = [text for text in notes(96, 128, reuse=(768,)) if text.startswith(HEAD)]
    assert "outside" not in found
    for name, reported in {"LUT": 21938, "FF": 2413, "DSP": 16, "BRAM18": 8}.items():
        value, low, high = figures(found)[name]
        assert low <= value <= high
        assert abs(value - reported) <= 0.002 * reported


def test_layers_add_up():
    first, second, both = (
        figures(next(text for text in made if text.startswith(HEAD)))
        for made in (notes(96, 128, reuse=(768,)), notes(128, 64, reuse=(512,)), notes(96, 128, 64, reuse=(768, 512)))
    )
    for name, (value, _, _) in both.items():
        assert abs(value - first[name][0] - second[name][0]) <= 1


def test_layers_outside_the_calibration_are_named():
    (found,) = [text for text in notes(784, 64, 32, reuse=(784, 512), activations=8) if text.startswith(HEAD)]
    assert found.endswith(
        "outside the calibrated range, error bars do not hold: dense1 (n_in, input_bits), dense2 (input_bits)"
    )


def test_streams_and_other_mappings_have_no_such_note():
    board = device.load("pynq-z2")
    for found in (estimate_hls4ml(resnet8(), board), estimate_folded(resnet8(), board)):
        assert not any(text.startswith(HEAD) for text in found.notes)
