"""Checkpoints that real vLLM loads and that speak Orpheus's format without having learnt anything, of any size.

A Llama whose attention and MLP outputs are zero passes the last token's embedding straight to the output head: what
comes next depends on the last token alone. Embeddings and head are laid out here so that this Markov chain walks the
seven slots of a frame for ever and decides at the end of each frame whether to go on. Head and embeddings are two
matrices, unlike Orpheus's: tied, what follows what would be symmetric. A step reads the same bytes either way.
"""

import json
import math
from dataclasses import dataclass
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

MAX_POSITIONS = 131_072  # Llama 3.2's
LONGEST_LOOP = 7  # frames
WILD_TOKEN = FIRST_AUDIO_TOKEN + 3 * CODEBOOK_SIZE + 17  # an audio token of slot 3, said where slot 0 is due

# Dimensions of the hidden state. The embeddings that matter have the squared length of the hidden state, so that
# the final norm keeps them; all numbers are exact in bfloat16, so that the large terms below cancel exactly.
_SLOT = range(CODES_PER_FRAME)  # in which slot the last token stood
_START = CODES_PER_FRAME  # it was start-of-speech
_BIAS = _START + 1  # always 1
_CHOICE = _BIAS + 1  # 1 at the end of a frame, where speech may end
_LOOP = range(_CHOICE + 1, _CHOICE + 1 + LONGEST_LOOP)  # it is in this frame of the loop
_CONTENT = _LOOP.stop  # from here on, random signs
_SLOT_SIZE, _LOOP_SIZE = 4.0, 2.0

# Logits: what is legal has about 0, with a little noise; what is not is this far below, also when a repetition penalty
# or a temperature of 2 shrinks the distance.
_FORBIDDEN = 60.0
_NOISE = 0.5

# Of the random weights: what models start with, and so little that bfloat16 loses it beside an embedding's 1.
_SPREAD, _LOST = 0.02, 2.0**-24
_FIRST_CUSTOM = 128_256


@dataclass(frozen=True, slots=True, kw_only=True)
class LlamaShape:
    """Dimensions of a Llama, and what its layers hold.

    Attributes:
        filled: Whether the layers' weights are random instead of zero, which GPUs multiply with less power and so
            faster; what they add to the hidden state is lost in rounding, so what is said stays the same.
    """

    hidden: int
    intermediate: int
    layers: int
    heads: int
    kv_heads: int
    head_size: int = 128
    filled: bool = False


SMALL = LlamaShape(hidden=80, intermediate=32, layers=1, heads=2, kv_heads=2)
ORPHEUS = LlamaShape(hidden=3072, intermediate=8192, layers=28, heads=24, kv_heads=8, filled=True)
"""Llama 3.2 3B's, from its config.json."""

# Llama 3.2's scaling of rotary positions, from the same file.
_ROPE_SCALING = {
    "rope_type": "llama3",
    "factor": 32.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}


def make_llama_checkpoint(
    folder: Path,
    *,
    end: float = 0.02,
    loop_frames: int = 0,
    loop: float = 0.0,
    wild: float = 0.0,
    sampling: Sampling | None = None,
    seed: int = 0,
    shape: LlamaShape = SMALL,
    device: str = "cpu",
) -> Path:
    """Write a checkpoint folder: config.json, model.safetensors (50 MB, or 7.6 GB), tokenizer.json and their kin.

    The chances are per frame, decided at the end of each, and hold about (within a few per cent) when sampled as
    `sampling` says. Answers begin after start-of-speech, or go on after a prefix, in the right slot.

    Args:
        folder: Made if it does not exist.
        end: Chance of end-of-speech, which comes nowhere else; answers have 1 / `end` frames on average.
        loop_frames: Period of a loop of fixed tokens, 1 to 7 frames; 0 for none. Who is in it never leaves.
        loop: Chance of falling into the loop.
        wild: Chance of the audio token `WILD_TOKEN`, which belongs into another slot; the chain goes on from there.
        sampling: The temperature and top_p for which the chances are set.
        seed: Of the random parts, which differ from device to device.
        shape: How large it is.
        device: Where the weights are made.

    Returns:
        The folder.
    """
    assert 0 <= loop_frames <= LONGEST_LOOP, loop_frames
    assert (loop > 0) == (loop_frames > 0), "a loop has a length and a chance"
    folder.mkdir(parents=True, exist_ok=True)
    chances = {END_OF_SPEECH: end, FIRST_AUDIO_TOKEN: loop, WILD_TOKEN: wild}
    logits = _choice_logits({token: chance for token, chance in chances.items() if chance}, sampling or Sampling())
    generator = torch.Generator(device).manual_seed(seed)
    embeddings, head = _random_walk(shape.hidden, generator)
    if loop_frames:
        _add_loop(embeddings, head, loop_frames)
    for token, logit in logits.items():
        _offer_at_frame_end(head, token, logit)
    weights = {"model.embed_tokens.weight": embeddings.bfloat16(), "lm_head.weight": head.bfloat16()}
    weights |= _body(shape, generator)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    _write_config(folder, shape)
    write_tokenizer(folder)
    return folder


