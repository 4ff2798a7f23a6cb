# SPDX-License-Identifier: Apache-2.0
"""The commands of ``slimfab``, a file by what they are about: each a thin layer over a function for Python users."""
