# SPDX-License-Identifier: Apache-2.0
"""What all pages share: templates of this folder, filled so that a missing value is an error, with plotly inside."""

from collections.abc import Callable, Mapping
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from hwsim.errors import ToolMissing

if TYPE_CHECKING:
    import jinja2


def template(name: str, filters: Mapping[str, Callable[..., Any]] | None = None) -> "jinja2.Template":
    """A template of this folder; it holds plotly's script as ``plotly``.

    Raises:
        ToolMissing: jinja2 or plotly is not installed.
    """
    try:
        import jinja2
        from plotly.offline import get_plotlyjs
    except ImportError as error:
        raise ToolMissing(f"{error.name} is not installed; pip install 'slimfab[report]'") from error
    pages = {path.name: path.read_text() for path in files("slimfab.report").iterdir() if path.name.endswith(".html")}
    environment = jinja2.Environment(
        loader=jinja2.DictLoader(pages), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    )
    environment.filters |= filters or {}
    environment.globals["plotly"] = get_plotlyjs()
    return environment.get_template(name)
