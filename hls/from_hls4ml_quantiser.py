# SPDX-License-Identifier: Apache-2.0
"""HGQ's FixedPointQuantizer: a cast whose format may differ from element to element."""

from typing import Any

import numpy as np

from hls.from_hls4ml_draft import Draft
from hwsim.fixed import FixedPoint


def quantiser(draft: Draft, node: Any) -> None:
    """One format for all elements: two casts, the quantiser's own and the result type's."""
    view = draft.view(node)
    masks = [np.unique(np.asarray(mask)) for mask in node.mask_kbi]
    if any(len(mask) != 1 for mask in masks):
        raise draft.refuse(node, "a different format for every element", "one for all", "use one format per layer")
    signed, width, integer = (int(mask[0]) for mask in masks)
    fmt = FixedPoint(max(width, 1), width - integer, bool(signed), node.RND, node.SAT)
    tensor = draft.cast(f"{node.name}_own", view.tensor, fmt)
    draft.publish(node, draft.cast(node.name, tensor, draft.result(node)), view.order)
