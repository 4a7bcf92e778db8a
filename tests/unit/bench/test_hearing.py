import pytest

from orpheus_tts.bench.audio import WavMeter
from orpheus_tts.bench.hearing import Hearing
from orpheus_tts.domain.wav import wav_header

SECOND = b"\x00" * 48_000


class Listening:
    """A hearing whose clock is set by hand."""

    def __init__(self):
        self.now = 10.0
        self.heard = []
        self.hearing = Hearing(WavMeter(), lambda *told: self.heard.append(told), clock=lambda: self.now)

    def take(self, now, data, **how):
        self.now = 10.0 + now
        self.hearing.take(data, **how)


@pytest.fixture
def listening():
    return Listening()


def test_the_first_audio_is_the_first_after_the_header(listening):
    listening.take(0.5, wav_header(None))
    assert (None, 0) == (listening.hearing.first_audio, listening.hearing.audio)
    listening.take(0.75, SECOND)
    listening.take(1.0, SECOND[:24_000])
    assert (0.75, 1.5, 1.0) == (listening.hearing.first_audio, listening.hearing.audio, listening.hearing.waited)
    assert [(1.0, 0.75), (0.5, None)] == listening.heard
    assert 44 + 72_000 == listening.hearing.size


def test_gaps_are_between_the_begins_of_blocks(listening):
    listening.take(1.0, wav_header(None) + SECOND, ends_block=False)
    listening.take(1.25, SECOND, ends_block=False)
    listening.take(1.5, b"")
    listening.take(2.0, SECOND)
    listening.take(2.5, SECOND)
    assert [1.0, 0.5] == list(listening.hearing.gaps)


def test_time_in_which_nobody_read_is_nobodys_fault(listening):
    listening.take(1.0, wav_header(None) + SECOND)
    listening.hearing.paused += 0.75
    listening.take(2.0, SECOND)
    assert ([0.25], 1.25) == (list(listening.hearing.gaps), listening.hearing.waited)


def test_its_player_starves_when_a_block_is_late(listening):
    listening.take(1.0, wav_header(None) + SECOND)
    listening.now = 10.0 + 1.25
    assert 0.75 == listening.hearing.ahead()
    listening.take(2.5, SECOND)
    assert (0.5, 1) == (listening.hearing.player.starved, listening.hearing.player.stalls)
