"""The voices Orpheus was trained on, their languages, and the names OpenAI's clients know them by."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from orpheus_tts.domain.errors import UnknownVoiceError


@dataclass(frozen=True, slots=True)
class Voice:
    """A speaker the model knows by name.

    Attributes:
        name: The word the prompt begins with.
        language: BCP 47 tag of the language its checkpoint speaks.
        description: One line for a person who has to choose.
    """

    name: str
    language: str
    description: str


# The English voices are those of canopylabs/orpheus-3b-0.1-ft; the others those of the per-language research
# checkpoints canopylabs/3b-*-ft-research_release.
VOICES: Mapping[str, Voice] = MappingProxyType(
    {
        voice.name: voice
        for voice in (
            Voice("tara", "en", "Female, English; conversational and clear. The default."),
            Voice("leah", "en", "Female, English; warm and gentle."),
            Voice("jess", "en", "Female, English; energetic and youthful."),
            Voice("leo", "en", "Male, English; authoritative and deep."),
            Voice("dan", "en", "Male, English; friendly and casual."),
            Voice("mia", "en", "Female, English; professional and articulate."),
            Voice("zac", "en", "Male, English; enthusiastic and dynamic."),
            Voice("zoe", "en", "Female, English; calm and soothing."),
            Voice("pierre", "fr", "Male, French."),
            Voice("amelie", "fr", "Female, French."),
            Voice("marie", "fr", "Female, French."),
            Voice("jana", "de", "Female, German."),
            Voice("thomas", "de", "Male, German."),
            Voice("max", "de", "Male, German."),
            Voice("유나", "ko", "Female, Korean."),
            Voice("준서", "ko", "Male, Korean."),
            Voice("ऋतिका", "hi", "Female, Hindi."),
            Voice("长乐", "zh", "Female, Mandarin Chinese."),
            Voice("白芷", "zh", "Female, Mandarin Chinese."),
            Voice("javi", "es", "Male, Spanish."),
            Voice("sergio", "es", "Male, Spanish."),
            Voice("maria", "es", "Female, Spanish."),
            Voice("pietro", "it", "Male, Italian."),
            Voice("giulia", "it", "Female, Italian."),
            Voice("carlo", "it", "Male, Italian."),
        )
    }
)
DEFAULT_VOICE = "tara"

# The thirteen names that OpenAI's clients hard-code, some of which refuse any other before they send. Several
# share a voice: there are eight.
ALIASES: Mapping[str, str] = MappingProxyType(
    {
        "alloy": "tara",
        "ash": "dan",
        "ballad": "zac",
        "coral": "jess",
        "echo": "dan",
        "fable": "leo",
        "onyx": "leo",
        "nova": "mia",
        "sage": "zoe",
        "shimmer": "leah",
        "verse": "zac",
        "marin": "leah",
        "cedar": "leo",
    }
)


def find_voice(name: str, aliases: Mapping[str, str] = ALIASES) -> Voice:
    """The voice of that name or alias, whatever its capitalisation.

    Args:
        name: As somebody wrote it.
        aliases: Voices by further names for them, in lower case, which go before the voices' own.

    Raises:
        UnknownVoiceError: There is none; the error lists all names and aliases.
    """
    key = name.strip().lower()
    voice = VOICES.get(aliases.get(key, key))
    if voice is None:
        raise UnknownVoiceError(name, (*VOICES, *aliases))
    return voice


def aliases_of(voice: Voice, aliases: Mapping[str, str] = ALIASES) -> list[str]:
    """The further names of a voice."""
    return [alias for alias, name in aliases.items() if name == voice.name]
