"""An eSpeak NG voice behind the ports of Orpheus and SNAC: speech with no GPU, no weights, no torch.

eSpeak renders the text, every 2,048 samples of it become a frame of seven codes, and the decoder looks the samples of a
frame up again. So everything between the two ports runs as it does for the model: chunks, frames, the repetition
watch, windows, joins, streaming.
"""

from orpheus_tts.adapters.embedded.codebook import Codebook
from orpheus_tts.adapters.embedded.decoder import EmbeddedDecoder
from orpheus_tts.adapters.embedded.generator import EmbeddedTokenGenerator

__all__ = ["Codebook", "EmbeddedDecoder", "EmbeddedTokenGenerator"]
