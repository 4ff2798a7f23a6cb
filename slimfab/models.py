# SPDX-License-Identifier: Apache-2.0
"""Finding the network a user names: in the zoo, in their own Python code, in an ONNX file or in a saved folder."""

import importlib
import importlib.util
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hwsim.errors import InputError, ModelFileError, ToolMissing, UnknownNameError
from hwsim.network import Network, Weights, load

if TYPE_CHECKING:
    from torch import nn

_PICKLES = (".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".bin")


@dataclass(frozen=True)
class Model:
    """A network with its weights, and the torch module it came from, if any."""

    name: str
    network: Network
    weights: Weights
    module: "nn.Module | None" = None


def load_model(source: str, shape: tuple[int, ...] | None = None, options: Mapping[str, Any] | None = None) -> Model:
    """Load what ``source`` names.

    Args:
        source: a zoo name, ``package.module:function`` or ``file.py:function`` returning an nn.Module, a ``.onnx``
            file, or a folder with ``network.json``.
        shape: input shape without batch, for torch modules (zoo networks have one of their own).
        options: keyword arguments of the builder.

    Raises:
        InputError: nothing of that name, or it cannot be imported; the message names the layer.
        ToolMissing: a package is needed that is not installed.
    """
    path = Path(source)
    if path.suffix.lower() in _PICKLES:
        raise ModelFileError(
            f"{source}: is a pickle, which can run code when opened and is never read; export the network to ONNX, or "
            "name the Python function that builds it (module:function) and give weights as safetensors"
        )
    if path.suffix.lower() == ".onnx":
        from hwsim.importers.onnx import import_onnx

        network, weights = import_onnx(path)
        return Model(path.stem, network, weights)
    if path.is_dir():
        network, weights = load(path)
        return Model(network.name, network, weights)
    module, shape = build_module(source, shape, options or {})
    from hwsim.importers.torch import import_torch

    network, weights = import_torch(module, shape, name=source.split(":")[-1])
    return Model(source, network, weights, module)


def build_module(
    source: str, shape: tuple[int, ...] | None, options: Mapping[str, Any], classes: int | None = None, seed: int = 0
) -> tuple["nn.Module", tuple[int, ...]]:
    """Build the torch module that ``source`` names, and say which input shape it takes.

    Raises:
        InputError: no such network or function, or no shape is known.
        ToolMissing: torch is not installed.
    """
    require_torch()
    if ":" in source:
        module = _call(source, options)
        if shape is None:
            raise InputError(f"{source}: the input shape is not known; give it, for example --input 1x28x28")
        return module, shape
    from slimfab import zoo

    if source not in zoo.ZOO:
        raise UnknownNameError(
            f"{_unknown(source)}; a model is a zoo name, module:function, file.py:function, a .onnx file or a folder"
        )
    return zoo.build(source, shape, classes, seed=seed, options=options), shape or zoo.ZOO[source].in_shape


def require_torch() -> None:
    """Say in one line what to install where torch is missing.

    Raises:
        ToolMissing: torch cannot be imported.
    """
    if importlib.util.find_spec("torch") is None:
        raise ToolMissing("torch is not installed; it is needed to build modules; pip install 'slimfab[torch]'")


def _unknown(source: str) -> str:
    from slimfab import zoo

    if Path(source).is_file():
        return f"{source}: '{Path(source).suffix}' files are not read"
    if "/" in source or "." in source:
        return f"{source}: no such file"
    try:
        zoo.ZOO[source]
    except UnknownNameError as error:
        return str(error)
    return source


def _call(source: str, options: Mapping[str, Any]) -> "nn.Module":
    from torch import nn

    place, _, name = source.rpartition(":")
    namespace = _import_file(Path(place)) if place.endswith(".py") else _import_module(place)
    function = getattr(namespace, name, None)
    if not callable(function):
        raise UnknownNameError(f"{source}: {place} has no function '{name}'; check the name after the colon")
    try:
        module = function(**options)
    except TypeError as error:
        raise InputError(f"{source}: cannot be called with options {dict(options)} ({error})") from error
    if not isinstance(module, nn.Module):
        raise InputError(f"{source}: returned {type(module).__name__}; expected a torch.nn.Module")
    return module


def _import_module(name: str) -> Any:
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))  # as `python -m` does, so that the user's own code is found
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise InputError(f"{name}: cannot be imported ({error}); run from the folder that holds it") from error


def _import_file(path: Path) -> Any:
    if not path.is_file():
        raise InputError(f"{path}: no such file; check the path before the colon")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise InputError(f"{path}: cannot be imported as Python; expected a .py file")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # whatever the user's module raises at import
        raise InputError(f"{path}: fails when imported ({type(error).__name__}: {error})") from error
    return module
