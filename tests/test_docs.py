# SPDX-License-Identifier: Apache-2.0
"""What the documents name exists: files, links, commands with their options, targets, make targets."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
EXAMPLES = {"my.yaml", "model.onnx"}  # files of the reader's


def names_of_files(text: str) -> set[str]:
    """Paths of this repository in backticks or running code: `hls/graph.py`, `docs/decisions/`, `test_x.py`."""
    a_file = r"[\w-]+\.(py|yaml|toml|txt|md)"
    a_path = r"(hwsim|hls|quant|prune|boards|slimfab|tests|docs)/[\w./-]*"
    return {name for name in re.findall(r"`([\w./-]+)`", text) if re.fullmatch(f"{a_file}|{a_path}", name)} - EXAMPLES


def exists(name: str) -> bool:
    return any((folder / name).exists() for folder in (ROOT, ROOT / "tests", ROOT / "hwsim" / "importers"))


def absent(page: Path) -> list[str]:
    """Files that a page names and links that lead nowhere."""
    text = page.read_text(encoding="utf-8")
    links = re.findall(r"\]\((?!https?:)([^)#]+)", text)
    return sorted(
        [name for name in names_of_files(text) if not exists(name)]
        + [link for link in links if not (page.parent / link).exists()]
    )


def shell_lines() -> list[str]:
    """The lines of the README's shell examples, without comments."""
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    return [line.split("#")[0].strip() for block in blocks for line in block.splitlines() if line.strip()]


COMMANDS = [line for line in shell_lines() if line.startswith("slimfab ")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_files_and_links_exist(page: Path) -> None:
    assert absent(page) == []


def test_a_missing_file_and_a_dead_link_are_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("see `hls/no_such_file.py`, `test_nothing.py` and [this](nowhere.md); not `AP_RND` or `n/a`")
    assert absent(page) == ["hls/no_such_file.py", "nowhere.md", "test_nothing.py"]


def test_the_readme_shows_commands() -> None:
    assert len(COMMANDS) >= 5


@pytest.mark.parametrize("line", COMMANDS)
def test_commands_and_their_options_exist(line: str) -> None:
    import typer

    from slimfab.cli import app

    words = line.split()
    command = typer.main.get_command(app).commands[words[1]]
    known = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= known


def test_targets_in_the_readme_exist() -> None:
    from hwsim import targets

    text = (ROOT / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"\b(?:cpu|gpu|fpga):[a-z0-9-]+(?:/folded)?", text))
    assert named
    for name in sorted(named):
        targets.parse(name)


def test_the_readme_names_make_targets_that_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for line in shell_lines():
        if line.startswith("make "):
            assert re.search(rf"^{line.split()[1]}:", makefile, re.MULTILINE), line
