"""A headless Chromium for tests, from Debian, that asks nobody for anything but the page it is given."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from selenium import webdriver

from testbed import debian
from testbed.build import BinariesMissingError

PACKAGES = {"chromium": "chromium", "chromedriver": "chromium-driver"}
"""Debian package by its program."""
SWITCHES = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions"),
)


def install() -> None:
    """Installs what is missing. Raises BinariesMissingError where it can't."""
    if missing := _missing():
        debian.install(missing)


@contextmanager
def browser(profile: Path) -> Iterator["Browser"]:
    """A browser until the block ends.

    Args:
        profile: an empty directory for its own files.

    Raises BinariesMissingError where it isn't installed.
    """
    if missing := _missing():
        raise BinariesMissingError(f"install {' '.join(missing)}: `python -m testbed browser` does, as root on Debian")
    options = webdriver.ChromeOptions()
    options.binary_location = str(shutil.which("chromium"))
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    for switch in (*SWITCHES, f"--user-data-dir={profile}"):
        options.add_argument(switch)
    driver = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
    try:
        yield Browser(driver)
    finally:
        driver.quit()


class Browser:
    """One page at a time, with what it said and what it asked for."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver

    def open(self, url: str, width: int, height: int = 900) -> None:
        """Opens a page in a window of this size; a phone's is narrower than Chromium's own windows can be."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        self.driver.get(url)

    def run(self, script: str, *arguments: Any) -> Any:
        """What a script in the page returns."""
        return self.driver.execute_script(script, *arguments)

    def said(self) -> list[str]:
        """Errors and whatever else came to the console since the last call."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def requests(self) -> list[str]:
        """Every URL that was asked for since the last call."""
        messages = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        return [
            message["params"]["request"]["url"]
            for message in messages
            if message["method"] == "Network.requestWillBeSent"
        ]


def _missing() -> list[str]:
    return [package for program, package in PACKAGES.items() if shutil.which(program) is None]
