# SPDX-License-Identifier: Apache-2.0
"""The stages of a run, one file per subject. Each is ``f(run) -> summary`` and writes into its own folder."""
