from __future__ import annotations

import pytest

from training_pro.ui.panels.runs import answers_with


@pytest.mark.parametrize(("in_webui", "where"), [(True, "Chat tab"), (False, "Ask it")])
def test_a_loaded_lora_is_found_where_it_can_be_talked_to(in_webui: bool, where: str) -> None:
    told = answers_with("mine", in_webui=in_webui)
    assert '"mine"' in told and where in told
