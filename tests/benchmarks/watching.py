"""Opens pages and leaves them open until its input ends: `python -m tests.benchmarks.watching URL COUNT`."""

from __future__ import annotations

import sys

from tests.ui.browser import Tab, chromium


def main(url: str, count: int) -> None:
    with chromium() as browser:
        tabs = [Tab(browser, url) for _ in range(count)]
        sys.stdout.write("open\n")
        sys.stdout.flush()
        sys.stdin.read()
        for tab in tabs:
            tab.close()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
