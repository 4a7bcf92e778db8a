"""Small checkpoints that real vLLM loads and that speak Orpheus's format without having learnt anything.

A Llama whose attention and MLP outputs are zero passes the last token's embedding straight to the output head: what
comes next depends on the last token alone. Embeddings and head are laid out here so that this Markov chain walks the
seven slots of a frame for ever and decides at the end of each frame whether to go on.
"""

import json
import math
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from orpheus_tts.domain.speech import Sampling
from orpheus_tts.domain.tokens import (
    BEGIN_OF_TEXT,
    CODEBOOK_SIZE,
    CODES_PER_FRAME,
    END_OF_SPEECH,
    END_OF_TURN,
    FIRST_AUDIO_TOKEN,
    START_OF_SPEECH,
    VOCABULARY_SIZE,
)

HIDDEN = 80
MAX_POSITIONS = 131_072  # Llama 3.2's
LONGEST_LOOP = 7  # frames
WILD_TOKEN = FIRST_AUDIO_TOKEN + 3 * CODEBOOK_SIZE + 17  # an audio token of slot 3, said where slot 0 is due

# Dimensions of the hidden state. The embeddings that matter have the squared length HIDDEN, so that the final norm
# keeps them; all numbers are exact in bfloat16, so that the large terms below cancel exactly.
_SLOT = range(CODES_PER_FRAME)  # in which slot the last token stood
_START = CODES_PER_FRAME  # it was start-of-speech
_BIAS = _START + 1  # always 1
_CHOICE = _BIAS + 1  # 1 at the end of a frame, where speech may end
_LOOP = range(_CHOICE + 1, _CHOICE + 1 + LONGEST_LOOP)  # it is in this frame of the loop
_CONTENT = range(_LOOP.stop, HIDDEN)  # random signs
_SLOT_SIZE, _LOOP_SIZE = 4.0, 2.0

# Logits: what is legal has about 0, with a little noise; what is not is this far below, also when a repetition penalty
# or a temperature of 2 shrinks the distance.
_FORBIDDEN = 60.0
_NOISE = 0.5

_HEADS, _HEAD_SIZE, _INTERMEDIATE = 2, 128, 32
_FIRST_CUSTOM = 128_256


def make_llama_checkpoint(
    folder: Path,
    *,
    end: float = 0.02,
    loop_frames: int = 0,
    loop: float = 0.0,
    wild: float = 0.0,
    sampling: Sampling | None = None,
    seed: int = 0,
) -> Path:
    """Write a checkpoint folder: config.json, model.safetensors (50 MB), tokenizer.json and their kin.

    The chances are per frame, decided at the end of each, and hold about (within a few per cent) when sampled as
    `sampling` says. Answers begin after start-of-speech, or go on after a prefix, in the right slot.

    Args:
        folder: Made if it does not exist.
        end: Chance of end-of-speech, which comes nowhere else; answers have 1 / `end` frames on average.
        loop_frames: Period of a loop of fixed tokens, 1 to 7 frames; 0 for none. Who is in it never leaves.
        loop: Chance of falling into the loop.
        wild: Chance of the audio token `WILD_TOKEN`, which belongs into another slot; the chain goes on from there.
        sampling: The temperature and top_p for which the chances are set.
        seed: Of the random parts.

    Returns:
        The folder.
    """
    assert 0 <= loop_frames <= LONGEST_LOOP, loop_frames
    assert (loop > 0) == (loop_frames > 0), "a loop has a length and a chance"
    folder.mkdir(parents=True, exist_ok=True)
    chances = {END_OF_SPEECH: end, FIRST_AUDIO_TOKEN: loop, WILD_TOKEN: wild}
    logits = _choice_logits({token: chance for token, chance in chances.items() if chance}, sampling or Sampling())
    embeddings, head = _random_walk(torch.Generator().manual_seed(seed))
    if loop_frames:
        _add_loop(embeddings, head, loop_frames)
    for token, logit in logits.items():
        _offer_at_frame_end(head, token, logit)
    _write_weights(folder, embeddings, head)
    _write_config(folder)
    write_tokenizer(folder)
    return folder


