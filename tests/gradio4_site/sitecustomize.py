"""Run by Python at the start of a child process that has this folder on its path."""

import runpy
from pathlib import Path

runpy.run_path(str(Path(__file__).parents[1] / "gradio4_helper.py"))["mend_gradio4"]()
