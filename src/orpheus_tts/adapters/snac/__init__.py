"""SNAC, the neural codec whose codes Orpheus speaks, behind the `AudioDecoder` port. Imports no torch by itself."""

from orpheus_tts.adapters.snac.decoder import SnacDecoder, check_snac

__all__ = ["SnacDecoder", "check_snac"]
