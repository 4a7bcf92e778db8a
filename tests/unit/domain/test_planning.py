import pytest
from hypothesis import given
from hypothesis import strategies as st

from orpheus_tts.domain.chunker import Boundary, ChunkLimits, split
from orpheus_tts.domain.duration import speech_length
from orpheus_tts.domain.errors import BudgetTooSmallError
from orpheus_tts.domain.planning import SUFFICIENT_BUDGET, plan_chunks
from orpheus_tts.domain.speech import Sampling

SENTENCE = "The quick brown fox jumps over the lazy dog. "
texts = st.one_of(
    st.text(max_size=600),
    st.lists(st.sampled_from(["Fox.", "jumps, over", "3.14", "狐狸跳过了懒狗。", "\n\n", "<laugh>"]), max_size=120).map(
        " ".join
    ),
)
budgets = st.integers(SUFFICIENT_BUDGET, 8000)


@given(texts, budgets)
def test_the_chunks_are_the_text_in_order(text, budget):
    chunks = list(plan_chunks(text, ChunkLimits(), budget=budget))
    assert list(range(len(chunks))) == [chunk.index for chunk in chunks]
    end = 0
    for chunk in chunks:
        assert text[chunk.start : chunk.end] == chunk.text
        assert not text[end : chunk.start].strip()
        end = chunk.end
    assert not text[end:].strip()


@given(texts, budgets)
def test_a_typical_reading_of_every_chunk_fits_the_budget(text, budget):
    for chunk in plan_chunks(text, ChunkLimits(), budget=budget):
        assert speech_length(chunk.text).typical <= budget


@given(texts.filter(str.strip), st.integers(7, SUFFICIENT_BUDGET))
def test_a_budget_that_suffices_for_no_piece_is_refused(text, budget):
    planned = planned_or_refused(text, budget)
    if isinstance(planned, BudgetTooSmallError):
        assert (budget, "max_tokens") == (planned.budget, planned.field)
        assert planned.needed > budget
    else:
        assert all(speech_length(chunk.text).typical <= budget for chunk in planned)


def planned_or_refused(text, budget):
    try:
        return list(plan_chunks(text, ChunkLimits(), budget=budget))
    except BudgetTooSmallError as error:
        return error


@given(texts, budgets)
def test_only_the_last_chunk_ends_the_text(text, budget):
    boundaries = [chunk.boundary for chunk in plan_chunks(text, ChunkLimits(), budget=budget)]
    assert [boundary is Boundary.END for boundary in boundaries] == [False] * (len(boundaries) - 1) + [True] * bool(
        boundaries
    )


@pytest.mark.parametrize("length", [100, 500, 3000])
def test_the_default_budget_splits_ordinary_text_no_further(length):
    text = (SENTENCE * 100)[:length]
    assert list(split(text)) == list(plan_chunks(text, ChunkLimits(), budget=Sampling().max_tokens))


def test_the_first_chunk_of_a_book_comes_at_once():
    chunks = plan_chunks(SENTENCE * 100_000, ChunkLimits(), budget=6144)
    assert next(chunks).text.startswith("The quick")
