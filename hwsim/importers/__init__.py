# SPDX-License-Identifier: Apache-2.0
"""Ways into :class:`hwsim.network.Network` from other tools; each imports its tool only when it is called."""
