# SPDX-License-Identifier: Apache-2.0
"""Every error slimfab raises on purpose.

    SlimfabError                 the command line prints it as one line and exits with code 2
    ├── InputError               something the caller gave us is wrong (also a ValueError)
    │   ├── RecipeError          a recipe or configuration file
    │   ├── FormatError          a number format: width, rounding, overflow
    │   ├── NetworkError         a network that is not well formed
    │   ├── UnsupportedError     a layer or operator we refuse because we cannot make it exact
    │   ├── DatasetError         a missing, corrupt or unsuitable data set
    │   ├── WeightsError         weights that are missing, of the wrong shape, or not finite
    │   ├── ModelFileError       a model file that cannot be read
    │   ├── DeviceError          a device or board description
    │   ├── BundleError          a bundle for a board that cannot be trusted
    │   └── UnknownNameError     a name that no registry knows
    ├── BudgetError              a budget that cannot be met
    ├── ToolError                an external tool
    │   ├── ToolMissing          … is not installed
    │   └── ToolFailed           … ran and failed
    ├── BoardError               a board failed, or cannot be reached
    ├── VerifyError              two executors disagree
    └── OutputError              a result cannot be written

A message is one line and says where, what was found, what was expected, and what to do about it:
``conv2: pe=12 must divide 64 output channels; nearest: 8, 16``.
"""


class SlimfabError(Exception):
    """Base of all errors raised on purpose."""


class InputError(SlimfabError, ValueError):
    """Something the caller gave us is wrong."""


class RecipeError(InputError):
    """A recipe or configuration file is wrong."""


class FormatError(InputError):
    """A number format is impossible."""


class NetworkError(InputError):
    """A network is not well formed."""


class UnsupportedError(InputError):
    """A layer or operator is refused because it cannot be made exact."""


class DatasetError(InputError):
    """A data set is missing, corrupt or unsuitable."""


class WeightsError(InputError):
    """Weights are missing, of the wrong shape, or not finite."""


class ModelFileError(InputError):
    """A model file cannot be read."""


class DeviceError(InputError):
    """A device or board description is wrong."""


class BundleError(InputError):
    """A bundle for a board is damaged, stale, hostile, or for another board."""


class UnknownNameError(InputError):
    """A name that no registry knows."""


class BudgetError(SlimfabError):
    """A budget cannot be met."""


class ToolError(SlimfabError):
    """An external tool is the problem."""


class ToolMissing(ToolError):
    """An external tool is not installed."""


class ToolFailed(ToolError):
    """An external tool ran and failed."""


class BoardError(SlimfabError):
    """A board failed, or cannot be reached.

    ``kind`` is the driver's name of the error (:mod:`boards.driver.errors`), ``results`` what came before it.
    """

    def __init__(self, message: str, kind: str = "BoardError", results: object = None) -> None:
        super().__init__(message)
        self.kind, self.results = kind, results


class VerifyError(SlimfabError):
    """Two executors of the same network disagree."""


class OutputError(SlimfabError):
    """A result cannot be written."""
