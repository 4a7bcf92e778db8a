"""The command line: serve, say, voices, check, bench."""

import asyncio
import sys
import time
from collections.abc import Iterator
from contextlib import aclosing, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from orpheus_tts.bench.command import bench
from orpheus_tts.domain.duration import speech_length
from orpheus_tts.domain.errors import OrpheusError
from orpheus_tts.domain.speech import SpeechRequest
from orpheus_tts.domain.tokens import SAMPLE_RATE, TOKENS_PER_SECOND
from orpheus_tts.domain.voices import VOICES, aliases_of
from orpheus_tts.settings import Settings

if TYPE_CHECKING:
    from orpheus_tts.adapters.caption_file import CaptionFile
    from orpheus_tts.adapters.speech_file import SpeechFile

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Text-to-speech with the Orpheus model: an OpenAI-compatible server, and the same from the command line.",
)
_errors = Console(stderr=True, soft_wrap=True)
_UNUSABLE = 2  # exit status of bad arguments and bad configuration, as shells know it


def main() -> None:
    """Entry point of the `orpheus-tts` command."""
    app()


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on: 0.0.0.0, 127.0.0.1 or ::. [TTS_HOST]")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on, 1024 to 65535. [TTS_PORT]")] = None,
    backend: Annotated[str | None, typer.Option(help="auto, vllm, embedded or a plugin. [TTS_BACKEND]")] = None,
) -> None:
    """Start the server. Everything else is configured by the environment or by .env; see .env.sample."""
    from orpheus_tts.app import serve as run  # noqa: PLC0415 - the other commands need no server

    with _plain_errors():
        raise typer.Exit(run(_settings(host=host, port=port, backend=backend)))


@app.command()
def say(
    text: Annotated[str | None, typer.Argument(help="What to say; without it, standard input is read.")] = None,
    *,
    file: Annotated[
        Path | None, typer.Option("--file", "-f", exists=True, dir_okay=False, help="Read the text from this file.")
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write; its suffix is its format.")] = Path(
        "speech.wav"
    ),
    captions: Annotated[
        Path | None, typer.Option(help="Also write captions, word for word in time: FILE.srt or FILE.vtt.")
    ] = None,
    voice: Annotated[str | None, typer.Option("--voice", "-v", help="See `orpheus-tts voices`.")] = None,
    speed: Annotated[float, typer.Option(help="0.25 to 4; the pitch stays.")] = 1.0,
    temperature: Annotated[float | None, typer.Option(help="0 to 2. [TTS_TEMPERATURE]")] = None,
    top_p: Annotated[float | None, typer.Option(help="Above 0, up to 1. [TTS_TOP_P]")] = None,
    repetition_penalty: Annotated[float | None, typer.Option(help="1 to 2. [TTS_REPETITION_PENALTY]")] = None,
    max_tokens: Annotated[int | None, typer.Option(help="Budget of one chunk. [TTS_MAX_TOKENS]")] = None,
    seed: Annotated[int | None, typer.Option(help="Same seed, same speech.")] = None,
    backend: Annotated[str | None, typer.Option(help="auto, vllm, embedded or a plugin. [TTS_BACKEND]")] = None,
) -> None:
    """Speak a text, a file or standard input into a file: mp3, opus (or ogg), aac, flac, wav, pcm (or raw)."""
    from orpheus_tts.adapters.caption_file import CaptionFile  # noqa: PLC0415 - the other commands need neither these
    from orpheus_tts.formats import speech_file  # noqa: PLC0415 - nor the codecs

    with _plain_errors():
        settings = _settings(
            backend=backend,
            temperature=temperature,
            top_p=top_p,
            repetition_penalty=repetition_penalty,
            max_tokens=max_tokens,
        )
        request = SpeechRequest(
            text=_text(text, file),
            voice=settings.voice(voice),
            sampling=replace(settings.sampling, seed=seed),
            deadline=settings.deadline,
            request_id="say",
        )
        for path in filter(None, (output, captions)):
            if not path.parent.is_dir():
                _refuse(f"There is no folder {path.parent} to write {path.name} into.")
        sound = speech_file(output, speed=speed)
        cues = None if captions is None else CaptionFile(captions, request.text, speed=speed)
        started = time.monotonic()
        asyncio.run(_say(settings, request, sound, cues))
        _errors.print(
            f"{output}: {sound.seconds:.1f} s of speech in {time.monotonic() - started:.1f} s", highlight=False
        )


