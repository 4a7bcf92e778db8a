"""How Orpheus's voices sound on eSpeak NG: stand-ins of the same sex and language, each told apart from the others."""

from collections.abc import Mapping
from types import MappingProxyType

from orpheus_tts.adapters.embedded.espeak import Timbre
from orpheus_tts.domain.voices import DEFAULT_VOICE, Voice

# eSpeak's names of the languages of `domain.voices`.
_LANGUAGES: Mapping[str, str] = MappingProxyType(
    {"en": "en-us", "fr": "fr", "de": "de", "ko": "ko", "hi": "hi", "zh": "cmn", "es": "es", "it": "it"}
)

# Variants are those of espeakng_loader 0.2.4 that take no randomness from the C library (the "klatt 6" ones do).
# Volumes bring all to about -20 dB of full scale (RMS over speech), as measured.
_TIMBRES: Mapping[str, Timbre] = MappingProxyType(
    {
        "tara": Timbre("f3"),
        "leah": Timbre("f2", pitch=38, pitch_range=45, rate=155, volume=90),
        "jess": Timbre("Annie", pitch=52, pitch_range=65, rate=190),
        "leo": Timbre("m7", pitch=25, pitch_range=40, rate=150),
        "dan": Timbre("m3", pitch=55, pitch_range=60),
        "mia": Timbre("linda", pitch=35, pitch_range=50, rate=170, volume=75),
        "zac": Timbre("m2", pitch=75, pitch_range=75, rate=195, volume=110),
        "zoe": Timbre("f5", pitch=30, pitch_range=35, rate=145, volume=115),
        "pierre": Timbre("m3"),
        "amelie": Timbre("f3", pitch=60),
        "marie": Timbre("f2", pitch=40, rate=160),
        "jana": Timbre("f3"),
        "thomas": Timbre("m3"),
        "max": Timbre("m7", pitch=30, rate=160),
        "유나": Timbre("f3"),
        "준서": Timbre("m3"),
        "ऋतिका": Timbre("f3"),
        "长乐": Timbre("f3"),
        "白芷": Timbre("f5", pitch=35, rate=155),
        "javi": Timbre("m2", pitch=70, rate=185, volume=120),
        "sergio": Timbre("m7", pitch=30, rate=160),
        "maria": Timbre("f3"),
        "pietro": Timbre("m3"),
        "giulia": Timbre("f3"),
        "carlo": Timbre("m7", pitch=30, rate=160),
    }
)


def timbre_of(voice: Voice) -> Timbre:
    """The sound of a voice; a voice that is not one of `domain.voices` sounds like the default one."""
    return _TIMBRES.get(voice.name, _TIMBRES[DEFAULT_VOICE])


def language_of(voice: Voice) -> str:
    """A voice's language as eSpeak names it; American English for one that is not in `domain.voices`."""
    return _LANGUAGES.get(voice.language, _LANGUAGES["en"])
