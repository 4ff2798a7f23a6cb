# SPDX-License-Identifier: Apache-2.0
"""The front door: recipes, the run flow, checks, comparison, reports, model zoo and data sets."""
