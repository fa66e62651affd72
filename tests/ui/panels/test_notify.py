from __future__ import annotations

import gradio as gr

from tests.training.test_notify import SECRET, hook
from tests.ui.stand_ins import StandInSession, press
from training_pro.folders import Folders
from training_pro.training.notify import addresses
from training_pro.ui.panels.notify import Notify


def test_added_tested_and_removed_without_showing_the_secret(folders: Folders) -> None:
    panel = Notify(StandInSession(folders))
    with gr.Blocks() as blocks:
        panel.build()
        panel.connect()
    assert "it should look like" in press(blocks, panel.add, "nonsense")[panel.said]
    assert "No address" in press(blocks, panel.test)[panel.said]
    with hook() as (address, got):
        added = press(blocks, panel.add, address)
        assert added[panel.address] == "" and addresses(folders) == [address]
        tested = press(blocks, panel.test)
    assert len(got) == 1 and "Told 1" in tested[panel.said]
    failed = press(blocks, panel.test)
    assert "no answer" in failed[panel.said]
    removed = press(blocks, panel.forget)
    assert "none" in removed[panel.said] and addresses(folders) == []
    assert all(SECRET not in str(one) for one in (added, tested, failed, removed))
