from hypothesis import example, given
from hypothesis import strategies as st

from orpheus_tts.bench.search import largest


class MonotoneServer:
    """Carries so many streams and no more."""

    def __init__(self, capacity):
        self.capacity = capacity
        self.tried = []

    async def passes(self, streams):
        self.tried.append(streams)
        return streams <= self.capacity


@given(st.integers(0, 3000), st.integers(1, 3000), st.integers(1, 3000))
@example(0, 1, 1)
@example(1, 1, 1)
@example(7, 8, 7)
async def test_the_true_threshold_is_found(capacity, start, most):
    server = MonotoneServer(capacity)
    assert min(capacity, most) == await largest(server.passes, start=start, most=most)
    assert len(server.tried) == len(set(server.tried)) <= 24
    assert max(server.tried) <= most


@given(st.integers(1, 3000), st.floats(0.01, 0.5))
async def test_with_slack_it_is_too_low_by_that_share_at_most(capacity, slack):
    server = MonotoneServer(capacity)
    found = await largest(server.passes, most=4000, slack=slack)
    assert found <= capacity < found + max(1.0, found * slack)
