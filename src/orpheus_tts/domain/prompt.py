"""What the model is asked: a voice and a text, as token ids."""

from collections.abc import Sequence
from dataclasses import dataclass

from orpheus_tts.domain.tokens import (
    BEGIN_OF_TEXT,
    END_OF_HUMAN,
    END_OF_TURN,
    START_OF_AI,
    START_OF_HUMAN,
    START_OF_SPEECH,
)
from orpheus_tts.domain.voices import Voice


@dataclass(frozen=True, slots=True)
class Prompt:
    """One chunk of text for one voice: what a `TokenGenerator` is given.

    Attributes:
        text: A chunk of the caller's text. Anything in it that looks like a control token is plain text.
        voice: Who speaks.
    """

    text: str
    voice: Voice

    @property
    def spoken(self) -> str:
        """The words the tokenizer sees: `tara: Hello`."""
        return f"{self.voice.name}: {self.text}"


def prompt_ids(text_ids: Sequence[int]) -> list[int]:
    """Wrap tokenised text in Orpheus's control tokens.

    Args:
        text_ids: Ids of `Prompt.spoken` without a begin-of-text id, tokenised so that control tokens in it stay text.

    Returns:
        The whole prompt. It ends in start-of-speech, so that the answer's first token is an audio code.

    Raises:
        ValueError: An id is a control or audio token, or negative: the text was not tokenised as plain text.
    """
    illegal = [token for token in text_ids if not 0 <= token < BEGIN_OF_TEXT]
    if illegal:
        raise ValueError(
            f"Token id {illegal[0]} in the text is not a text token; tokenise special tokens as plain text."
        )
    return [START_OF_HUMAN, BEGIN_OF_TEXT, *text_ids, END_OF_TURN, END_OF_HUMAN, START_OF_AI, START_OF_SPEECH]
