"""The example in docs/setup.md is what `postmill setup postfix` prints."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from postmill.cli.setup_output import Report, show
from postmill.errors import ConfigError
from postmill.host.setup_postfix import Texts, plan
from tests.host.texts import loaded, postfix

PAGE = (Path(__file__).parents[2] / "docs" / "setup.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def test_the_example(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    (main,), (toml,) = blocks("ini"), blocks("toml")
    show(Report.of(plan(postfix(main), Texts(main, "", toml), loaded(toml)), dry_run=True), as_json=False)
    printed = blocks("console")[0].partition("\n")[2].partition("Change /etc")[0]
    assert capsys.readouterr().out == printed


def test_the_error() -> None:
    (printed,) = re.findall(r"^postmill: error: (.*), …\)$", PAGE, re.MULTILINE)
    other = loaded('[manager]\nlisten = ["unix:/run/postmill/postmill.sock"]\n')
    with pytest.raises(ConfigError) as caught:
        plan(postfix(""), Texts("", "", ""), other)
    said = str(caught.value).replace(other.file, "/etc/postmill/postmill.toml")
    assert said.replace("smtp/inet, submission/inet", "smtp/inet").startswith(printed)
