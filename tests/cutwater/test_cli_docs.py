"""Every command in the documents and in the runbook exists, with the options it is shown with."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from adapters.postgres.reverse_mapping import mapping_of
from cutwater.cli.main import NOUNS, app
from runbooks.catalogue import CUTOVER, ROLLBACK
from runbooks.facts import Facts
from runbooks.sections import commands
from waves.plan import Plan
from waves.wave_file import parse_wave

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs" / "guides").glob("*.md"))]
PLACEHOLDER = re.compile(r"[A-Z]{3,}|\||\.\.\.|\{")


def of_page(text: str) -> Iterator[str]:
    """Lines of fenced blocks and inline code that begin with `cutwater NOUN VERB`."""
    blocks = re.findall(r"```[a-z]*\n(.*?)```", text, re.DOTALL)
    outside = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()] + re.findall(r"`([^`\n]+)`", outside)
    for line in lines:
        command = line.split("#")[0].strip().removeprefix("$ ")
        if re.match(r"cutwater [a-z]", command):
            yield command


def of_runbook() -> Iterator[str]:
    """What a runbook of a wave with tables tells to paste."""
    plan = Plan("W01", "t", "feeds", ("postgres:a.b",), (), (), "", "", mappings=({"source_schema": "a"},))
    facts = Facts(plan, rendered_at=None)  # type: ignore[arg-type] - commands are not dated
    yield from (item.text for item in commands(facts) if item.present and item.text.startswith("cutwater "))
    for card in (*CUTOVER, *ROLLBACK):
        yield from (text.replace("{wave}", "W01") for text in card.commands if text.startswith("cutwater "))


def shown() -> list[tuple[str, str]]:
    found = [(page.name, text) for page in PAGES for text in of_page(page.read_text("utf-8"))]
    return sorted({*found, *(("runbook", text) for text in of_runbook())})


def problem(text: str) -> str:
    """What is wrong with a command as it is shown; empty where nothing is."""
    words = shlex.split(text)[1:]
    if words[0] not in NOUNS:
        return f"no noun {words[0]}"
    if not (ROOT / Path(*NOUNS[words[0]][0].split(".")).with_suffix(".py")).is_file():
        return ""  # test_every_noun_explains_itself names it
    root: Any = get_command(app)
    command: Any = root.get_command(None, words[0])
    rest = words[1:]
    if rest and hasattr(command, "commands"):
        if rest[0] not in command.commands:
            return f"{words[0]} has no verb {rest[0]}"
        command, rest = command.commands[rest[0]], rest[1:]
    known = {name for parameter in command.params for name in parameter.opts}
    unknown = [word for word in rest if word.startswith("--") and word.split("=")[0] not in known | {"--help"}]
    return f"unknown option {', '.join(unknown)}" if unknown else ""


def test_the_documents_show_commands() -> None:
    assert {name for name, _ in shown()} >= {"README.md", "first-wave.md", "runbook.md", "runbook"}


@pytest.mark.parametrize(("page", "text"), shown())
def test_every_command_that_is_shown_exists(page: str, text: str) -> None:
    given = " ".join(PLACEHOLDER.sub("X", word) if PLACEHOLDER.fullmatch(word) else word for word in text.split(" "))
    assert problem(given) == "", f"{page}: {text}"


def test_links_between_the_documents_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text("utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_the_cutover_that_the_guide_shows_is_one() -> None:
    """Whoever copies the wave file and the mapping out of the guide has ones that are read."""
    text = (ROOT / "docs" / "guides" / "your-database.md").read_text("utf-8")
    wave, writes = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    head = "wave: W01\ntitle: shop\nassets: ['postgres:shop.*']\n"
    section = parse_wave((head + wave).encode(), Path("W01.yaml")).spec.cutover
    assert section is not None
    assert section.reverse is not None
    assert section.store_tables
    assert section.compare_back
    assert mapping_of(yaml.safe_load(writes)).keys() == {"payment"}
