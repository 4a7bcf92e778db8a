"""What changes from attempt to attempt, and what never does."""

import math
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from orpheus_tts.domain.retry import RetryPolicy
from orpheus_tts.domain.speech import SEED_RANGE, Sampling

samplings = st.builds(
    Sampling,
    temperature=st.floats(0.0, 2.0),
    top_p=st.floats(0.01, 1.0),
    repetition_penalty=st.floats(1.0, 2.0),
    max_tokens=st.integers(7, 65_536),
    seed=st.none() | st.integers(*SEED_RANGE),
)
policies = st.builds(
    RetryPolicy,
    max_attempts=st.integers(1, 20),
    penalty_step=st.floats(0.0, 10.0),
    temperature_step=st.floats(0.0, 10.0),
    highest_penalty=st.floats(1.0, 2.0),
    highest_temperature=st.floats(0.0, 2.0),
)
attempts = st.integers(0, 20)


@given(policy=policies, base=samplings)
@example(policy=RetryPolicy(), base=Sampling())
def test_the_first_attempt_has_the_users_own_values(policy, base):
    assert base == policy.sampling(base, 0)


@given(base=samplings, attempt=attempts)
def test_penalty_and_temperature_stay_within_their_limits(base, attempt):
    sampling = RetryPolicy().sampling(base, attempt)
    assert sampling.repetition_penalty <= 2.0
    assert sampling.temperature <= max(1.2, base.temperature)


@given(policy=policies, base=samplings, attempt=attempts)
def test_values_above_a_limit_stay_the_users(policy, base, attempt):
    sampling = policy.sampling(base, attempt)
    assert sampling.repetition_penalty <= max(policy.highest_penalty, base.repetition_penalty)
    assert sampling.temperature <= max(policy.highest_temperature, base.temperature)


@given(policy=policies, base=samplings, attempt=attempts)
def test_penalty_and_temperature_never_fall_from_attempt_to_attempt(policy, base, attempt):
    sampling, following = policy.sampling(base, attempt), policy.sampling(base, attempt + 1)
    assert following.repetition_penalty >= sampling.repetition_penalty
    assert following.temperature >= sampling.temperature


@given(policy=policies, base=samplings, attempt=attempts)
def test_nothing_but_penalty_temperature_and_seed_changes(policy, base, attempt):
    sampling = policy.sampling(base, attempt)
    assert base == replace(
        sampling, repetition_penalty=base.repetition_penalty, temperature=base.temperature, seed=base.seed
    )


@given(base=samplings, attempt=attempts, other=attempts)
@example(base=Sampling(seed=SEED_RANGE[1]), attempt=1, other=0)
def test_every_attempt_has_a_seed_of_its_own_if_the_user_gave_one(base, attempt, other):
    seed, another = (RetryPolicy().sampling(base, n).seed for n in (attempt, other))
    if base.seed is None:
        assert seed is None
    else:
        assert (seed == another) == (attempt == other)


def test_the_seed_moves_on_by_one_and_wraps_around():
    assert 6 == RetryPolicy().sampling(Sampling(seed=5), 1).seed
    assert 0 == RetryPolicy().sampling(Sampling(seed=SEED_RANGE[1]), 1).seed


def test_each_retry_of_the_defaults_takes_a_step():
    drawn = [RetryPolicy().sampling(Sampling(), attempt) for attempt in range(4)]
    assert [1.1, 1.2, 1.3, 1.4] == pytest.approx([sampling.repetition_penalty for sampling in drawn])
    assert [0.6, 0.7, 0.8, 0.9] == pytest.approx([sampling.temperature for sampling in drawn])


def test_there_is_no_attempt_before_the_first():
    with pytest.raises(ValueError, match="attempt"):
        RetryPolicy().sampling(Sampling(), -1)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_attempts", 0),
        ("penalty_step", -0.1),
        ("penalty_step", math.nan),
        ("temperature_step", -0.1),
        ("highest_penalty", 0.9),
        ("highest_penalty", 2.1),
        ("highest_temperature", -0.1),
        ("highest_temperature", 2.1),
    ],
)
def test_a_policy_out_of_range_cannot_be_made(name, value):
    with pytest.raises(ValueError, match=name):
        RetryPolicy(**{name: value})
