# SPDX-License-Identifier: Apache-2.0
"""The reference of recipes, a Markdown page written from the models that check them."""

from collections.abc import Iterable
from typing import Any

import yaml

from slimfab.recipe import DatasetSection, PruneSection, Recipe, Section, TrainSection, section_of

HEAD = """# Recipes

A recipe is one YAML file that says everything a run does. `slimfab init` writes one to start from, and every key is
checked before anything starts. What has a default may be left out. Paths are relative to the recipe's folder.
"""
LIMITS = {"minimum": "≥", "maximum": "≤", "exclusiveMinimum": ">", "exclusiveMaximum": "<"}  # of JSON Schema


def reference() -> str:
    """The page: a table of keys for the recipe and for every kind of section in it, in the order of the file."""
    paths: dict[type[Section], list[str]] = {}
    _collect(Recipe, "", paths)
    tables = [_table("Keys of a recipe", Recipe)]
    tables += [_table(", ".join(f"`{path}`" for path in where), section) for section, where in paths.items()]
    return "\n".join((HEAD, *tables))


def _collect(section: type[Section], path: str, found: dict[type[Section], list[str]]) -> None:
    for key, field in section.model_fields.items():
        inner = section_of(field.annotation)
        if inner is not None:
            found.setdefault(inner, []).append(path + key)
            _collect(inner, f"{path}{key}.", found)


def _table(title: str, section: type[Section]) -> str:
    schemas, names = section.model_json_schema()["properties"], _registered(section)
    rows = [
        f"| `{key}` | {_choice(names[key]) if key in names else _values(schemas[key])} "
        f"| {_default(section, key)} | {_meaning(section, key)} |"
        for key in section.model_fields
    ]
    head = ("| key | value | default | meaning |", "|---|---|---|---|")
    return "\n".join((f"## {title}", "", section.__doc__ or "", "", *head, *rows, ""))


def _registered(section: type[Section]) -> dict[str, list[str]]:
    """The keys whose values are names in a registry, with those names."""
    from prune.allocate import ALLOCATORS
    from prune.criteria import CRITERIA
    from prune.methods import METHODS
    from prune.schedule import SCHEDULES as CUTS
    from quant.schedules import SCHEDULES
    from slimfab.datasets import DATASETS

    if issubclass(section, PruneSection):
        tables = {"method": METHODS, "criterion": CRITERIA, "allocator": ALLOCATORS, "schedule": CUTS}
        return {key: table.names() for key, table in tables.items()}
    if issubclass(section, TrainSection):
        return {"schedule": SCHEDULES.names()}
    return {"name": [*DATASETS.names(), "….npz"]} if issubclass(section, DatasetSection) else {}


def _choice(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _values(schema: dict[str, Any]) -> str:
    """The kind of value and its limits, from a JSON Schema."""
    if "anyOf" in schema:
        return " or ".join(_values(one) for one in schema["anyOf"] if one.get("type") != "null")
    if "enum" in schema:
        return _choice(schema["enum"])
    if "$ref" in schema:
        return "section"
    if schema.get("type") == "array":
        return "list"
    if schema.get("type") == "object":
        return "mapping"
    kind = {"string": "text", "boolean": "`true` or `false`"}.get(schema.get("type", ""), schema.get("type", "any"))
    limits = ", ".join(f"{sign} {schema[name]:g}" for name, sign in LIMITS.items() if name in schema)
    return f"{kind} {limits}".strip()


def _default(section: type[Section], key: str) -> str:
    field = section.model_fields[key]
    if field.is_required():
        return "needed"
    if isinstance(field.default, Section):
        changed = field.default.model_dump(exclude_unset=True)
        return f"`{_yaml(changed)}`" if changed else "its defaults"
    return "none" if field.default is None else f"`{_yaml(field.default)}`"


def _yaml(value: Any) -> str:
    text: str = yaml.safe_dump(value, default_flow_style=True, width=10_000)
    return text.removesuffix("\n").removesuffix("\n...")


def _meaning(section: type[Section], key: str) -> str:
    field = section.model_fields[key]
    inner = section_of(field.annotation)
    return field.description or (inner.__doc__ if inner is not None else None) or ""
