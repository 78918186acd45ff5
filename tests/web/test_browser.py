"""A real browser walks every page on real mail: sizes, light and dark, keyboard, no script, and what axe-core says.

POSTMILL_PICTURES names a directory in which what it has seen is kept.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Dialog,
    Page,
    Request,
    expect,
    sync_playwright,
)

from tests.interop.postfix import wait_until
from tests.web.staging import PASSWORD, Stage, fill, stage, write_past

CHROMIUM = shutil.which("chromium")
AXE = (files("axe_playwright_python") / "axe.min.js").read_text()
SIZES = {"360": (360, 760), "1280": (1280, 860), "3840": (3840, 2160)}
PAGES = {
    "overview": "/?period=day",
    "messages": "/messages",
    "milters": "/milters?period=day",
    "milter": "/milters/spam?period=day",
    "evaluated": "/milters/virus-trial",
    "confirm": "/milters/spam/mode?to=off",
    "configuration": "/configuration?all=1",
    "reload": "/configuration/reload",
    "findings": "/findings",
    "changes": "/changes",
    "missing": "/nothing",
}

pytestmark = [pytest.mark.interop, pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")]


@pytest.fixture(scope="module")
def one() -> Iterator[Stage]:
    with stage() as made:
        write_past(f"sqlite:{made.daemon.directory}/history.db", 26, 300)
        fill(made)
        yield made


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


class Walk:
    """One person in front of the browser, who is in; whatever the page complains about is a fault."""

    def __init__(self, context: BrowserContext, one: Stage) -> None:
        self.one = one
        self.page: Page = context.new_page()
        self.complaints: list[str] = []
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("requestfailed", self._miss)
        self.elsewhere: list[str] = []
        self.page.on("request", self._see)

    def _hear(self, message: ConsoleMessage) -> None:
        if "status of 404" not in message.text:
            self.complaints.append(message.text)

    def _miss(self, request: Request) -> None:
        if request.failure != "net::ERR_ABORTED":  # a page was left while it asked for news
            self.complaints.append(f"{request.failure}: {request.url}")

    def _see(self, request: Request) -> None:
        if not request.url.startswith(self.one.url):
            self.elsewhere.append(request.url)

    def go(self, path: str) -> Page:
        self.page.goto(self.one.url + path)
        return self.page

    def log_in(self, name: str = "anna") -> None:
        self.go("/login")
        self.page.fill("[name=name]", name)
        self.page.fill("[name=password]", PASSWORD)
        self.page.press("[name=password]", "Enter")
        expect(self.page.locator(".you .name")).to_contain_text(name)


@contextmanager
def walk(
    browser: Browser, one: Stage, size: str = "1280", scheme: str = "light", script: bool = True
) -> Iterator[Walk]:
    width, height = SIZES[size]
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme="dark" if scheme == "dark" else "light",
        java_script_enabled=script, reduced_motion="reduce",
    )  # fmt: skip
    context.set_default_timeout(20_000)
    try:
        made = Walk(context, one)
        yield made
        assert made.complaints == []
        assert made.elsewhere == []
    finally:
        context.close()


def faults(page: Page) -> list[str]:
    """What axe-core has against a page; WCAG 2.2 AA and its best practices."""
    page.evaluate(AXE)
    found = page.evaluate("axe.run()")["violations"]
    return [
        f"{one['id']} ({one['impact']}): {node['target']} {node['failureSummary']}"
        for one in found
        for node in one["nodes"]
    ]


def keep(page: Page, name: str) -> None:
    if directory := os.environ.get("POSTMILL_PICTURES"):
        page.screenshot(path=f"{directory}/{name}.png", full_page=True)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_every_page_fits_and_axe_finds_no_fault(browser: Browser, one: Stage, size: str, scheme: str) -> None:
    with walk(browser, one, size, scheme) as visitor:
        page = visitor.go("/login")
        found = {"login": faults(page)}
        keep(page, f"login-{size}-{scheme}")
        visitor.log_in()
        visitor.go("/messages?text=4XkSP2")
        message = page.locator(".from a").first.get_attribute("href")
        assert message
        for name, path in {**PAGES, "message": message}.items():
            visitor.go(path)
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (
                f"{name} is wider than the window"
            )
            found[name] = faults(page)
            keep(page, f"{name}-{size}-{scheme}")
        assert {name: each for name, each in found.items() if each} == {}


def test_by_keyboard_alone(browser: Browser, one: Stage) -> None:
    with walk(browser, one) as visitor:
        page = visitor.go("/login")
        expect(page.locator("[name=name]")).to_be_focused()
        page.keyboard.type("anna")
        page.keyboard.press("Tab")
        page.keyboard.type(PASSWORD)
        page.keyboard.press("Enter")
        expect(page.locator("h1")).to_have_text("Overview")
        page.keyboard.press("Tab")
        expect(page.locator(".skip")).to_be_focused()
        expect(page.locator(".skip")).to_be_in_viewport()
        visitor.go("/milters/greylist")
        for _ in range(40):
            page.keyboard.press("Tab")
            focus = page.evaluate(
                "[document.activeElement.innerText, getComputedStyle(document.activeElement).outlineStyle]"
            )
            assert focus[1] != "none", f"one does not see where one is: {focus}"
            if focus[0] == "Disable…":
                break
        page.keyboard.press("Enter")
        expect(page.locator("h1")).to_have_text("Disable greylist?")
        page.locator("main form button").focus()
        page.keyboard.press("Enter")
        expect(page.locator(".notice.good")).to_contain_text("greylist is in mode off now")
        assert one.daemon.milter("greylist")["mode"] == "off"
        one.daemon.ask("enable", milter="greylist")


def minute_of(time: str) -> int:
    """Return the minute of the day of ``23:45``."""
    hours, minutes = map(int, time.split(":"))
    return 60 * hours + minutes


def test_a_chart_is_read_with_pointer_and_keys(browser: Browser, one: Stage) -> None:
    with walk(browser, one) as visitor:
        visitor.log_in()
        page = visitor.go("/?period=day")
        when, total = page.locator("[data-when]"), page.locator(".legend b").first
        expect(when).to_have_text("last 24 hours")
        whole = total.inner_text()
        page.locator("#mail .step").nth(40).hover()
        expect(when).not_to_have_text("last 24 hours")
        assert total.inner_text() != whole
        page.locator("h1").hover()
        expect(when).to_have_text("last 24 hours")
        page.locator("#mail .plot").focus()
        page.keyboard.press("ArrowLeft")
        last = minute_of(when.inner_text())
        page.keyboard.press("ArrowLeft")
        assert 0 < (last - minute_of(when.inner_text())) % 1440 < 120, "earlier, if need be before midnight"
        page.keyboard.press("Escape")
        expect(when).to_have_text("last 24 hours")
        page.locator("#mail summary").click()
        expect(page.locator("#mail-table tbody tr").first).to_be_visible()


def test_the_overview_goes_with_the_mail(browser: Browser, one: Stage) -> None:
    with walk(browser, one) as visitor:
        visitor.log_in()
        page = visitor.go("/")
        page.locator("#mail summary").click()
        first = page.locator(".latest a").first
        first.focus()
        before = page.locator(".tile b").first.inner_text()
        fill(one)
        expect(page.locator(".tile b").first).not_to_have_text(before, timeout=20_000)
        expect(page.locator("#mail-table")).to_have_attribute("open", "")
        assert page.evaluate("document.activeElement.tagName") == "A", "the focus stays"
        page.get_by_role("button", name="Pause").click()
        expect(page.get_by_role("button", name="Resume")).to_be_visible()
        paused = page.locator(".tile b").first.inner_text()
        fill(one)
        page.wait_for_timeout(7000)
        assert page.locator(".tile b").first.inner_text() == paused
        page.get_by_role("button", name="Resume").click()
        expect(page.locator(".tile b").first).not_to_have_text(paused, timeout=20_000)


def test_a_page_whose_session_is_over_leads_to_the_login(browser: Browser, one: Stage) -> None:
    with walk(browser, one) as visitor:
        visitor.log_in()
        visitor.go("/")
        visitor.page.context.clear_cookies()
        expect(visitor.page.locator("h1")).to_have_text("Log in", timeout=20_000)


def test_without_scripts_all_of_it_works(browser: Browser, one: Stage) -> None:
    with walk(browser, one, script=False) as visitor:
        page = visitor.page
        visitor.log_in()
        expect(page.locator("#mail svg")).to_be_visible()
        page.get_by_role("link", name="Messages", exact=True).click()
        page.fill("[name=text]", "4XkSP2")
        page.get_by_role("button", name="Search").click()
        page.locator(".from a").first.click()
        expect(page.locator(".journey")).to_contain_text("decided")
        visitor.go("/milters/opendkim")
        page.get_by_role("link", name="Only evaluate…").click()
        page.get_by_role("button", name="Only evaluate opendkim").click()
        expect(page.locator(".notice.good")).to_contain_text("in mode evaluate now")
        one.daemon.ask("enable", milter="opendkim")
        page.get_by_role("button", name="Log out").click()
        expect(page.locator("h1")).to_have_text("Log in")


def test_what_comes_from_mail_runs_nowhere(browser: Browser, one: Stage) -> None:
    with walk(browser, one) as visitor:
        alerts: list[str] = []

        def hear(dialog: Dialog) -> None:
            alerts.append(dialog.message)
            dialog.dismiss()

        visitor.page.on("dialog", hear)
        visitor.log_in()
        for path in ("/", "/messages", "/messages?text=4XkEV4"):
            page = visitor.go(path)
            expect(page.locator("main")).to_contain_text("<script>alert(1)</script>")
        page.locator(".from a").first.click()
        expect(page.locator(".facts")).to_contain_text(r"\x1b[31m\u202e")
        assert alerts == []


def test_findings_come_by_themselves(browser: Browser, one: Stage) -> None:
    with walk(browser, one) as visitor:
        visitor.log_in()
        page = visitor.go("/findings")
        page.get_by_role("button", name="Look now").click()
        expect(page.locator(".diagnoses").first).to_be_visible(timeout=100_000)
        expect(page.get_by_role("button", name="Look again")).to_be_enabled()
        assert faults(page) == []
        keep(page, "found")


def test_the_first_picture_of_the_history_is_a_second_old(browser: Browser, one: Stage) -> None:
    """Mail of this moment is on the page that is loaded next, or soon after."""
    with walk(browser, one) as visitor:
        visitor.log_in()
        fill(one)
        wait_until(lambda: "4XkVI5" in visitor.go("/messages").content(), "the mail", 20)