def _choice_logits(chances: dict[int, float], sampling: Sampling) -> dict[int, float]:
    """The logits that give tokens their chances beside 4,096 noisy codes, cut to top_p and divided by temperature."""
    inside = {token: chance * sampling.top_p for token, chance in chances.items()}
    temperature = sampling.temperature
    others = math.log(CODEBOOK_SIZE / (1 - sum(inside.values()))) + (_NOISE / temperature) ** 2 / 2
    return {token: temperature * (math.log(chance) + others) for token, chance in inside.items()}


def _random_walk(generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Embeddings and head, both (VOCABULARY_SIZE, HIDDEN): from slot to slot, with a random liking for some codes."""
    embeddings, head = torch.zeros(2, VOCABULARY_SIZE, HIDDEN)
    signs = torch.randint(0, 2, (VOCABULARY_SIZE, len(_CONTENT)), generator=generator)
    embeddings[:, _CONTENT.start :] = signs * 2 - 1
    embeddings[:, _BIAS] = 1
    head[:, _BIAS] = -_FORBIDDEN
    embeddings[START_OF_SPEECH, _START] = _SLOT_SIZE
    for slot in _SLOT:
        tokens = _tokens_of(slot)
        embeddings[tokens, slot] = _SLOT_SIZE
        head[tokens, (slot - 1) % CODES_PER_FRAME] = _FORBIDDEN / _SLOT_SIZE
        noise = torch.randn(CODEBOOK_SIZE, len(_CONTENT), generator=generator)
        head[tokens, _CONTENT.start :] = noise * _NOISE / math.sqrt(len(_CONTENT))
    head[_tokens_of(0), _START] = _FORBIDDEN / _SLOT_SIZE
    embeddings[_tokens_of(CODES_PER_FRAME - 1), _CHOICE] = 1
    _set_length(embeddings)
    return embeddings, head


def _add_loop(embeddings: torch.Tensor, head: torch.Tensor, frames: int) -> None:
    """Make the first codes of each slot a closed circle that is hardly ever entered by chance."""
    for frame in range(frames):
        for slot in _SLOT:
            token = _tokens_of(slot).start + frame
            came_from = frame if slot else (frame - 1) % frames
            embeddings[token, _LOOP[frame]] = _LOOP_SIZE
            embeddings[token, _CHOICE] = 0
            head[token, _CONTENT.start :] = 0
            head[token, _BIAS] -= _FORBIDDEN
            head[token, _LOOP[came_from]] = 2 * _FORBIDDEN / _LOOP_SIZE
    _set_length(embeddings)


def _offer_at_frame_end(head: torch.Tensor, token: int, logit: float) -> None:
    last = CODES_PER_FRAME - 1
    out_of_a_frame = head[token, _BIAS] + head[token, last] * _SLOT_SIZE
    head[token, _CONTENT.start :] = 0
    head[token, _CHOICE] = logit
    head[token, last] -= out_of_a_frame / _SLOT_SIZE


def _set_length(embeddings: torch.Tensor) -> None:
    """Give the embeddings the squared length HIDDEN by leaving out signs; what stands before them has whole squares."""
    structure, signs = embeddings[:, : _CONTENT.start], embeddings[:, _CONTENT.start :]
    signs *= torch.arange(len(_CONTENT)) < HIDDEN - structure.square().sum(dim=1, keepdim=True)


def _tokens_of(slot: int) -> range:
    first = FIRST_AUDIO_TOKEN + slot * CODEBOOK_SIZE
    return range(first, first + CODEBOOK_SIZE)


def _write_weights(folder: Path, embeddings: torch.Tensor, head: torch.Tensor) -> None:
    layer = "model.layers.0."
    shapes = {
        "self_attn.q_proj": (_HEADS * _HEAD_SIZE, HIDDEN),
        "self_attn.k_proj": (_HEADS * _HEAD_SIZE, HIDDEN),
        "self_attn.v_proj": (_HEADS * _HEAD_SIZE, HIDDEN),
        "self_attn.o_proj": (HIDDEN, _HEADS * _HEAD_SIZE),
        "mlp.gate_proj": (_INTERMEDIATE, HIDDEN),
        "mlp.up_proj": (_INTERMEDIATE, HIDDEN),
        "mlp.down_proj": (HIDDEN, _INTERMEDIATE),
    }
    weights = {f"{layer}{name}.weight": torch.zeros(shape) for name, shape in shapes.items()}
    for norm in (f"{layer}input_layernorm", f"{layer}post_attention_layernorm", "model.norm"):
        weights[f"{norm}.weight"] = torch.ones(HIDDEN)
    weights |= {"model.embed_tokens.weight": embeddings, "lm_head.weight": head}
    halves = {name: weight.to(torch.bfloat16) for name, weight in weights.items()}
    save_file(halves, folder / "model.safetensors", metadata={"format": "pt"})


def _write_config(folder: Path) -> None:
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "torch_dtype": "bfloat16",
        "vocab_size": VOCABULARY_SIZE,
        "hidden_size": HIDDEN,
        "intermediate_size": _INTERMEDIATE,
        "num_hidden_layers": 1,
        "num_attention_heads": _HEADS,
        "num_key_value_heads": _HEADS,
        "head_dim": _HEAD_SIZE,
        "hidden_act": "silu",
        "rms_norm_eps": 1e-5,
        "rope_theta": 500_000.0,
        "max_position_embeddings": MAX_POSITIONS,
        "tie_word_embeddings": False,
        "bos_token_id": BEGIN_OF_TEXT,
        "eos_token_id": END_OF_TURN,
    }
    (folder / "config.json").write_text(json.dumps(config, indent=2))
    # Greedy and short, unlike anything a test asks for: it must not matter.
    generation = {"bos_token_id": BEGIN_OF_TEXT, "eos_token_id": END_OF_TURN, "top_k": 1, "max_new_tokens": 14}
    (folder / "generation_config.json").write_text(json.dumps(generation, indent=2))


def write_tokenizer(folder: Path) -> None:
    """Write a tokenizer.json laid out as Llama 3's with Orpheus's additions.

    Byte-level BPE below 128,000 (a few hundred tokens learnt here, the others never come up), special tokens from
    there, and from 128,256 on the `<custom_token_N>`, which as in the real one are added but not special.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator(
        [__doc__ or "", "tara: The quick brown fox jumps over the lazy dog. <laugh>"], trainer
    )
    definition = json.loads(tokenizer.to_str())
    learnt = definition["model"]["vocab"]
    learnt |= {f"<unused_{token}>": token for token in range(len(learnt), BEGIN_OF_TEXT)}
    special = {BEGIN_OF_TEXT: "<|begin_of_text|>", BEGIN_OF_TEXT + 1: "<|end_of_text|>", END_OF_TURN: "<|eot_id|>"}
    definition["added_tokens"] = [
        _added_token(token, special.get(token, f"<|reserved_special_token_{token - BEGIN_OF_TEXT}|>"), special=True)
        for token in range(BEGIN_OF_TEXT, _FIRST_CUSTOM)
    ] + [
        _added_token(token, f"<custom_token_{token - _FIRST_CUSTOM}>", special=False)
        for token in range(_FIRST_CUSTOM, VOCABULARY_SIZE)
    ]
    (folder / "tokenizer.json").write_text(json.dumps(definition), encoding="utf-8")
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<|begin_of_text|>",
        "eos_token": "<|eot_id|>",
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2))


def _added_token(token: int, content: str, *, special: bool) -> dict[str, object]:
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": not special, "special": special}
    return {"id": token, "content": content, **flags}
