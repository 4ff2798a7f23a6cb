# SPDX-License-Identifier: Apache-2.0
"""Verification finds what is planted: which executor, how many integers, which layer first."""

import numpy as np
import pytest
from hls_networks import Builder, corner_images

from hls.executors import GoldenExecutor, Tracer
from hls.verify import Divergence, first_divergence, verify
from hwsim import reference, serial
from hwsim.errors import InputError, VerifyError
from hwsim.fixed import FixedPoint

S8 = FixedPoint(8, 4, True, "RND_CONV", "SAT")
W6 = FixedPoint(6, 5)


@pytest.fixture(scope="module")
def made():
    b = Builder((2, 5, 5), S8)
    t = b.conv("x", 3, (3, 3), S8, W6)
    t = b.add("relu", t, FixedPoint(6, 4, False, "RND_CONV", "SAT"))
    t = b.add("flatten", t, FixedPoint(6, 4, False, "RND_CONV", "SAT"))
    network, weights = b.build(b.dense(t, 4, FixedPoint(16, 8, True, "RND_CONV", "SAT"), W6))
    return network, weights, corner_images(network, 20)


class Faulty:
    """The golden executor with one weight changed; cannot look inside."""

    def __init__(self, network, weights, name):
        self.inner = GoldenExecutor(
            network,
            {**weights, name: weights[name] + (np.arange(weights[name].size) == 5).reshape(weights[name].shape)},
        )

    def predict(self, x):
        return self.inner.predict(x)


class FaultyTracer(Faulty):
    def trace(self, x):
        return self.inner.trace(x)


def test_equal_executors_are_exact(made):
    network, weights, images = made
    report = verify(network, weights, images, {"golden": GoldenExecutor(network, weights)})
    assert report.is_exact
    assert report.require() is report
    one = report.comparisons[0]
    assert (one.executor, one.images, one.outputs, one.mismatches, one.max_difference) == ("golden", 20, 80, 0, 0)
    assert str(one) == "golden: 80 integers of 20 images equal the golden executor's"


def test_a_wrong_executor_is_counted_integer_by_integer(made):
    network, weights, images = made
    wrong = Faulty(network, weights, "w4")
    report = verify(network, weights, images, {"golden": GoldenExecutor(network, weights), "faulty": wrong})
    expected = np.abs(wrong.predict(images) - reference.execute(network, weights, images))
    one = report.comparisons[1]
    assert not report.is_exact
    assert one.mismatches == np.count_nonzero(expected) > 0
    assert one.max_difference == expected.max()
    assert one.first_image == np.argmax((expected != 0).any(axis=1))
    assert one.divergence is None


@pytest.mark.parametrize(("weight", "layer", "op"), [("w1", "conv2d1", "conv2d"), ("w4", "dense4", "dense")])
def test_the_layer_with_the_fault_is_named(weight, layer, op, made):
    network, weights, images = made
    executor = FaultyTracer(network, weights, weight)
    assert isinstance(executor, Tracer)
    report = verify(network, weights, images, {"faulty": executor})
    at = report.comparisons[0].divergence
    assert at is not None
    assert (at.layer, at.tensor, at.inputs_agree) == (layer, f"{layer}.out", True)
    image = images[at.image : at.image + 1]
    assert at.expected == reference.trace(network, weights, image)[at.tensor][0][at.index]
    assert at.got == executor.trace(image)[at.tensor][0][at.index] != at.expected
    with pytest.raises(VerifyError) as error:
        report.require()
    text = str(error.value)
    assert text.startswith(f"net: faulty: {report.comparisons[0].mismatches} of 80 integers differ by up to ")
    place = f"first differing layer: {layer}, {at.tensor}{list(at.index)}: got {at.got}, expected {at.expected}"
    assert place in text
    assert text.endswith("the result cannot be trusted; report the network")


def test_a_trace_with_gaps_still_names_the_first_tensor_it_knows(made):
    network, weights, images = made
    golden = reference.trace(network, weights, images[8:9])
    broken = {"relu2.out": golden["relu2.out"].copy(), "dense4.out": golden["dense4.out"] + 1}
    broken["relu2.out"][0, 1, 2, 0] ^= 1
    found = first_divergence(network, golden, broken, image=8)
    value = int(golden["relu2.out"][0, 1, 2, 0])
    assert found == Divergence("relu2", "relu2.out", 8, (1, 2, 0), value, value ^ 1, 1, inputs_agree=False)
    assert first_divergence(network, golden, {"relu2.out": golden["relu2.out"]}) is None


def test_outputs_of_another_shape_are_refused(made):
    network, weights, images = made

    class Short:
        def predict(self, x):
            return np.zeros((len(x), 3), dtype=np.int64)

    with pytest.raises(VerifyError, match=r"short gave outputs of shape \(20, 3\); expected \(20, 4\)"):
        verify(network, weights, images, {"short": Short()})


def test_no_images_are_refused(made):
    network, weights, images = made
    with pytest.raises(InputError, match="got no images to verify with; expected at least one"):
        verify(network, weights, images[:0], {})


def test_a_report_is_a_record(made):
    network, weights, images = made
    report = verify(network, weights, images, {"faulty": FaultyTracer(network, weights, "w1")})
    assert serial.from_json(type(report), serial.to_json(report)) == report
