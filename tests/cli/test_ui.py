"""``ui``: the page as a command."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_CODE = """
import sys, types
page = types.ModuleType("training_pro.ui.standalone")
def launch(*given):
    sys.exit("there" if "transformers" in sys.modules else "not there")
page.launch = launch
sys.modules[page.__name__] = page
from training_pro.cli.main import main
main(["ui", "--user-data", sys.argv[1], "--port", "0"])
"""


def test_two_requests_at_once_are_not_the_first_to_import_transformers(tmp_path: Path) -> None:
    """The second would get the module while its names are still missing: the model could not be loaded."""
    done = subprocess.run([sys.executable, "-c", _CODE, str(tmp_path)], capture_output=True, text=True, timeout=120)
    assert done.stderr.splitlines()[-1] == "there"
