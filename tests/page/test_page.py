"""What a person can do with the page, and what comes of it."""

import base64
import itertools
import re
from pathlib import Path

import av
import numpy as np
import pytest

FORMATS = ["wav", "mp3", "opus", "aac", "flac", "pcm"]
ENCODED = ["mp3", "opus", "aac", "flac"]
TAGS = "laugh chuckle sigh cough sniffle groan yawn gasp".split()
SENTENCE = "The quick brown fox jumps over the lazy dog, and then it sleeps for a long time in the sun. "
FOR_EVER = "live and without an end"
CONTRAST = Path(__file__).with_name("contrast.js").read_text(encoding="utf-8")


def test_the_page_asks_nobody_but_its_server_and_keeps_its_own_policy(visit, server):
    here = visit(server).loaded()
    here.speak("Hi.")
    here.wait_for("status", "Spoken")
    assert {True} == {request.url.startswith(("blob:", server.url)) for request in here.requests}
    assert {200} == {request.response().status for request in here.requests if not request.url.startswith("blob:")}
    assert [] == [complaint for complaint in here.complaints if complaint[0] in ("error", "warning")]
    assert [] == here.page.evaluate("violations")


def test_the_page_shows_the_servers_voices_and_limits(visit, server):
    here = visit(server).loaded()
    groups = here.page.eval_on_selector_all("#voice optgroup", "groups => groups.map(group => group.label)")
    assert groups[:2] == ["English", "French"]
    assert "tara" == here.page.get_by_label("Voice").input_value()
    assert "conversational" in here.page.locator("#voice option:checked").inner_text()
    assert FORMATS == here.page.eval_on_selector_all("#format option", "formats => formats.map(format => format.value)")
    here.page.get_by_label("Text").fill("Zwölf 😀 ok")
    assert "10 / 20,000" == here.text("count")


def test_speech_is_heard_while_the_answer_is_still_coming(visit, scripted, wait_until):
    here = visit(scripted).loaded()
    here.speak(FOR_EVER, format="mp3")
    here.wait_for_sound()
    wait_until(lambda: heard(here) > 0.3)
    assert here.page.get_by_role("link", name="Download").is_hidden()  # which is there as soon as the answer is whole
    assert re.fullmatch(r"\d\.\d\d s", here.text("first-audio"))
    assert re.fullmatch(r"\d\.\d\d", here.text("factor"))
    assert "Speaking." == here.text("status")


def seconds_of(path, name):
    options = {"format": "s16le", "options": {"sample_rate": "24000", "ch_layout": "mono"}} if name == "pcm" else {}
    with av.open(str(path), **options) as file:
        return sum(frame.samples for frame in file.decode(audio=0)) / file.streams.audio[0].rate


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_heard_without_a_gap_and_downloads_whole(visit, server, name):
    here = visit(server).loaded()
    here.speak("Every format.", format=name)
    here.wait_for("status", "Spoken")
    sound, gaps = here.sound()
    assert np.abs(sound).max() > 0.1
    assert all(abs(gap) < 1e-6 for gap in gaps)
    download = here.download()
    assert f"speech.{name}" == download.suggested_filename
    assert sound.size / 24_000 == pytest.approx(seconds_of(download.path(), name), abs=0.09)
    assert f"{sound.size / 24_000:.1f} s" == here.text("length")


def test_a_downloaded_wav_tells_its_true_length(visit, server):
    here = visit(server).loaded()
    here.speak("True sizes.", format="wav")
    data = here.download().path().read_bytes()
    assert len(data) - 8 == int.from_bytes(data[4:8], "little")
    assert len(data) - 44 == int.from_bytes(data[40:44], "little")


DECODE = """async (base64) => {
  const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  const sound = await new OfflineAudioContext(1, 1, 24000).decodeAudioData(bytes.buffer);
  return [...sound.getChannelData(0)];
}"""


