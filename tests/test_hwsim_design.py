# SPDX-License-Identifier: Apache-2.0
import pytest

from hwsim import serial
from hwsim.design import Design, Folding
from hwsim.errors import InputError


def test_a_design_survives_json():
    design = Design("0" * 16, "pynq-z2", 100.0, folding={"conv1": Folding(2, 4, 8)}, fifo_depths={"t": 32})
    assert serial.from_json(Design, serial.to_json(design)) == design


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Folding(pe=0), "folding: got pe=0; expected a whole number >= 1"),
        (lambda: Folding(strategy="resorce"), "folding: unknown strategy 'resorce'; did you mean 'resource'"),
        (lambda: Design("", "b", 0.0), "design: got clock_mhz=0.0; expected a number > 0"),
        (lambda: Design("", "b", float("nan")), "design: got clock_mhz=nan; expected a number > 0"),
        (lambda: Design("", "b", float("inf")), "design: got clock_mhz=inf; expected a number > 0"),
        (lambda: Design("", "b", 1.0, io_type="io_steam"), "unknown io_type 'io_steam'; did you mean 'io_stream'"),
        (lambda: Design("", "b", 1.0, backend="Vits"), "unknown backend 'Vits'; did you mean 'Vitis'"),
    ],
)
def test_impossible_designs_are_refused(make, message):
    with pytest.raises(InputError) as error:
        make()
    assert message in str(error.value)
