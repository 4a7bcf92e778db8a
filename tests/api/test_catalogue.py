import json
from datetime import UTC, datetime, timedelta

from orpheus_tts.adapters.litserve import MODEL_ALIASES
from orpheus_tts.domain.voices import ALIASES, VOICES
from orpheus_tts.formats import FORMATS


def test_health_is_ok_with_a_time_in_utc(server):
    answer = server.get("/health")
    assert 200 == answer.status_code
    body = answer.json()
    assert {"status": "ok", "model_loaded": True, "timestamp": body["timestamp"]} == body
    told = datetime.fromisoformat(body["timestamp"])
    assert timedelta(0) == told.utcoffset()
    assert abs(datetime.now(UTC) - told) < timedelta(minutes=1)


def test_the_index_says_what_this_is(server):
    body = server.get("/").json()
    assert ("org/orpheus", "scripted", "/docs", 4096) == (
        body["model"],
        body["backend"],
        body["docs"],
        body["max_input_characters"],
    )
    assert {"name", "version", "endpoints"} < set(body)


def test_every_endpoint_of_the_index_exists(server):
    described = server.get("/openapi.json").json()["paths"]
    for endpoint in server.get("/").json()["endpoints"]:
        method, path = endpoint.split()
        known = method.lower() in described.get(path.replace("{id}", "{model_id}"), {})
        assert known or 200 == server.get(path).status_code, endpoint


def test_the_openai_client_lists_the_served_model_first(client):
    models = list(client.models.list())
    assert ["org/orpheus", *MODEL_ALIASES] == [model.id for model in models]
    assert {"model"} == {model.object for model in models}
    assert models[0] == client.models.retrieve("org/orpheus")


def test_front_ends_find_voices_and_models(server):
    for prefix in ("/v1", ""):
        voices = server.get(f"{prefix}/audio/voices").json()["voices"]
        assert list(VOICES) == [voice["id"] for voice in voices]
        assert all(voice["name"] for voice in voices)
        assert set(ALIASES) == {alias for voice in voices for alias in voice["aliases"]}
        assert "org/orpheus" == server.get(f"{prefix}/audio/models").json()["models"][0]["id"]
        assert "org/orpheus" == server.get(f"{prefix}/models").json()["data"][0]["id"]


def test_every_voice_listed_is_spoken(server):
    for voice in [*VOICES, *ALIASES]:
        assert 200 == server.speak(voice=voice).status_code


def test_the_description_tells_the_truth(server):
    described = server.get("/openapi.json").json()
    assert {"/", "/health", "/v1/audio/speech", "/v1/models", "/v1/models/{model_id}", "/v1/audio/voices"} < set(
        described["paths"]
    )
    speech = described["paths"]["/v1/audio/speech"]["post"]["responses"]
    assert {"text/event-stream", *(entry.media_type for entry in FORMATS.values())} == set(speech["200"]["content"])
    assert "422" not in json.dumps(described["paths"])
    for status, answer in speech.items():
        if status != "200":
            assert "#/components/schemas/ErrorBody" == answer["content"]["application/json"]["schema"]["$ref"]
    body = described["components"]["schemas"]["SpeechBody"]["properties"]
    assert {"minimum": 0.0, "maximum": 2.0, "type": "number"} == body["temperature"]["anyOf"][0]


def test_the_documentation_page_works(server):
    answer = server.get("/docs")
    assert 200 == answer.status_code
    assert "/openapi.json" in answer.text


def test_voices_and_models_answer_to_names_of_the_operators_choice(start):
    names = {"voice_aliases": {**ALIASES, "narrator": "leo", "alloy": "mia"}, "model_aliases": ["kokoro"]}
    with start(names) as server:
        server.ready()
        for voice in ("Narrator", {"id": "alloy"}, "echo"):
            assert 200 == server.speak(voice=voice, model="kokoro").status_code
        assert ["leo", "mia", "dan"] == [note["voice"] for note in server.notes("begin")]
        assert "narrator" in server.speak(voice="nobody").json()["error"]["message"]
        assert 404 == server.speak(model="tts-1").status_code
        voices = {voice["id"]: voice["aliases"] for voice in server.get("/v1/audio/voices").json()["voices"]}
        assert ("narrator" in voices["leo"], voices["tara"], "alloy" in voices["mia"]) == (True, [], True)
        assert ["org/orpheus", "kokoro"] == [model["id"] for model in server.get("/v1/models").json()["data"]]
