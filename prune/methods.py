# SPDX-License-Identifier: Apache-2.0
"""Published methods as compositions: a row of names each.

How units are chosen, what becomes of the weights behind them, which layers compete, in how many steps, what training
does before and while it happens – these words make a method, and every word has its registry. A method of your own is
``dataclasses.replace(METHODS["thinet"], selector="backward")``.
"""

from dataclasses import dataclass

from hwsim.registry import Registry


@dataclass(frozen=True, slots=True)
class Method:
    """One word per question.

    Attributes:
        criterion: what scores units one by one (:data:`prune.criteria.CRITERIA`).
        selector: what chooses them together instead, by the criterion's counts: a name of
            :data:`prune.selectors.SELECTORS`, or ``cluster``; "" takes the best by score.
        update: what becomes of the next layers' weights (:data:`prune.take.UPDATES`).
        allocator: which layers give how much (:data:`prune.allocate.ALLOCATORS`).
        schedule, steps: in how many steps the budget is reached (:data:`prune.schedule.SCHEDULES`); for soft methods,
            how the silenced share grows over the epochs.
        regulariser, strength: what the training before each step adds (:data:`prune.regularise.REGULARISERS`).
        soft: ``silence`` or ``merge``: what is done to the units that are to go after each epoch of a training in which
            they may come back (:mod:`prune.soft`).
        one_by_one: layers are cut one after the other, each chosen on the network as the cuts before left it.
        streams: whether channels that several layers make together may go.
        floor, cap: at least so many units stay in a layer, at most that share goes.
        source: where the method was published.
    """

    criterion: str = "l1"
    selector: str = ""
    update: str = "removal"
    allocator: str = "global"
    schedule: str = "one_shot"
    steps: int = 1
    regulariser: str = ""
    strength: float = 0.0
    soft: str = ""
    one_by_one: bool = False
    streams: bool = True
    floor: int = 2
    cap: float = 0.9
    source: str = ""


METHODS: Registry[Method] = Registry("pruning method")

_SLIMMING = "Liu et al., Learning Efficient Convolutional Networks through Network Slimming, ICCV 2017"
_THINET = "Luo et al., ThiNet, ICCV 2017"
_ASCP = "Niu et al., ASCP, arXiv:2206.08186; asymptotic schedule after ASFP, merge after Centripetal SGD (CVPR 2019)"
_SFP = "He et al., Soft Filter Pruning, IJCAI 2018; γ and β are silenced with the filter"

METHODS.register("magnitude")(Method(source="Li et al., Pruning Filters for Efficient ConvNets, ICLR 2017"))
METHODS.register("reconstruct")(
    Method(update="reconstruct", source="Channel Pruning, ICCV 2017, as AMC's candidates are repaired (ECCV 2018)")
)
METHODS.register("random")(Method(criterion="random", allocator="uniform", source="control"))
METHODS.register("fpgm")(Method(criterion="fpgm", allocator="uniform", source="He et al., FPGM, CVPR 2019"))
METHODS.register("taylor")(Method(criterion="taylor", allocator="global_raw", source="Molchanov et al., CVPR 2019"))
# One threshold on |γ| after training with L1 on γ. The authors cap what a layer loses at a half in each pass.
METHODS.register("slimming")(
    Method(criterion="bn_gamma", allocator="global_raw", regulariser="l1_gamma", strength=1e-4, source=_SLIMMING)
)
# Layer by layer, the next layer's weights scaled by least squares; block outputs of residual networks stay.
METHODS.register("thinet")(
    Method(selector="greedy", update="scale", allocator="uniform", one_by_one=True, streams=False, source=_THINET)
)
METHODS.register("thinet_omp")(
    Method(
        selector="omp",
        update="scale",
        allocator="uniform",
        one_by_one=True,
        streams=False,
        source="Luo et al., ThiNet, TPAMI 2019",
    )
)
METHODS.register("backward")(
    Method(
        selector="backward",
        update="scale",
        allocator="uniform",
        one_by_one=True,
        source="ThiNet's statistics with a selector that knows of least squares",
    )
)
METHODS.register("ascp")(
    Method(selector="cluster", update="merge", allocator="uniform", schedule="asymptotic", soft="merge", source=_ASCP)
)
METHODS.register("cluster")(
    Method(selector="cluster", update="merge", allocator="uniform", source="ASCP without its soft training")
)
METHODS.register("sfp")(Method(criterion="l2", allocator="uniform", schedule="constant", soft="silence", source=_SFP))
METHODS.register("asfp")(
    Method(criterion="l2", allocator="uniform", schedule="asymptotic", soft="silence", source="He et al., ASFP, 2020")
)
