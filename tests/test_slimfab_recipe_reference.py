# SPDX-License-Identifier: Apache-2.0
"""The reference of recipes says every key, and the page in the documentation is it.

``python tests/test_slimfab_recipe_reference.py`` writes ``docs/recipe.md`` again.
"""

import re
import sys
from pathlib import Path

import pytest
from pydantic import BaseModel

PAGE = Path(__file__).resolve().parents[1] / "docs" / "recipe.md"


def models(model: type[BaseModel]) -> list[type[BaseModel]]:
    """A model and all that its fields hold, by walking the annotations on our own."""
    found = [model]
    for field in model.model_fields.values():
        for one in (field.annotation, *getattr(field.annotation, "__args__", ())):
            if isinstance(one, type) and issubclass(one, BaseModel):
                found += models(one)
    return found


def test_the_page_is_the_reference() -> None:
    from slimfab.recipe_reference import reference

    assert PAGE.read_text(encoding="utf-8") == reference(), (
        "write it again: python tests/test_slimfab_recipe_reference.py"
    )


def test_every_key_of_every_section_has_a_row_with_a_meaning() -> None:
    from slimfab.recipe import Recipe

    rows = re.findall(r"^\| `(\w+)` \|(.+)\|(.+)\| (.*) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert [key for key, *cells in rows if not all(cell.strip() for cell in cells)] == []
    expected = {key for model in models(Recipe) for key in model.model_fields}
    assert {key for key, *_ in rows} == expected
    assert len(rows) == sum(len(model.model_fields) for model in set(models(Recipe)))


@pytest.mark.parametrize(
    "row",
    [
        "| `lr` | number > 0 | `0.2` | The highest learning rate of the schedule. |",
        "| `optimiser` | `sgd`, `adamw` | `sgd` | `sgd` has Nesterov's momentum. |",
        "| `source` | text | needed | ",
        "| `training` | section | `{epochs: 4}` | ",
        "| `rtl` | section | none | ",
        "| `first_width` | integer ≥ 2, ≤ 16 | none | ",
    ],
)
def test_rows_say_kinds_limits_and_defaults(row: str) -> None:
    assert f"\n{row}" in PAGE.read_text(encoding="utf-8")


if __name__ == "__main__":
    sys.path.insert(0, str(PAGE.parents[1]))
    from slimfab.recipe_reference import reference

    PAGE.write_text(reference(), encoding="utf-8")