def _choice_logits(chances: dict[int, float], sampling: Sampling) -> dict[int, float]:
    """The logits that give tokens their chances beside 4,096 noisy codes, cut to top_p and divided by temperature."""
    inside = {token: chance * sampling.top_p for token, chance in chances.items()}
    temperature = sampling.temperature
    others = math.log(CODEBOOK_SIZE / (1 - sum(inside.values()))) + (_NOISE / temperature) ** 2 / 2
    return {token: temperature * (math.log(chance) + others) for token, chance in inside.items()}


def _random_walk(hidden: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Embeddings and head, both (VOCABULARY_SIZE, hidden): from slot to slot, with a random liking for some codes."""
    device, content = generator.device, hidden - _CONTENT
    embeddings, head = torch.zeros(2, VOCABULARY_SIZE, hidden, device=device)
    embeddings[:, _CONTENT:] = torch.randint(
        0, 2, (VOCABULARY_SIZE, content), dtype=torch.int8, generator=generator, device=device
    )
    embeddings[:, _CONTENT:].mul_(2).sub_(1)
    embeddings[:, _BIAS] = 1
    head[:, _BIAS] = -_FORBIDDEN
    embeddings[START_OF_SPEECH, _START] = _SLOT_SIZE
    for slot in _SLOT:
        tokens = _tokens_of(slot)
        embeddings[tokens, slot] = _SLOT_SIZE
        head[tokens, (slot - 1) % CODES_PER_FRAME] = _FORBIDDEN / _SLOT_SIZE
        noise = torch.randn(CODEBOOK_SIZE, content, generator=generator, device=device)
        head[tokens, _CONTENT:] = noise * _NOISE / math.sqrt(content)
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
            head[token, _CONTENT:] = 0
            head[token, _BIAS] -= _FORBIDDEN
            head[token, _LOOP[came_from]] = 2 * _FORBIDDEN / _LOOP_SIZE
    _set_length(embeddings)


def _offer_at_frame_end(head: torch.Tensor, token: int, logit: float) -> None:
    last = CODES_PER_FRAME - 1
    out_of_a_frame = head[token, _BIAS] + head[token, last] * _SLOT_SIZE
    head[token, _CONTENT:] = 0
    head[token, _CHOICE] = logit
    head[token, last] -= out_of_a_frame / _SLOT_SIZE


def _set_length(embeddings: torch.Tensor) -> None:
    """Make the squared length that of the hidden state by leaving out signs; what stands before has whole squares."""
    structure, signs = embeddings[:, :_CONTENT], embeddings[:, _CONTENT:]
    room = embeddings.shape[1] - structure.square().sum(dim=1, keepdim=True)
    signs *= torch.arange(signs.shape[1], device=signs.device) < room


def _tokens_of(slot: int) -> range:
    first = FIRST_AUDIO_TOKEN + slot * CODEBOOK_SIZE
    return range(first, first + CODEBOOK_SIZE)


def _body(shape: LlamaShape, generator: torch.Generator) -> dict[str, torch.Tensor]:
    """The layers, which leave the hidden state as it is."""
    queries, keys = shape.heads * shape.head_size, shape.kv_heads * shape.head_size
    inputs = {
        "self_attn.q_proj": (queries, shape.hidden),
        "self_attn.k_proj": (keys, shape.hidden),
        "self_attn.v_proj": (keys, shape.hidden),
        "mlp.gate_proj": (shape.intermediate, shape.hidden),
        "mlp.up_proj": (shape.intermediate, shape.hidden),
    }
    outputs = {"self_attn.o_proj": (shape.hidden, queries), "mlp.down_proj": (shape.hidden, shape.intermediate)}
    like = {"dtype": torch.bfloat16, "device": generator.device}
    weights = {}
    for layer in range(shape.layers):
        for sizes, spread in ((inputs, _SPREAD), (outputs, _LOST)):
            for name, size in sizes.items():
                weight = torch.zeros(size, **like)
                weights[f"model.layers.{layer}.{name}.weight"] = weight
                if shape.filled:
                    weight.normal_(std=spread, generator=generator)
        for norm in ("input_layernorm", "post_attention_layernorm"):
            weights[f"model.layers.{layer}.{norm}.weight"] = torch.ones(shape.hidden, **like)
    return {**weights, "model.norm.weight": torch.ones(shape.hidden, **like)}


def _write_config(folder: Path, shape: LlamaShape) -> None:
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "torch_dtype": "bfloat16",
        "vocab_size": VOCABULARY_SIZE,
        "hidden_size": shape.hidden,
        "intermediate_size": shape.intermediate,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.kv_heads,
        "head_dim": shape.head_size,
        "hidden_act": "silu",
        "rms_norm_eps": 1e-5,
        "rope_theta": 500_000.0,
        "rope_scaling": _ROPE_SCALING,
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
