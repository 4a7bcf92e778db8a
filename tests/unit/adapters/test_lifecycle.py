"""What is done about a process as a whole."""

import gc

import pytest

from orpheus_tts.adapters.litserve.lifecycle import leave_start_up_alone


@pytest.fixture
def _looked_through_again():
    yield
    gc.unfreeze()


@pytest.mark.usefixtures("_looked_through_again")
def test_the_garbage_collector_passes_over_what_start_up_made_and_looks_at_what_comes_after():
    made = []
    leave_start_up_alone()
    after = []
    looked_at = gc.get_objects()
    assert not any(one is made for one in looked_at)
    assert any(one is after for one in looked_at)
