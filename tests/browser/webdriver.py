"""Debian's Chromium, driven over the WebDriver protocol."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

STARTING = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--force-device-scale-factor=1",
]
PATIENCE_S = 10
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"


class Browser:
    """One window. Every method waits until the browser has done it."""

    def __init__(self, port: int, binary: str, profile: Path) -> None:
        self._base = f"http://127.0.0.1:{port}"
        options = {"binary": binary, "args": [*STARTING, f"--user-data-dir={profile}"]}
        wanted = {"browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
        self._session = ""
        made = self._ask("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
        self._session = f"/session/{made['sessionId']}"

    def open(self, path: Path) -> None:
        self.go(path.resolve().as_uri())

    def go(self, url: str) -> None:
        self._ask("POST", "/url", {"url": url})

    def size(self, width: int, height: int = 900) -> None:
        """The inside of the window in pixels; headless windows do not go below 500 otherwise."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.devtools("Emulation.setDeviceMetricsOverride", metrics)

    def dark(self, dark: bool) -> None:
        value = "dark" if dark else "light"
        self.devtools("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": value}]})

    def devtools(self, command: str, parameters: dict) -> object:
        return self._ask("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def run(self, script: str, *arguments: object) -> object:
        """The value of a function's body in the page."""
        return self._ask("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def later(self, script: str) -> object:
        """The value that the page gives to the function that it gets last."""
        return self._ask("POST", "/execute/async", {"script": script, "args": []})

    def settle(self) -> None:
        """Wait until the page has drawn what it wanted to draw."""
        self.later("const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(() => done(1)));")

    def text(self, selector: str) -> str:
        return str(self.run("return document.querySelector(arguments[0])?.innerText ?? ''", selector))

    def texts(self, selector: str) -> list[str]:
        return list(self.run("return [...document.querySelectorAll(arguments[0])].map(e => e.innerText)", selector))

    def click(self, selector: str) -> None:
        self._ask("POST", f"/element/{self._find(selector)}/click", {})
        self.settle()

    def type(self, selector: str, keys: str) -> None:
        self._ask("POST", f"/element/{self._find(selector)}/value", {"text": keys})
        self.settle()

    def drag(self, selector: str, dx: int) -> None:
        """Press the mouse on an element, move it sideways, and let go."""
        origin = {ELEMENT: self._find(selector)}
        steps = [
            {"type": "pointerMove", "duration": 0, "origin": origin, "x": 0, "y": 0},
            {"type": "pointerDown", "button": 0},
            {"type": "pointerMove", "duration": 20, "origin": "pointer", "x": dx, "y": 0},
            {"type": "pointerUp", "button": 0},
        ]
        pointer = {"type": "pointer", "id": "mouse", "parameters": {"pointerType": "mouse"}, "actions": steps}
        self._ask("POST", "/actions", {"actions": [pointer]})
        self.settle()

    def complaints(self) -> list[str]:
        """What the console has said at warning level or above since it was last asked."""
        entries = self._ask("POST", "/se/log", {"type": "browser"})
        return [entry["message"] for entry in entries if entry["level"] in {"WARNING", "SEVERE"}]

    def screenshot(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        shot = self.devtools("Page.captureScreenshot", {"format": "png", "captureBeyondViewport": True})
        path.write_bytes(base64.b64decode(shot["data"]))

    def quit(self) -> None:
        self._ask("DELETE", "", None)

    def _find(self, selector: str) -> str:
        return self._ask("POST", "/element", {"using": "css selector", "value": selector})[ELEMENT]

    def _ask(self, method: str, path: str, body: dict | None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._base + self._session + path, data, method=method)
        request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{path}: {json.load(error)['value']['message']}") from None


def _driver(driver: str, folder: Path) -> tuple[subprocess.Popen, int]:
    with (folder / "chromedriver.log").open("wb") as log:
        home = os.environ | {"HOME": str(folder)}
        process = subprocess.Popen([driver, "--port=0"], stdout=log, stderr=subprocess.STDOUT, env=home)
    give_up = time.monotonic() + PATIENCE_S
    while time.monotonic() < give_up:
        text = (folder / "chromedriver.log").read_text()
        if "on port " in text and "started successfully on port" in text:
            return process, int(text.split("started successfully on port ")[1].split(".")[0])
        time.sleep(0.05)
    process.kill()
    process.wait()
    raise RuntimeError(f"chromedriver does not start: {text}")


def missing() -> str | None:
    """Why there is no browser here; None when there is one."""
    if _binary() is None or shutil.which("chromedriver") is None:
        return "needs Chromium and its driver: apt-get install chromium chromium-driver"
    return None


def _binary() -> str | None:
    return next(
        (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
    )


@contextmanager
def chromium(folder: Path) -> Iterator[Browser]:
    """A browser with an empty profile in that folder, gone at the end."""
    binary, driver = _binary(), shutil.which("chromedriver")
    assert binary is not None
    assert driver is not None
    process, port = _driver(driver, folder)
    try:
        browser = Browser(port, binary, folder / "profile")
        try:
            yield browser
        finally:
            browser.quit()
    finally:
        process.terminate()
        process.wait(10)
