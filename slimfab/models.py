# SPDX-License-Identifier: Apache-2.0
"""Finding the network a user names: in the zoo, in their own Python code, in an ONNX file or in a saved folder."""

import importlib
import importlib.util
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hwsim.errors import InputError, ModelFileError, ToolMissing, UnknownNameError
from hwsim.network import Network, Weights, load
from hwsim.registry import suggest

if TYPE_CHECKING:
    from torch import nn

_PICKLES = (".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".bin")


@dataclass(frozen=True)
class Model:
    """A network with its weights, and the torch module or the file it came from, if any."""

    name: str
    network: Network
    weights: Weights
    module: "nn.Module | None" = None
    path: Path | None = None


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
    if is_torch(source):
        from hwsim.importers.torch import import_torch

        return _of_module(source, shape, options, import_torch)
    from hwsim.importers.onnx import import_onnx

    return _of_file(Path(source), import_onnx)


def load_for_estimates(
    source: str, shape: tuple[int, ...] | None = None, options: Mapping[str, Any] | None = None
) -> Model:
    """As :func:`load_model`, but what has no operator of ours becomes opaque layers, which estimates do not cover.

    Raises:
        InputError, ToolMissing: as :func:`load_model`.
    """
    if is_torch(source):
        from hwsim.importers.torch import import_torch_partly

        return _of_module(source, shape, options, import_torch_partly)
    from hwsim.importers.onnx import import_partly

    return _of_file(Path(source), import_partly)


def _of_file(path: Path, importer: Callable[[Path], tuple[Network, Weights]]) -> Model:
    if path.suffix.lower() == ".onnx":
        network, weights = importer(path)
        return Model(path.stem, network, weights, path=path)
    network, weights = load(path)
    return Model(network.name, network, weights, path=path)


def _of_module(
    source: str, shape: tuple[int, ...] | None, options: Mapping[str, Any] | None,
    importer: Callable[..., tuple[Network, Weights]],
) -> Model:  # fmt: skip
    module, shape = build_module(source, shape, options or {})
    network, weights = importer(module, shape, name=source.split(":")[-1])
    return Model(source, network, weights, module)


def is_torch(source: str) -> bool:
    """Whether ``source`` names a torch module, and not an ONNX file or a folder with ``network.json``.

    Raises:
        ModelFileError: it names a pickle.
    """
    path = Path(source)
    if path.suffix.lower() in _PICKLES:
        raise ModelFileError(
            f"{source}: is a pickle, which can run code when opened and is never read; export the network to ONNX, or "
            "name the Python function that builds it (module:function) and give weights as safetensors"
        )
    return path.suffix.lower() != ".onnx" and not (path / "network.json").is_file()


def build_module(
    source: str, shape: tuple[int, ...] | None, options: Mapping[str, Any], classes: int | None = None, seed: int = 0
) -> tuple["nn.Module", tuple[int, ...]]:
    """Build the torch module that ``source`` names, and say which input shape it takes.

    Random weights are drawn from ``seed``; the global random state stays as it was.

    Raises:
        InputError: no such network or function, or no shape is known.
        ToolMissing: torch is not installed.
    """
    builder = find_builder(source)
    if builder is None:
        from slimfab import zoo

        return zoo.build(source, shape, classes, seed=seed, options=options), shape or zoo.ZOO[source].in_shape
    if shape is None:
        raise InputError(f"{source}: the input shape is not known; give it, for example --input 1x28x28")
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return _call(source, builder, options), shape


def find_builder(source: str) -> Callable[..., Any] | None:
    """The function that ``module:function`` or ``file.py:function`` names; None for a network of the zoo.

    Raises:
        InputError: there is no such function, or its code cannot be imported.
        UnknownNameError: no such network in the zoo.
        ToolMissing: torch is not installed.
    """
    require_torch()
    if ":" not in source:
        from slimfab import zoo

        if source not in zoo.ZOO:
            raise UnknownNameError(_unknown(source))
        return None
    place, _, name = source.rpartition(":")
    namespace = _import_file(Path(place)) if place.endswith(".py") else _import_module(place)
    function: Callable[..., Any] | None = getattr(namespace, name, None)
    if not callable(function):
        raise UnknownNameError(f"{source}: {place} has no function '{name}'; check the name after the colon")
    return function


def code_file(source: str) -> Path | None:
    """The Python file that ``module:function`` or ``file.py:function`` names; None for anything else."""
    place, colon, _ = source.rpartition(":")
    if not colon or place.endswith(".py"):
        return Path(place) if colon else None
    file = getattr(_import_module(place), "__file__", None)
    return Path(file) if file else None


def require_torch() -> None:
    """Say in one line what to install where torch is missing.

    Raises:
        ToolMissing: torch cannot be imported.
    """
    if importlib.util.find_spec("torch") is None:
        raise ToolMissing("torch is not installed; it is needed to build modules; pip install 'slimfab[torch]'")


def _unknown(source: str) -> str:
    from slimfab import zoo

    path, expected = Path(source), "expected a zoo name, module:function, file.py:function, a .onnx file or a folder"
    if path.is_dir():
        return f"{source}: the folder holds no network.json; {expected} written by 'slimfab run' (…-export/golden)"
    if path.is_file():
        return f"{source}: '{path.suffix}' files are no torch module; {expected}"
    if "/" in source or "." in source:
        return f"{source}: no such file; {expected}"
    return f"unknown network '{source}'; {suggest(source, zoo.ZOO)}; {expected}"


def _call(source: str, builder: Callable[..., Any], options: Mapping[str, Any]) -> "nn.Module":
    from torch import nn

    try:
        module = builder(**options)
    except Exception as error:  # whatever the user's function raises
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise InputError(
            f"{source}: fails with options {dict(options)} ({reason}); correct it or the options"
        ) from error
    if not isinstance(module, nn.Module):
        raise InputError(f"{source}: returned {type(module).__name__}; expected a torch.nn.Module")
    return module


def _import_module(name: str) -> Any:
    _add_to_path(Path.cwd())  # as `python -m` does
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise InputError(f"{name}: cannot be imported ({error}); run from the folder that holds it") from error
    except Exception as error:  # whatever the user's module raises at import
        raise InputError(f"{name}: {_failed(error)}") from error


def _import_file(path: Path) -> Any:
    if not path.is_file():
        raise InputError(f"{path}: no such file; check the path before the colon")
    _add_to_path(path.resolve().parent)  # as `python file.py` does
    # A name that no other module has; dataclasses look their module up by it.
    spec = importlib.util.spec_from_file_location(f"slimfab_model_{path.resolve()}", path)
    if spec is None or spec.loader is None:
        raise InputError(f"{path}: cannot be imported as Python; expected a .py file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module.__name__] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # whatever the user's module raises at import
        raise InputError(f"{path}: {_failed(error)}") from error
    return module


def _add_to_path(folder: Path) -> None:
    """Let the user's code import what lies beside it."""
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))


def _failed(error: Exception) -> str:
    reason = f"{type(error).__name__}: {error}".splitlines()[0]
    return f"fails when imported ({reason}); correct the code"
