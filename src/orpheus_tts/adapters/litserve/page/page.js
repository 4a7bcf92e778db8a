// The page: what is on it, and what happens when it is used.

import { describe, listVoices } from './api.js';
import { Script } from './script.js';
import { Speaking } from './speaking.js';

const KEY_NAME = 'orpheus-tts-key';
const UNAUTHORIZED = 401;

const on = Object.fromEntries([...document.querySelectorAll('[id]')].map((element) => [element.id, element]));
const languages = new Intl.DisplayNames(['en'], { type: 'language' });
const number = new Intl.NumberFormat('en');
const fine = new Intl.NumberFormat('en', { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const coarse = new Intl.NumberFormat('en', { minimumFractionDigits: 1, maximumFractionDigits: 1 });

let server = { max_input_characters: Infinity }; // what it says of itself
let speaking = null; // what is spoken now
let script = null; // what is spoken now, or was last
let file = ''; // URL of what can be downloaded

// What the server is

async function load() {
  try {
    server = await describe(key());
    on.about.textContent = `${server.model} · ${server.version}`;
    on.format.value = server.response_format;
    showCount();
    await loadVoices();
  } catch (error) {
    showError(error);
  }
}

async function loadVoices() {
  const voices = await listVoices(key());
  const wanted = on.voice.value || server.voice;
  on.voice.replaceChildren(...groupsOf(voices));
  on.voice.value = voices.find(({ id, aliases }) => id === wanted || aliases.includes(wanted))?.id;
}

function groupsOf(voices) {
  return [...Map.groupBy(voices, (voice) => voice.language)].map(([language, speakers]) => {
    const group = document.createElement('optgroup');
    group.label = languages.of(language);
    group.append(...speakers.map(optionOf));
    return group;
  });
}

function optionOf({ id, name, language, description }) {
  const option = new Option(`${name} – ${description}`, id);
  option.lang = language;
  return option;
}

// Speaking

async function speak() {
  if (speaking) return;
  clearError();
  offer(null);
  const now = new Speaking(order(), (script = new Script(on.script, on.text.value)));
  on.script.lang = on.voice.selectedOptions[0].lang;
  speaking = now;
  showSpeaking('Waiting for the first audio …');
  requestAnimationFrame(show);
  try {
    await now.receive(key());
    offer(now.file());
  } catch (error) {
    if (now.stopped) return;
    showError(error, now);
  }
  await now.heard();
  if (!now.stopped) end(now, now.complete ? `Spoken: ${coarse.format(now.length)} s.` : '');
}

function order() {
  const { text, voice, format, speed } = on;
  return {
    input: text.value,
    ...(voice.value && { voice: voice.value }),
    response_format: format.value,
    speed: Number(speed.value),
  };
}

function stop() {
  if (speaking) end(speaking, 'Stopped.');
}

function end(now, words) {
  now.stop();
  speaking = null;
  showMeasures(now);
  script.light(null);
  showSpeaking(words);
  on.spoken.hidden = !now.length;
}

async function togglePause() {
  await speaking.togglePause();
  showSpeaking(speaking?.paused ? 'Paused.' : 'Speaking.');
}

function offer(made) {
  URL.revokeObjectURL(file);
  file = made ? URL.createObjectURL(made) : '';
  on.download.hidden = !made;
  if (!made) return;
  on.download.href = file;
  on.download.download = made.name;
}

// What is seen

/** Once a frame while there is speech. */
function show() {
  if (!speaking) return;
  if (on.pause.hidden && speaking.position !== null) {
    on.pause.hidden = false;
    on.status.textContent = 'Speaking.';
  }
  showMeasures(speaking);
  script.light(speaking.position);
  requestAnimationFrame(show);
}

function showSpeaking(words) {
  on.status.textContent = words;
  on.spoken.hidden = false;
  on.speak.textContent = speaking ? 'Stop' : 'Speak';
  on.speak.classList.toggle('primary', !speaking);
  on.pause.hidden = speaking?.position == null;
  on.pause.textContent = speaking?.paused ? 'Resume' : 'Pause';
}

function showMeasures({ timeToFirstAudio, seconds, length, position }) {
  on['first-audio'].textContent = timeToFirstAudio === null ? '–' : `${fine.format(timeToFirstAudio)} s`;
  on.factor.textContent = length ? fine.format(seconds / length) : '–';
  const heard = speaking && length ? `${coarse.format(position)} / ` : '';
  on.length.textContent = length ? `${heard}${coarse.format(length)} s` : '–';
}

function showCount() {
  const count = [...on.text.value].length;
  const limit = server.max_input_characters;
  const over = count > limit;
  on.count.textContent = `${number.format(count)} / ${number.format(limit)}${over ? ' – too long' : ''}`;
  on.text.setAttribute('aria-invalid', over);
}

function showError(error, spoken = null) {
  const half = spoken?.length ? `The speech broke off after ${coarse.format(spoken.length)} s. ` : '';
  on.error.textContent = half + error.message;
  if (error.status === UNAUTHORIZED) {
    on.access.hidden = false;
    on.key.focus();
  }
  if (error.param === 'input') on.text.focus();
}

function clearError() {
  on.error.textContent = '';
}

// What is done

function insert(tag) {
  const { text } = on;
  const { value, selectionStart, selectionEnd } = text;
  const before = /\S$/.test(value.slice(0, selectionStart)) ? ' ' : '';
  const after = /^\S/.test(value.slice(selectionEnd)) ? ' ' : '';
  text.setRangeText(before + tag + after);
  const cursor = selectionStart + before.length + tag.length;
  text.setSelectionRange(cursor, cursor);
  text.focus();
  showCount();
}

function key() {
  return sessionStorage.getItem(KEY_NAME) ?? '';
}

on.order.addEventListener('submit', (event) => {
  event.preventDefault();
  if (speaking) stop();
  else speak();
});
on.pause.addEventListener('click', togglePause);
on.text.addEventListener('input', showCount);
on.tags.addEventListener('click', ({ target }) => target.value && insert(target.value));
on.speed.addEventListener('input', () => {
  on.pace.textContent = `${Number(on.speed.value)}×`;
});
on.key.addEventListener('input', () => sessionStorage.setItem(KEY_NAME, on.key.value.trim()));
on.key.addEventListener('change', () => {
  clearError();
  loadVoices().catch(showError);
});
document.addEventListener('keydown', (event) => {
  if (event.key === 'Escape') stop();
  if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    speak();
  }
});

on.key.value = key();
showCount();
load();
