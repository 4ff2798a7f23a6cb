# SPDX-License-Identifier: Apache-2.0
"""Device descriptions as text: every number on a line of its own beside its source, as shipped files are written."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from hwsim.device import parse
from hwsim.surface_file import surface_lines
from hwsim.surfaces import Surfaces

DIGITS = 4  # significant; no calibration is better than that


def text_of(data: Mapping[str, Any], remark: str, surfaces: Surfaces | None = None) -> str:
    """The content of a device file with a first line of remarks, and at its end `surfaces`, if there are any.

    A source that several numbers share is written once and referred to by an anchor.

    Raises:
        DeviceError: ``data`` describes no valid device.
    """
    parse(data, str(data.get("name", "device")))
    sources = [leaf["source"] for leaf in _leaves(data["numbers"])]
    repeated = [source for source in dict.fromkeys(sources) if sources.count(source) > 1]
    anchors = {source: f"source{index + 1}" for index, source in enumerate(repeated)}
    head = {key: json.dumps(data[key], ensure_ascii=False) for key in ("name", "kind", "title")}
    texts = ", ".join(f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in data["text"].items())
    lines = [f"# {remark}", *(f"{key}: {value}" for key, value in head.items()), f"text: {{{texts}}}"]
    lines += ["numbers:", *_lines(data["numbers"], "  ", anchors, set())]
    if surfaces is not None:
        lines += surface_lines(surfaces)
    return "\n".join(lines) + "\n"


def _leaves(tree: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for node in tree.values():
        if "value" in node:
            yield node
        else:
            yield from _leaves(node)


def _lines(tree: Mapping[str, Any], indent: str, anchors: Mapping[str, str], written: set[str]) -> Iterator[str]:
    for key, node in tree.items():
        if "value" not in node:
            yield f"{indent}{key}:"
            yield from _lines(node, indent + "  ", anchors, written)
            continue
        numbers = "".join(f"{name}: {_number(node[name])}, " for name in ("value", "low", "high") if name in node)
        yield f"{indent}{key}: {{{numbers}source: {_source(node['source'], anchors, written)}}}"


def _source(source: str, anchors: Mapping[str, str], written: set[str]) -> str:
    text = json.dumps(source, ensure_ascii=False)
    if source not in anchors:
        return text
    if source in written:
        return f"*{anchors[source]}"
    written.add(source)
    return f"&{anchors[source]} {text}"


def _number(value: float) -> str:
    if float(value).is_integer() and abs(value) < 1e9:
        return str(int(value))
    short = f"{value:.{DIGITS}g}"
    # YAML 1.1 reads 1e-05 as text; it wants a point in the mantissa.
    return short if "e" not in short or "." in short else short.replace("e", ".0e")
