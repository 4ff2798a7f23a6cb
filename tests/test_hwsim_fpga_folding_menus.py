# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from hwsim import device, targets
from hwsim.errors import BudgetError
from hwsim.fpga.folding import RESOURCES, Goal, all_options, fastest_uniform, menus
from hwsim.fpga.hls4ml import legal_reuse_factors
from hwsim.fpga.stages import pipeline
from hwsim.importers.torch import import_torch
from slimfab import zoo

BOARD = device.load("pynq-z2")


def network(widths=(4, "M", 6), bits=8):
    model = zoo.build("vgg_tiny", (1, 8, 8), 3, seed=0, options={"widths": widths})
    return import_torch(model, (1, 8, 8))[0].with_bits(bits)


def test_a_menu_lists_the_foldings_of_its_variants():
    stages = pipeline(network())
    narrow = pipeline(network((2, "M", 6)))
    found = menus(stages, list(zip(stages.stages, narrow.stages, strict=True)), BOARD, "folded", "io_stream")
    for number, one in enumerate((stages, narrow)):
        options = all_options(one, "folded", "io_stream")
        for stage, menu in enumerate(found):
            rows, own = menu.variant == number, options.stage == stage
            assert menu.busy[rows].tolist() == options.cost.busy[own].tolist()
            for column, name in enumerate(RESOURCES):
                assert np.allclose(menu.used[rows, column] * BOARD[name], getattr(options.cost, name)[own], rtol=1e-12)


def test_a_pace_leaves_what_keeps_up_and_the_fastest_of_what_cannot():
    stages = pipeline(network())
    (menu,) = menus(stages, [[one] for one in stages.stages], BOARD, "folded", "io_stream")[:1]
    for pace in (0.0, *np.unique(menu.busy)):
        kept = menu.within(pace, np.inf)
        assert (kept.busy <= max(pace, menu.busy.min())).all()
        rows = menu.used[menu.busy <= max(pace, menu.busy.min())]
        for used in rows:  # whatever was left out, a row that was kept takes no more of anything
            assert (kept.used <= used).all(axis=1).any()
    assert len(menu.within(np.inf, menu.busy.min() - 1).busy) == 0


def test_the_uniform_reuse_factor_is_the_smallest_that_fits():
    wide = network((32, 64, "M", 64))
    design = fastest_uniform(wide, BOARD)
    estimate = targets.estimate(wide, "fpga:pynq-z2", design=design)
    assert all(estimate.field(name) <= BOARD[name] * BOARD["utilisation"] for name in RESOURCES)
    stages = {one.name: one for one in pipeline(wide).stages}
    common = {
        r for r in range(1, 10_000) if all(_near(stages[n], r) == f.reuse_factor for n, f in design.folding.items())
    }
    assert common
    smaller = {n: _near(stages[n], min(common) - 1) for n in design.folding}
    assert smaller != {name: folding.reuse_factor for name, folding in design.folding.items()}


def _near(stage, wanted):
    return min(legal_reuse_factors(stage, "io_stream"), key=lambda legal: (abs(legal - wanted), legal))


def test_without_a_reuse_factor_that_fits_it_says_so():
    with pytest.raises(BudgetError, match="no reuse factor for all layers fits pynq-z2; let each layer have its own"):
        fastest_uniform(network(), BOARD, Goal(budgets={"lut": 1000}))
