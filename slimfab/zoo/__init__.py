# SPDX-License-Identifier: Apache-2.0
"""Reference networks: plain ``torch.nn`` modules that every part of slimfab is tried on.

``ZOO`` names them, ``build`` makes one with seeded weights:

>>> from slimfab import zoo
>>> module = zoo.build("resnet8", in_shape=(1, 28, 28), classes=10, seed=0)

A network ends in logits: a softmax changes no decision and costs hardware. To add a network, write its builder in
a file of this folder and file a :class:`ZooNetwork` under its name; the tests then run on it by themselves.
"""

from slimfab.zoo import ds_cnn, mlp, mobilenet, resnet, vgg
from slimfab.zoo.entry import ZOO, Published, ZooNetwork, build

__all__ = ["ZOO", "Published", "ZooNetwork", "build", "ds_cnn", "mlp", "mobilenet", "resnet", "vgg"]
