"""The real command line, on a model that computes in float32 also where the processor has bfloat16.

In bfloat16 a block's loss depends a little on which blocks it shares a batch with, which would hide what is compared.
"""

from __future__ import annotations

import sys

import pytest

from training_pro.cli.main import main

if __name__ == "__main__":
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("training_pro.hosts.model_folder.best_dtype", lambda *_: "float32")
        sys.exit(main())
