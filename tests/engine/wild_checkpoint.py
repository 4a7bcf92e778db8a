"""A checkpoint that has learnt nothing of Orpheus's frames: what it likes to say next is almost never legal."""

import math
from pathlib import Path

import torch
from checkpoints import make_llama_checkpoint
from safetensors.torch import load_file, save_file

from orpheus_tts.domain.tokens import END_OF_SPEECH, FIRST_AUDIO_TOKEN, VOCABULARY_SIZE

SPREAD = 2.0  # standard deviation of the logits
END_LOGIT = 5.5  # of end-of-speech after any token; a dozen of the 4,096 codes of a slot have more
_BIAS = 8  # the dimension in which all of the checkpoints' embeddings have a 1


def make_wild_checkpoint(folder: Path) -> Path:
    """Write a checkpoint whose head is random, and which likes end-of-speech after any token.

    Returns:
        The folder.
    """
    make_llama_checkpoint(folder)
    weights = load_file(folder / "model.safetensors")
    head = torch.randn(weights["lm_head.weight"].shape, generator=torch.Generator().manual_seed(1))
    head *= SPREAD / math.sqrt(head.shape[1])
    head[END_OF_SPEECH] = 0
    head[END_OF_SPEECH, _BIAS] = END_LOGIT
    weights["lm_head.weight"] = head.to(torch.bfloat16)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def legal_shares(folder: Path, slot: int) -> torch.Tensor:
    """What the bare model gives the codes of the slot that is due, after each of 100 codes of the slot before: (100,).

    Nothing but embeddings, norm and head does anything in these checkpoints.
    """
    weights = {name: weight.float() for name, weight in load_file(folder / "model.safetensors").items()}
    first, due = (FIRST_AUDIO_TOKEN + at % 7 * 4096 for at in (slot - 1, slot))
    hidden = torch.nn.functional.rms_norm(weights["model.embed_tokens.weight"][first : first + 100], (80,))
    shares = (hidden @ weights["lm_head.weight"].T).softmax(dim=1)
    assert shares.shape == (100, VOCABULARY_SIZE)
    return shares[:, due : due + 4096].sum(dim=1)
