"""Writes the man pages from the reference pages (docs/reference), with go-md2man.

A man page has a NAME, and options as a list of terms where the reference page has a table. The rest is as it
stands there.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

COMMANDS = {
    "postmill": "a milter manager: one milter to the MTA, one MTA to the milters",
    "milter-test-server": "play an MTA to a milter",
    "milter-test-client": "play a milter to an MTA",
}
SEE_ALSO = "\n# SEE ALSO\n\n{}\n"
PAGES = ("postmill(1)", "milter-test-server(1)", "milter-test-client(1)", "postmill.toml(5)")


def main(reference: Path, target: Path) -> None:
    """Write each man page to the target directory."""
    target.mkdir(parents=True, exist_ok=True)
    text = (reference / "cli.md").read_text(encoding="utf-8")
    for name, meaning in COMMANDS.items():
        body = re.search(rf"^## `{name}`\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
        if body is None:
            raise SystemExit(f"{reference}/cli.md has no section `{name}`")
        usage, _, rest = options(body[1]).strip("\n").partition("\n\n")
        write(target, name, 1, meaning, f"# SYNOPSIS\n\n{usage}\n\n# DESCRIPTION\n\n{rest}\n")
    text = (reference / "configuration.md").read_text(encoding="utf-8").partition("# Configuration\n")[2]
    write(target, "postmill.toml", 5, "the configuration of Postmill", "# DESCRIPTION\n" + text)


def options(text: str) -> str:
    """Turn tables of options into lists of terms, each under its title if that says something."""
    text = re.sub(r"^\| (.*) \| meaning \|\n\|---\|---\|\n", title, text, flags=re.MULTILINE)
    return re.sub(r"^\| `(.*?)` \| (.*) \|$", term, text, flags=re.MULTILINE)


def title(row: re.Match[str]) -> str:
    """Give the head of a table as a line of its own."""
    return "" if row[1] == "option" else f"*{row[1]}*\n\n"


def term(row: re.Match[str]) -> str:
    """Give one option and its meaning."""
    return "**{}**\n: {}\n".format(*(cell.replace(r"\|", "|") for cell in row.groups()))


def write(target: Path, name: str, section: int, meaning: str, body: str) -> None:
    """Write one page: headings of commands and keys lose their code marks, which would show."""
    others = ", ".join(f"**{page}**" for page in PAGES if page != f"{name}({section})")
    body = re.sub(r"^(##+) `(.*)`$", r"\1 \2", body, flags=re.MULTILINE)
    head = f'{name} {section} "" Postmill\n===\n\n# NAME\n\n{name} - {meaning}\n\n'
    page = head + body + SEE_ALSO.format(others)
    done = subprocess.run(["/usr/bin/go-md2man"], input=page.encode(), stdout=subprocess.PIPE, check=True)
    (target / f"{name}.{section}").write_bytes(done.stdout)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