@pytest.mark.parametrize("name", ENCODED)
def test_what_is_heard_piece_by_piece_is_what_the_whole_file_holds(visit, scripted, name):
    here = visit(scripted).loaded()
    here.speak("slow 0.1", format=name)
    here.wait_for("status", "Spoken")
    sound, _ = here.sound()
    whole = here.page.evaluate(DECODE, base64.b64encode(here.download().path().read_bytes()).decode())
    assert here.page.evaluate("scheduled.length") > 3
    assert len(whole) == sound.size
    assert np.abs(sound - np.asarray(whole)).max() < 1e-3


def test_the_voice_format_and_speed_that_are_chosen_are_asked_for(visit, server):
    here = visit(server).loaded()
    here.page.get_by_label("Speed").fill("3.5")
    assert "3.5×" == here.text("pace")
    for voice, name in [("leo", "flac"), ("marie", "opus")]:
        here.speak("Salut!", voice=voice, format=name)
        here.wait_for("status", "Spoken")
    assert [("leo", "flac", 3.5), ("marie", "opus", 3.5)] == [
        tuple(order.post_data_json[name] for name in ("voice", "response_format", "speed")) for order in here.orders()
    ]
    assert "fr" == here.page.locator("#script").get_attribute("lang")


def test_stop_falls_silent_and_the_server_hears_of_it(visit, scripted, wait_until):
    here = visit(scripted).loaded()
    before = scripted.log.read_text().count("client left")
    here.speak(FOR_EVER)
    here.wait_for_sound()
    here.page.get_by_role("button", name="Stop").click()
    assert "Stopped." == here.text("status")
    assert 0 == here.page.evaluate("loudness()")
    wait_until(lambda: scripted.log.read_text().count("client left") > before)
    assert here.page.get_by_role("button", name="Speak").is_visible()


def heard(here):
    """Seconds that were heard, by what the page says."""
    return float(here.text("length").split(" / ")[0])


def test_pause_holds_the_speech_and_resume_goes_on(visit, server, wait_until):
    here = visit(server).loaded()
    here.speak(SENTENCE)
    here.wait_for_sound()
    here.page.get_by_role("button", name="Pause").click()
    here.wait_for("status", "Paused")
    held = heard(here)
    here.page.wait_for_timeout(400)
    assert held == heard(here)
    here.page.get_by_role("button", name="Resume").click()
    here.wait_for_sound()
    wait_until(lambda: heard(here) > held)


def test_tags_are_inserted_at_the_cursor_as_words_of_their_own(visit, server):
    here = visit(server).loaded()
    text = here.page.get_by_label("Text")
    for tag in TAGS:
        text.fill("Well!What?")
        text.evaluate("text => text.setSelectionRange(5, 5)")
        here.page.get_by_role("button", name=tag, exact=True).click()
        assert f"Well! <{tag}> What?" == text.input_value()
        here.page.keyboard.type(" Hm")
        assert f"Well! <{tag}> Hm What?" == text.input_value()


def test_everything_works_by_keyboard(visit, server):
    here = visit(server).loaded()
    keyboard = here.page.keyboard
    focus = "document.activeElement.id || document.activeElement.value"
    assert "text" == here.page.evaluate(focus)
    reached = []
    for _ in range(12):
        keyboard.press("Tab")
        reached.append(here.page.evaluate(focus))
        assert "3px" == here.page.evaluate("getComputedStyle(document.activeElement).outlineWidth"), reached
    assert [*(f"<{tag}>" for tag in TAGS), "voice", "format", "speed", "speak"] == reached
    keyboard.press("Control+Enter")
    here.wait_for_sound()
    keyboard.press("Tab")
    assert "pause" == here.page.evaluate(focus)
    keyboard.press("Escape")
    assert "Stopped." == here.text("status")


def test_refusals_are_told_in_the_servers_words(visit, server):
    here = visit(server).loaded()
    here.speak("")
    here.wait_for("error", "The input is empty")
    here.page.get_by_label("Text").fill("x" * 20_001)
    assert "too long" in here.text("count")
    here.page.keyboard.press("Control+Enter")
    here.wait_for("error", "has 20001 characters")
    assert "text" == here.page.evaluate("document.activeElement.id")
    here.speak("Fine now.")
    here.wait_for("status", "Spoken")
    assert "" == here.text("error")


