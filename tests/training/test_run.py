"""Whole runs on the tiny model."""

from __future__ import annotations

from tests.training.tiny import TinyOwner, adapter_bytes, small_settings, train
from training_pro.training.snapshot import model_fingerprint


def test_a_run_leaves_an_adapter_and_the_host_as_it_was(owner: TinyOwner) -> None:
    before = model_fingerprint(owner.loaded.model)
    status = train(owner, small_settings())
    assert status.ending.kind == "finished"
    assert (status.update, status.total_updates) == (12, 12)
    assert model_fingerprint(owner.loaded.model) == before
    assert owner.held == ["in", "out"]
    assert adapter_bytes(status.folder)
