import pytest
from hypothesis import given
from hypothesis import strategies as st

from orpheus_tts.bench.server_timing import durations

NAMES = st.text("abcdefgh-_!#", min_size=1, max_size=8)


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        (['queue;dur=1.5, prefill;desc="a, b; dur=9";dur=20'], {"queue": 0.0015, "prefill": 0.02}),
        (["cache;dur=2", "db;dur=3"], {"cache": 0.002, "db": 0.003}),
        (['a ; dur = 4 ,b;DUR="5"'], {"a": 0.004, "b": 0.005}),
        (['miss, hit;desc="no \\" dur", c;dur=6'], {"c": 0.006}),
        (["a;dur=1, a;dur=2"], {"a": 0.003}),
        (["a;dur=1;dur=7"], {"a": 0.001}),
        (["a;dur=, b;dur=x, c;dur=-1, d;dur=nan, e;dur=inf"], {}),
        ([""], {}),
        ([], {}),
    ],
)
def test_durations_are_read_by_the_standard(headers, found):
    assert pytest.approx(found) == durations(headers)


@given(st.dictionaries(NAMES, st.tuples(st.floats(0, 1e6), st.text('abc,;="\\', max_size=6)), max_size=5))
def test_whatever_is_written_is_read(metrics):
    def quoted(text):
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'

    header = ", ".join(f"{name};desc={quoted(text)};dur={took}" for name, (took, text) in metrics.items())
    assert pytest.approx({name: took / 1000 for name, (took, _) in metrics.items()}) == durations([header])


@given(st.text('ab,;="\\ dur1', max_size=60))
def test_nonsense_is_no_error(header):
    assert all(took >= 0 for took in durations([header]).values())
