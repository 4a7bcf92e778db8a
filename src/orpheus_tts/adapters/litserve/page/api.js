// The server's API as this page uses it. Nothing here knows of the page or of sound.

import { serverEvents } from './events.js';

/** An answer that is not what was asked for, in words for a person. */
export class ServerError extends Error {
  /**
   * @param {string} message
   * @param {{status?: number, param?: string | null}} [about] The HTTP status, 0 if there was no answer, and the field
   *   of the request that is to blame.
   */
  constructor(message, { status = 0, param = null } = {}) {
    super(message);
    this.status = status;
    this.param = param;
  }
}

/** What the server is: its limits and defaults. */
export async function describe(key) {
  return (await ask('.', { key })).json();
}

/** The voices, as `{id, name, language, description, aliases}`. */
export async function listVoices(key) {
  return (await (await ask('v1/audio/voices', { key })).json()).voices;
}

/**
 * Speak: the events of one answer, until all is said.
 *
 * @param {{input: string, voice?: string, response_format: string, speed: number}} order
 * @param {{key: string, signal: AbortSignal}} access
 * @yields {{type: string}} The server's events; the `audio` of `speech.audio.delta` is a Uint8Array.
 * @throws {ServerError} The server refused, failed half-way, or cannot be reached any more.
 */
export async function* speech(order, { key, signal }) {
  const body = JSON.stringify({ ...order, stream_format: 'sse', timestamps: 'chunk' });
  const response = await ask('v1/audio/speech', { key, signal, method: 'POST', body });
  try {
    for await (const event of serverEvents(response.body)) {
      if (event.error) throw new ServerError(event.error.message, { status: response.status });
      yield event.type === 'speech.audio.delta' ? { ...event, audio: bytesOf(event.audio) } : event;
    }
  } catch (error) {
    throw inWords(error, 'The connection to the server was lost.');
  }
}

async function ask(path, { key, ...options }) {
  const headers = { 'content-type': 'application/json', ...(key && { authorization: `Bearer ${key}` }) };
  let response;
  try {
    response = await fetch(path, { ...options, headers });
  } catch (error) {
    throw inWords(error, 'The server cannot be reached. Is it running?');
  }
  if (!response.ok) throw await refusal(response);
  return response;
}

async function refusal(response) {
  const { status } = response;
  try {
    const { message, param } = (await response.json()).error;
    return new ServerError(message, { status, param });
  } catch {
    return new ServerError(`The server answered with status ${status}, and no more.`, { status });
  }
}

/** Errors of the network, whose own words differ from browser to browser and help nobody. */
function inWords(error, message) {
  return error instanceof ServerError || error.name === 'AbortError' ? error : new ServerError(message);
}

function bytesOf(base64) {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}
