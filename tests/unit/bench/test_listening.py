import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from orpheus_tts.bench.listening import Player

# Milliseconds since the arrival before, milliseconds of sound.
ARRIVALS = st.lists(st.tuples(st.integers(0, 300), st.integers(1, 300)), min_size=1, max_size=30)


def simulated(arrivals):
    """Starvation by playing millisecond after millisecond, and how many times it began."""
    coming = {}
    now = 0
    for gap, sound in arrivals:
        now += gap
        coming[now] = coming.get(now, 0) + sound
    left = starved = stalls = 0
    silent = False
    for millisecond in range(min(coming), max(coming)):
        left += coming.get(millisecond, 0)
        stalls += not left and not silent
        silent = not left
        starved += silent
        left -= not silent
    return starved, stalls


def played(arrivals):
    player, now = Player(), 100.0
    for gap, sound in arrivals:
        now += gap / 1000
        player.take(now, sound / 1000)
    return player, now


@given(ARRIVALS)
@example([(5, 10), (11, 10)])
def test_a_player_is_silent_whenever_it_has_played_all_that_came(arrivals):
    player, _ = played(arrivals)
    starved, _ = simulated(arrivals)
    assert abs(starved / 1000 - player.starved) < 1e-6


def test_its_silences_are_counted():
    arrivals = [(0, 100), (50, 100), (151, 40), (10, 20), (90, 5)]
    player, _ = played(arrivals)
    assert (2, 0.041) == (player.stalls, pytest.approx(player.starved))
    assert (41, 2) == simulated(arrivals)


@given(ARRIVALS)
def test_what_is_ahead_is_all_that_came_but_what_was_played(arrivals):
    player, now = played(arrivals)
    begun = 100.0 + arrivals[0][0] / 1000
    sound = sum(sound for _, sound in arrivals) / 1000
    assert abs(sound - (now - begun - player.starved) - player.ahead(now)) < 1e-6


def test_nothing_is_ahead_before_the_first_sound_and_after_the_last():
    player = Player()
    assert 0 == player.ahead(5.0)
    player.take(5.0, 1.0)
    assert 0 == player.ahead(7.0)
    assert (0, 0) == (player.starved, player.stalls)
