"""Imported once by the server that forks training processes: what each of them would import anyway."""

from __future__ import annotations

import tests.conftest  # noqa: F401 (only to have it imported)
import training_pro.cli.main
import training_pro.training.job  # noqa: F401 (only to have it imported)
from training_pro.hosts import model_folder  # noqa: F401 (only to have it imported)
