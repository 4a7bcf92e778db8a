import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from orpheus_tts.domain.errors import UnknownVoiceError
from orpheus_tts.domain.speech import Sampling
from orpheus_tts.domain.voices import ALIASES
from orpheus_tts.settings import Settings, TraceSettings

SAMPLE = (Path(__file__).parents[2] / ".env.sample").read_text(encoding="utf-8")
# The names that users of the system this one follows have in their .env files.
INHERITED = """
TTS_MODEL_NAME TTS_DTYPE TTS_MAX_MODEL_LEN TTS_TENSOR_PARALLEL_SIZE TTS_GPU_MEMORY_UTILIZATION TTS_MAX_WORKERS
TTS_MAX_NUM_SEQS TTS_TEMPERATURE TTS_TOP_P TTS_REPETITION_PENALTY TTS_MAX_TOKENS SNAC_DEVICE LOG_LEVEL
""".split()


def variables():
    return {str(field.validation_alias or f"TTS_{name.upper()}"): name for name, field in Settings.model_fields.items()}


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name in variables():
        monkeypatch.delenv(name, raising=False)


def test_the_sample_names_every_setting_once():
    assert sorted(variables()) == sorted(re.findall(r"^([A-Z_]+)=", SAMPLE, re.MULTILINE))


def test_the_sample_holds_the_defaults(tmp_path):
    (tmp_path / ".env").write_text(SAMPLE, encoding="utf-8")
    assert Settings.model_construct() == Settings()


@pytest.mark.parametrize("name", INHERITED)
def test_the_inherited_names_are_kept(name):
    assert name in variables()


def test_the_environment_wins_over_the_file(monkeypatch, tmp_path):
    (tmp_path / ".env").write_text("TTS_TEMPERATURE=0.5\nTTS_TOP_P=0.8\n")
    monkeypatch.setenv("TTS_TEMPERATURE", "0.3")
    settings = Settings()
    assert (settings.temperature, settings.top_p) == (0.3, 0.8)
    assert Sampling(temperature=0.3, top_p=0.8) == settings.sampling


def test_log_levels_are_read_in_capitals_too(monkeypatch):
    monkeypatch.setenv("LOG_LEVEL", "WARNING")
    assert Settings().log_level == "warning"


def test_an_openai_voice_is_understood(monkeypatch):
    monkeypatch.setenv("TTS_DEFAULT_VOICE", "Alloy")
    assert Settings().default_voice == "tara"


def test_voices_and_models_may_have_more_names(monkeypatch):
    monkeypatch.setenv("TTS_VOICE_ALIASES", "Narrator = leo, alloy=MIA,")
    monkeypatch.setenv("TTS_MODEL_ALIASES", "kokoro,playai/tts")
    monkeypatch.setenv("TTS_DEFAULT_VOICE", "narrator")
    settings = Settings()
    assert {**ALIASES, "narrator": "leo", "alloy": "mia"} == settings.all_voice_aliases
    assert ("kokoro", "playai/tts") == settings.model_aliases
    assert ("leo", "mia", "dan") == (settings.voice(), settings.voice("Alloy"), settings.voice("echo"))
    with pytest.raises(UnknownVoiceError, match="narrator"):
        settings.voice("nobody")


def test_keys_and_origins_are_listed_with_commas(monkeypatch, tmp_path):
    (tmp_path / ".env").write_text("TTS_API_KEYS=sk-file\nTTS_CORS_ORIGINS=*\n")
    assert ("*",) == Settings().cors_origins
    monkeypatch.setenv("TTS_API_KEYS", " sk-1, sk-2 ,,")
    monkeypatch.setenv("TTS_CORS_ORIGINS", "https://app.example,http://localhost:3000,null")
    settings = Settings()
    assert ["sk-1", "sk-2"] == [key.get_secret_value() for key in settings.api_keys]
    assert ("https://app.example", "http://localhost:3000", "null") == settings.cors_origins


def test_keys_do_not_show(monkeypatch):
    monkeypatch.setenv("TTS_API_KEYS", "sk-1,sk-2")
    settings = Settings()
    for shown in (repr(settings), str(settings), settings.model_dump_json()):
        assert "sk-" not in shown


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("TTS_PORT", "80"),
        ("TTS_HOST", "example.org"),
        ("TTS_TEMPERATURE", "3"),
        ("TTS_TOP_P", "0"),
        ("TTS_DTYPE", "int3"),
        ("SNAC_DEVICE", "tpu"),
        ("TTS_DEFAULT_VOICE", "nobody"),
        ("TTS_API_KEYS", " , "),
        ("TTS_VOICE_ALIASES", "narrator"),
        ("TTS_VOICE_ALIASES", "=leo"),
        ("TTS_VOICE_ALIASES", "narrator=nobody"),
        ("TTS_VOICE_ALIASES", "narrator=alloy,dan=leo"),
        ("TTS_ENGINE_ARGS", "[1]"),
        ("TTS_ENGINE_ARGS", "{"),
        ("LOG_LEVEL", "loud"),
        ("TTS_MAX_REQUESTS", "0"),
        ("TTS_MAX_REQUESTS_PER_KEY", "3"),
        ("TTS_CORS_ORIGINS", "https://app.example/"),
        ("TTS_CORS_ORIGINS", "https://app.example,app.example"),
    ],
)
def test_a_bad_value_is_refused_by_name(monkeypatch, variable, value):
    monkeypatch.setenv(variable, value)
    with pytest.raises(ValidationError) as caught:
        Settings()
    (problem,) = caught.value.errors()
    assert problem["loc"][0] in (variable, variables()[variable])


@pytest.mark.parametrize(
    ("environment", "asked"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://localhost:4318/v1/traces"}, True),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({"OTEL_TRACES_EXPORTER": "console, otlp"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318", "OTEL_TRACES_EXPORTER": "none"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, False),
    ],
)
def test_traces_are_asked_for_by_opentelemetrys_own_variables(monkeypatch, environment, asked):
    for name in ("TRACES_EXPORTER", "EXPORTER_OTLP_ENDPOINT", "EXPORTER_OTLP_TRACES_ENDPOINT"):
        monkeypatch.delenv(f"OTEL_{name}", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert asked == TraceSettings().asked_for
