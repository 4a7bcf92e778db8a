import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orpheus_tts.bench.outcome import COMPLETE, INTERRUPTED, TIMEOUT, Outcome
from orpheus_tts.bench.statistics import REST, Distribution, Window, summarize

SECONDS = st.floats(0, 1e3)
WINDOW = Window(seconds=4.0, audio=10.0, completed=2)


def outcomes():
    return st.builds(
        Outcome,
        ending=st.sampled_from([COMPLETE, INTERRUPTED, TIMEOUT, "status 503"]),
        first_audio=st.none() | SECONDS,
        gaps=st.lists(SECONDS, max_size=8).map(np.array),
        starved=SECONDS,
        audio=st.just(0.0) | st.floats(0.02, 1e3),
        waited=SECONDS,
        retry_after=st.none() | SECONDS,
    )


def in_order(samples, share):
    """A percentile by its definition: between the two samples around its place in the order."""
    ordered = sorted(samples)
    place = share * (len(ordered) - 1)
    low = ordered[int(place)]
    high = ordered[min(int(place) + 1, len(ordered) - 1)]
    return low + (high - low) * (place - int(place))


@given(st.lists(SECONDS, min_size=1, max_size=120))
def test_percentiles_are_places_in_the_order(samples):
    found = Distribution.of(samples)
    assert (len(samples), max(samples)) == (found.count, found.max)
    for share in (50, 95, 99):
        assert in_order(samples, share / 100) == pytest.approx(getattr(found, f"p{share}"))
    assert pytest.approx(sum(samples) / len(samples)) == found.mean


def test_nothing_has_no_distribution():
    assert Distribution.of([]) is None


@given(st.lists(outcomes(), max_size=8), st.lists(outcomes(), max_size=8))
def test_runs_taken_together_are_as_one_run_of_all_their_requests(some, others):
    both = summarize([*some, *others], WINDOW)
    gaps = [gap for each in (*some, *others) for gap in each.gaps]
    assert Distribution.of(gaps) == both.gap
    parts = [summarize(some, WINDOW), summarize(others, WINDOW)]
    for count in ("requests", "completed", "interrupted"):
        assert sum(getattr(part, count) for part in parts) == getattr(both, count)
    for kind, count in both.errors.items():
        assert count == sum(part.errors.get(kind, 0) for part in parts)
    measured = [part.ttfa for part in parts if part.ttfa is not None]
    assert sum(each.count for each in measured) == (both.ttfa.count if both.ttfa else 0)
    assert not measured or max(each.max for each in measured) == both.ttfa.max


@given(st.lists(outcomes(), max_size=8))
def test_counts_add_up(given):
    found = summarize(given, WINDOW)
    assert found.requests == found.completed + found.interrupted + sum(found.errors.values())
    assert set(found.details) == set(found.errors)


def test_rates_are_those_of_the_window():
    found = summarize([Outcome(ending=COMPLETE, audio=99.0, waited=9.9)], WINDOW)
    assert (2.5, 0.5) == (found.audio_per_second, found.requests_per_second)
    assert 0.1 == pytest.approx(found.real_time_factor.p50)
    assert 0 == summarize([], Window(seconds=0.0, audio=0.0, completed=0)).audio_per_second


def test_only_complete_answers_say_whether_they_starved():
    given = [
        Outcome(ending=COMPLETE, starved=2.0, stalls=3, audio=1.0),
        Outcome(ending=COMPLETE, audio=1.0),
        Outcome(ending=TIMEOUT, starved=50.0, stalls=1, audio=1.0),
    ]
    found = summarize(given, WINDOW)
    assert (0.5, 2.0, 2) == (found.starved_streams, found.starved.max, found.starved.count)


def test_stages_leave_a_rest_of_the_time_to_first_audio():
    given = [
        Outcome(ending=COMPLETE, first_audio=0.1, stages={"queue": 0.01, "prefill": 0.05, "total": 0.07}),
        Outcome(ending=COMPLETE, first_audio=0.1, stages={"prefill": 0.09}),
        Outcome(ending=COMPLETE, first_audio=0.1),
        Outcome(ending=TIMEOUT, stages={"queue": 5.0}),
    ]
    stages = summarize(given, WINDOW).stages
    assert ["queue", "prefill", REST] == list(stages)
    assert [0.005, 0.07, 0.025] == pytest.approx([each.p50 for each in stages.values()])
    assert {2} == {each.count for each in stages.values()}
