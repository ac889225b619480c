"""A real browser for tests."""

from __future__ import annotations

import pytest

from tests.browser.webdriver import chromium, missing


@pytest.fixture(scope="session")
def _one_browser(tmp_path_factory):
    reason = missing()
    if reason:
        pytest.skip(reason)
    with chromium(tmp_path_factory.mktemp("browser")) as browser:
        yield browser


@pytest.fixture
def browser(_one_browser):
    """A window 1280 pixels wide in light colors, whose console has said nothing yet."""
    _one_browser.complaints()
    _one_browser.size(1280)
    _one_browser.dark(False)
    return _one_browser
