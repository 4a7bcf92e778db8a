"""When words are heard: `letters` and `numerals` say what to listen for, `hearing` what sounds, `segmentation` fits."""

from orpheus_tts.domain.alignment.aligner import align_words

__all__ = ["align_words"]
