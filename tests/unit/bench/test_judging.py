import numpy as np
import pytest

from orpheus_tts.bench.judging import Demand
from orpheus_tts.bench.outcome import COMPLETE, Outcome
from orpheus_tts.bench.statistics import Window, summarize

GOOD = {"ending": COMPLETE, "audio": 2.0, "waited": 1.0, "gaps": np.array([0.1])}


@pytest.mark.parametrize(
    ("changed", "by", "complaint"),
    [
        ({}, "starved", ""),
        ({}, "gap", ""),
        ({"starved": 0.3}, "starved", "starved p99 300 ms"),
        ({"starved": 0.3}, "gap", ""),
        ({"gaps": np.array([0.4])}, "gap", "gap p99 400 ms"),
        ({"gaps": np.array([0.4])}, "starved", ""),
        ({"gaps": np.zeros(0)}, "gap", ""),
        ({"waited": 2.0}, "starved", "a real-time factor of 1.00"),
        ({"ending": "status 503"}, "starved", "status 503 (1)"),
        ({"ending": "interrupted"}, "starved", "nothing was completed"),
    ],
)
def test_a_run_is_real_time_or_says_why_not(changed, by, complaint):
    summary = summarize([Outcome(**{**GOOD, **changed})], Window(seconds=1.0, audio=2.0, completed=1))
    assert complaint == Demand(limit=0.2, by=by).complaint(summary)
