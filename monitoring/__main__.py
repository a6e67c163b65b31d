"""`python -m monitoring` writes what is generated; with `--check` it only says what is stale, and fails."""

import argparse
import difflib
import sys
from pathlib import Path

from monitoring.dashboards import DASHBOARDS, as_json
from monitoring.page import page

ROOT = Path(__file__).parents[1]


def main() -> None:
    """Write or compare."""
    parser = argparse.ArgumentParser(prog="python -m monitoring", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a file is stale")
    check = parser.parse_args().check
    stale = False
    for path, text in generated().items():
        before = path.read_text() if path.exists() else ""
        if check:
            difference = difflib.unified_diff(
                before.splitlines(), text.splitlines(), str(path), "generated", lineterm=""
            )
            for line in difference:
                stale = True
                print(line)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    sys.exit(stale)


def generated() -> dict[Path, str]:
    """Every file that is made, with its text."""
    folder = ROOT / "charts/trainwright/dashboards"
    return {
        ROOT / "docs/metrics.md": page(),
        **{folder / f"{name}.json": as_json(make()) for name, make in DASHBOARDS.items()},
    }


if __name__ == "__main__":
    main()
