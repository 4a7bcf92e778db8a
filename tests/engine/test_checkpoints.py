"""The made checkpoints, read back and walked without an engine."""

import json

import numpy as np
import pytest
import torch
from checkpoints import WILD_TOKEN, make_llama_checkpoint
from safetensors.torch import load_file
from tokenizers import Tokenizer

from orpheus_tts.domain.speech import Sampling
from orpheus_tts.domain.tokens import (
    CODEBOOK_SIZE,
    CODES_PER_FRAME,
    END_OF_SPEECH,
    END_OF_TURN,
    FIRST_AUDIO_TOKEN,
    START_OF_SPEECH,
    VOCABULARY_SIZE,
    codes_from_ids,
)


class Chain:
    """The Markov chain that a checkpoint's weights describe."""

    def __init__(self, folder):
        weights = load_file(folder / "model.safetensors")
        self._embeddings = weights["model.embed_tokens.weight"].float()
        self._head = weights["lm_head.weight"].float()

    def probabilities(self, token, sampling):
        """Shape (VOCABULARY_SIZE,): of the next token, after temperature and top_p."""
        state = self._embeddings[token]
        state = state / (state.square().mean() + 1e-5).sqrt()
        probabilities = (self._head @ state / sampling.temperature).softmax(0)
        descending, order = probabilities.sort(descending=True)
        descending[descending.cumsum(0) - descending >= sampling.top_p] = 0
        return torch.zeros(VOCABULARY_SIZE).scatter(0, order, descending / descending.sum())

    def walk(self, steps, sampling, *, seed):
        generator = torch.Generator().manual_seed(seed)
        ids = [START_OF_SPEECH]
        while len(ids) <= steps and ids[-1] != END_OF_SPEECH:
            ids.append(int(torch.multinomial(self.probabilities(ids[-1], sampling), 1, generator=generator)))
        return np.array(ids[1:])


DEFAULT, COLD, HOT = Sampling(), Sampling(temperature=0.3, top_p=0.8), Sampling(temperature=2.0, top_p=1.0)
FRAME_END = FIRST_AUDIO_TOKEN + 6 * CODEBOOK_SIZE + 100


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_llama_checkpoint(tmp_path_factory.mktemp("plain"), end=0.2)


@pytest.mark.parametrize("sampling", [DEFAULT, COLD])
def test_the_chances_at_a_frames_end_are_the_chosen_ones(tmp_path, sampling):
    chain = Chain(make_llama_checkpoint(tmp_path, end=0.05, loop_frames=2, loop=0.1, wild=0.03, sampling=sampling))
    mean = torch.stack([chain.probabilities(FRAME_END + code, sampling) for code in range(20)]).mean(0)
    assert mean[END_OF_SPEECH] == pytest.approx(0.05, rel=0.25)
    assert mean[FIRST_AUDIO_TOKEN] == pytest.approx(0.1, rel=0.25)
    assert mean[WILD_TOKEN] == pytest.approx(0.03, rel=0.25)


def test_speech_is_slots_in_order_and_ends_only_after_a_frame(folder):
    chain = Chain(folder)
    before = [START_OF_SPEECH, *(FIRST_AUDIO_TOKEN + slot * CODEBOOK_SIZE + 9 for slot in range(6))]
    for slot, token in enumerate(before):
        first = FIRST_AUDIO_TOKEN + slot * CODEBOOK_SIZE
        for sampling in (DEFAULT, COLD, HOT):
            assert chain.probabilities(token, sampling)[first : first + CODEBOOK_SIZE].sum() > 1 - 1e-6
    ids = chain.walk(280, DEFAULT, seed=3)
    assert ids[-1] == END_OF_SPEECH
    assert codes_from_ids(ids[:-1]).size % CODES_PER_FRAME == 0


@pytest.mark.parametrize("frames", [1, 7])
def test_a_loop_once_entered_is_never_left(tmp_path, frames):
    chain = Chain(make_llama_checkpoint(tmp_path, end=0.1, loop_frames=frames, loop=0.1))
    period = frames * CODES_PER_FRAME
    for step in range(1, period + 1):
        before, due = (
            FIRST_AUDIO_TOKEN + at % CODES_PER_FRAME * CODEBOOK_SIZE + at // CODES_PER_FRAME
            for at in (step - 1, step % period)
        )
        for sampling in (DEFAULT, HOT):
            assert chain.probabilities(before, sampling)[due] > 0.999


def test_without_wildness_every_token_is_in_its_slot(folder):
    assert Chain(folder).probabilities(FRAME_END, DEFAULT)[WILD_TOKEN] < 1e-9


def test_the_tokenizer_is_laid_out_as_orpheus_has_it(folder):
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    assert tokenizer.token_to_id("<|eot_id|>") == END_OF_TURN
    assert tokenizer.token_to_id("<custom_token_1>") == START_OF_SPEECH
    assert tokenizer.token_to_id("<custom_token_28683>") == VOCABULARY_SIZE - 1
    assert tokenizer.encode("<custom_token_1>").ids == [START_OF_SPEECH]
    assert tokenizer.decode(tokenizer.encode("tara: Hällo <laugh> 你好").ids) == "tara: Hällo <laugh> 你好"
    assert json.loads((folder / "config.json").read_text())["vocab_size"] == VOCABULARY_SIZE