@app.command()
def voices() -> None:
    """List the voices, their languages and the other names they answer to."""
    with _plain_errors():
        aliases = _settings().all_voice_aliases
    table = Table("Voice", "Language", "Also known as", "Description", box=None)
    for voice in VOICES.values():
        table.add_row(voice.name, voice.language, ", ".join(aliases_of(voice, aliases)), voice.description)
    Console().print(table)


@app.command()
def check(
    backend: Annotated[str | None, typer.Option(help="auto, vllm, embedded or a plugin. [TTS_BACKEND]")] = None,
) -> None:
    """Say what is installed, which backend is chosen and why, and whether it loads and speaks."""
    from orpheus_tts.check import check as run  # noqa: PLC0415 - the other commands do not need it

    with _plain_errors():
        raise typer.Exit(0 if run(_settings(backend=backend), Console(soft_wrap=True)) else 1)


app.command()(bench)


async def _say(settings: Settings, request: SpeechRequest, sound: "SpeechFile", captions: "CaptionFile | None") -> None:
    from orpheus_tts.adapters.logs import configure_logging  # noqa: PLC0415 - `voices` starts faster without
    from orpheus_tts.app import open_synthesizer  # noqa: PLC0415

    configure_logging("warning")
    expected = speech_length(request.text).typical / TOKENS_PER_SECOND
    samples = 0
    with _progress() as progress, sound, captions or nullcontext():
        task = progress.add_task("Speaking", total=expected, spoken="0.0 s")
        async with open_synthesizer(settings) as synthesizer, aclosing(synthesizer.stream(request)) as blocks:
            async for block in blocks:
                sound.write(block.samples)
                if captions is not None:
                    await asyncio.to_thread(captions.write, block)
                samples += block.samples.size
                spoken = samples / SAMPLE_RATE
                progress.update(task, completed=min(spoken, expected), spoken=f"{spoken:.1f} s")
        progress.update(task, completed=expected)


def _progress() -> Progress:
    """A progress bar by seconds spoken; only on a terminal."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[spoken]}"),
        TimeElapsedColumn(),
        console=_errors,
        disable=not _errors.is_terminal,
        transient=True,
    )


def _text(text: str | None, file: Path | None) -> str:
    if text is not None and file is not None:
        _refuse("Give either a text or --file, not both.")
    if file is not None:
        return file.read_text(encoding="utf-8")
    if text is not None:
        return text
    if sys.stdin.isatty():
        _refuse("Nothing to say: give a text, --file, or pipe text in.")
    return sys.stdin.read()


def _settings(**given: Any) -> Settings:
    """The settings, with what was given on the command line put over the environment."""
    return Settings(**{name: value for name, value in given.items() if value is not None})


@contextmanager
def _plain_errors() -> Iterator[None]:
    """Turn expected failures into a sentence and an exit status."""
    try:
        yield
    except ValidationError as error:
        for problem in error.errors():
            name = str(problem["loc"][0])
            variable = name if name.isupper() else f"TTS_{name.upper()}"
            message = problem["msg"].removeprefix("Value error, ")
            _errors.print(f"{variable}: {message} (it is {problem['input']!r})", highlight=False, markup=False)
        raise typer.Exit(_UNUSABLE) from None
    except (OrpheusError, OSError, UnicodeDecodeError) as error:
        _errors.print(str(error), highlight=False, markup=False)
        raise typer.Exit(1) from None


def _refuse(message: str) -> NoReturn:
    _errors.print(message, highlight=False, markup=False)
    raise typer.Exit(_UNUSABLE)
