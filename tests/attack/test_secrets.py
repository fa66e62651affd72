"""Keys in the environment do not get into anything that a run leaves behind."""

from __future__ import annotations

import logging

import pytest

from tests.promises import Cases
from tests.training.tiny import TinyOwner, small_settings, train
from training_pro.folders import Folders
from training_pro.hosts.host import LoadedModel

SECRETS = {
    name: f"secret-{name.lower()}-1f9c" for name in ("WANDB_API_KEY", "HF_TOKEN", "OPENAI_API_KEY", "AWS_SECRET")
}


@pytest.mark.promise("no one in")
def test_no_key_is_in_a_log_or_a_record(
    folders: Folders,
    tiny_model: LoadedModel,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    cases: Cases,
) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    with caplog.at_level(logging.DEBUG):
        train(TinyOwner(folders, tiny_model), small_settings(name="mine", save_steps=1))
    files = [path for path in folders.user_data.rglob("*") if path.is_file()]
    assert any(path.suffix == ".json" for path in files)
    left = [*(path.read_bytes() for path in files), caplog.text.encode()]
    for secret in SECRETS.values():
        for content in left:
            cases.count(secret.encode() not in content)
    assert cases.survived == cases.tried
