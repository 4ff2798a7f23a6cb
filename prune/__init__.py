# SPDX-License-Identifier: Apache-2.0
"""Decide which channels of a network to remove, remove them, and fine-tune what is left.

>>> from prune import prune
>>> small = prune(model, (1, 28, 28), budget={"macs": 0.5})
>>> small.module            # the same class with fewer channels; train it with quant.train.fit
>>> small.save("build/small")
>>> rebuild(builder, "build/small/choice.json", "build/small/weights.safetensors")

A method (:data:`METHODS`) is a composition. A criterion scores channels (:data:`CRITERIA`) or a selector chooses sets
of them (:data:`SELECTORS`); an allocator says in which order layers give (:data:`ALLOCATORS`), a budget in any cost
field says how many (:mod:`prune.budget`), a schedule in how many steps (:data:`SCHEDULES`). An update says what becomes
of the next layers' weights (:data:`UPDATES`), a regulariser (:data:`REGULARISERS`) or soft pruning (:mod:`prune.soft`)
takes part in training, and surgery removes the channels (:mod:`prune.surgery`).
"""

from prune.allocate import ALLOCATORS
from prune.api import Pruned, prune
from prune.budget import Bounds, Change
from prune.choice import Choice, load_choice, save_choice
from prune.criteria import CRITERIA, Context
from prune.groups import ChannelGroup, Member, all_groups, channel_groups
from prune.methods import METHODS, Method
from prune.recalibrate import recalibrate
from prune.regularise import REGULARISERS
from prune.samples import Samples
from prune.schedule import SCHEDULES
from prune.selectors import SELECTORS
from prune.store import rebuild, save
from prune.surgery import mask, shrink
from prune.take import UPDATES
from prune.traced import prune_traced

__all__ = [
    "ALLOCATORS",
    "CRITERIA",
    "METHODS",
    "REGULARISERS",
    "SCHEDULES",
    "SELECTORS",
    "UPDATES",
    "Bounds",
    "Change",
    "ChannelGroup",
    "Choice",
    "Context",
    "Member",
    "Method",
    "Pruned",
    "Samples",
    "all_groups",
    "channel_groups",
    "load_choice",
    "mask",
    "prune",
    "prune_traced",
    "rebuild",
    "recalibrate",
    "save",
    "save_choice",
    "shrink",
]
