"""The config.json of canopylabs/orpheus-3b-0.1-ft, as far as the size of the model and of its cache depend on it."""

ORPHEUS = {
    "vocab_size": 156_940,
    "hidden_size": 3072,
    "intermediate_size": 8192,
    "num_hidden_layers": 28,
    "num_attention_heads": 24,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "tie_word_embeddings": True,
    "torch_dtype": "bfloat16",
}