def test_a_key_is_asked_for_when_the_server_wants_one_and_kept_for_the_tab(visit, guarded):
    here = visit(guarded)
    here.wait_for("error", "No valid API key")
    key = here.page.get_by_label("API key")
    assert key.is_visible()
    assert "key" == here.page.evaluate("document.activeElement.id")
    here.page.get_by_label("Text").fill("Hi.")
    key.fill("sk-wrong")
    here.page.keyboard.press("Control+Enter")
    here.wait_for("error", "No valid API key")
    key.fill("sk-first")
    here.page.keyboard.press("Tab")
    here.loaded()
    here.page.keyboard.press("Control+Enter")
    here.wait_for("status", "Spoken")
    assert "Bearer sk-first" == here.orders()[-1].all_headers()["authorization"]
    assert here.open().loaded().page.get_by_label("API key").is_hidden()


def test_no_key_is_asked_for_where_none_is_needed(visit, server):
    assert visit(server).loaded().page.get_by_label("API key").is_hidden()


def test_speech_that_breaks_off_is_told_of_and_is_no_file(visit, scripted):
    here = visit(scripted).loaded()
    here.speak("fail-after failed")
    here.wait_for("error", r"broke off after 0\.3 s.* could not be spoken")
    here.page.get_by_role("button", name="Speak").wait_for()
    assert here.page.get_by_role("link", name="Download").is_hidden()


def test_a_connection_that_breaks_off_is_told_of(visit, scripted):
    here = visit(scripted).loaded()
    here.page.route(
        "**/audio/speech",
        lambda route: route.fulfill(
            content_type="text/event-stream", body='data: {"type":"speech.audio.delta","audio":"AAAA"}\n\n'
        ),
    )
    here.speak("hello", format="pcm")
    here.wait_for("error", "broke off after .* The connection to the server was lost")


def test_a_server_that_cannot_be_reached_is_told_of(visit, server):
    here = visit(server).loaded()
    here.page.context.set_offline(True)
    here.speak("Hello?")
    here.wait_for("error", "cannot be reached")


def lit(here):
    return here.page.evaluate("document.querySelector('#script [aria-current]')?.textContent ?? null")


def test_the_spoken_text_is_shown_and_lit_while_it_is_heard(visit, server):
    here = visit(server).loaded()
    text = f"Two\n<laugh> lines. {SENTENCE}".strip()
    here.speak(text)
    here.wait_for_sound()
    assert lit(here) is not None
    here.wait_for("status", "Spoken")
    assert lit(here) is None
    assert text == here.page.locator("#script").evaluate("script => script.textContent")


def test_chunks_light_up_in_the_order_of_the_text(visit, server):
    here = visit(server).loaded()
    here.page.get_by_label("Speed").fill("2")
    text = "One sentence, which is spoken first. " + SENTENCE + "And then a last one, which ends it all."
    here.speak(text)
    seen = []
    while here.text("speak") == "Stop":
        seen.append(lit(here))
        here.page.wait_for_timeout(20)
    chunks = [chunk for chunk, _ in itertools.groupby(chunk for chunk in seen if chunk is not None)]
    assert len(chunks) >= 2
    assert text.split() == " ".join(chunks).split()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [375, 1100])
def test_the_page_fits_and_can_be_read_in_both_themes_at_any_width(visit, server, scheme, width):
    here = visit(server, color_scheme=scheme, viewport={"width": width, "height": 800}).loaded()
    dark = "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).every((channel) => channel < 64)"
    assert (scheme == "dark") == here.page.evaluate(dark)

    def check():
        assert here.page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
        ratios = {seen["text"]: seen["ratio"] for seen in here.page.evaluate(CONTRAST)}
        assert {} == {text: ratio for text, ratio in ratios.items() if ratio < 4.5}
        return " ".join(ratios)

    assert "Speed" in check()
    here.speak("A word " + "without" * 50)
    here.wait_for_sound()
    here.page.wait_for_timeout(250)  # the colours have changed
    assert "without" in check()
    here.page.keyboard.press("Escape")
    here.speak("x" * 20_001)
    here.wait_for("error", "characters")
    assert "too long" in check()
