"""Opens the page as a browser does, says whether that has woken CUDA, and waits until its input is closed."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import torch

from tests.gradio4_helper import is_gradio4, mend_gradio4
from training_pro.folders import Folders


def main() -> None:
    if is_gradio4():
        mend_gradio4()
    from tests.ui.opening import open_page
    from training_pro.hosts.standalone import StandaloneHost
    from training_pro.session import Session

    with tempfile.TemporaryDirectory() as name:
        folders = Folders.under(Path(name) / "user_data")
        folders.make()
        open_page(Session(StandaloneHost(folders, None)))
        sys.stdout.write(f"ready {'yes' if torch.cuda.is_initialized() else 'no'}\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main()
