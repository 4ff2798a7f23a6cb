# SPDX-License-Identifier: Apache-2.0
"""Augmentation moves pixels, changes none, and depends on its generator alone."""

import torch

from quant.augment import Augment, Compose, Flip, Shift

X = torch.arange(64 * 2 * 5 * 6, dtype=torch.float32).reshape(64, 2, 5, 6) + 1


def run(augment: Augment, seed: int = 0) -> torch.Tensor:
    return augment(X, torch.Generator().manual_seed(seed))


def test_flip_mirrors_about_half_of_the_images() -> None:
    y = run(Flip())
    mirrored = [torch.equal(a, b.flip(2)) for a, b in zip(y, X, strict=True)]
    kept = [torch.equal(a, b) for a, b in zip(y, X, strict=True)]
    assert all(a != b for a, b in zip(mirrored, kept, strict=True))
    assert 16 < sum(mirrored) < 48


def test_shift_moves_whole_images_and_brings_in_zeros() -> None:
    seen = set()
    for image, original in zip(run(Shift(2)), X, strict=True):
        row, column = divmod(int((original[0] == image[0].max()).nonzero()[0] @ torch.tensor([6, 1])), 6)
        position = (image[0] == image[0].max()).nonzero()[0].tolist()
        down, right = position[0] - row, position[1] - column
        expected = torch.zeros_like(original)
        expected[:, max(0, down) : 5 + min(0, down), max(0, right) : 6 + min(0, right)] = original[
            :, max(0, -down) : 5 - max(0, down), max(0, -right) : 6 - max(0, right)
        ]
        assert torch.equal(image, expected)
        seen.add((down, right))
    assert len(seen) > 15  # of 25 positions, in 64 draws
    assert max(max(abs(d), abs(r)) for d, r in seen) == 2


def test_the_generator_decides() -> None:
    for augment in (Flip(), Shift(2), Compose((Flip(), Shift(1)))):
        assert torch.equal(run(augment, 1), run(augment, 1))
        assert not torch.equal(run(augment, 1), run(augment, 2))


def test_compose_runs_in_order() -> None:
    generator = torch.Generator().manual_seed(5)
    assert torch.equal(run(Compose((Flip(), Shift(1))), 5), Shift(1)(Flip()(X, generator), generator))
