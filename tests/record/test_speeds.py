"""The speed of earlier runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from training_pro.record.speeds import measured_speed


def ran(loras: Path, name: str, log: Any = None, **settings: Any) -> None:
    (loras / name).mkdir(parents=True)
    usual = {"base_model_name": "base", "base_loaded_in_4bit": False, "tokens": 1000, "runtime_s": 10.0}
    (loras / name / "training_log.json").write_text(json.dumps({**usual, **(log or {})}))
    (loras / name / "training_parameters.json").write_text(json.dumps({"max_tokens": 256, "batch_size": 4, **settings}))


def test_the_run_most_like_this_one_counts(tmp_path: Path) -> None:
    ran(tmp_path, "short", max_tokens=64)
    ran(tmp_path, "like", {"tokens": 3000}, max_tokens=256)
    ran(tmp_path, "other model", {"base_model_name": "other", "tokens": 9000})
    ran(tmp_path, "in 4-bit", {"base_loaded_in_4bit": True, "tokens": 9000})
    ran(tmp_path, "too short", {"runtime_s": 1.0})
    speed = measured_speed(tmp_path, "base", False, {"max_tokens": 200, "batch_size": 4})
    assert speed is not None and (speed.name, speed.tokens_per_s) == ("like", 300.0)


def test_what_is_damaged_is_passed_over(tmp_path: Path) -> None:
    ran(tmp_path, "odd", {"tokens": "many", "runtime_s": None})
    ran(tmp_path, "broken")
    (tmp_path / "broken" / "training_log.json").write_text("{")
    assert measured_speed(tmp_path, "base", False, {"max_tokens": 256}) is None
    assert measured_speed(tmp_path / "none", "base", False, {}) is None
