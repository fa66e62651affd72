"""``python -m training_pro``: the same work as the tab, from a terminal."""

from __future__ import annotations

import os
import sys
import warnings

if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    warnings.filterwarnings("ignore", category=FutureWarning)
    from training_pro.cli.main import main

    sys.exit(main())
