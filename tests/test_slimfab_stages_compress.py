# SPDX-License-Identifier: Apache-2.0
"""Budgets are met at no less than the widths that are deployed."""

import pytest

from slimfab.recipe import LayerWidths, QuantiseSection
from slimfab.stages.compress import deployed_bits


@pytest.mark.parametrize(
    ("section", "bits"),
    [
        (QuantiseSection(weight_width=4, activation_width=5, operand_width=3), 5),
        (QuantiseSection(weight_width=4, activation_width=5, operand_width=6), 6),
        (QuantiseSection(weight_width=4, activation_width=4, operand_width=4, last_width=9), 9),
        (QuantiseSection(overrides={"head": LayerWidths(activation_width=11)}), 11),
    ],
)
def test_the_widest_number_counts(section, bits):
    assert deployed_bits(section) == bits
