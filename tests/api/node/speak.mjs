// Speaks to a server with OpenAI's client for Node, and writes what it saw to standard output, as JSON.
// node speak.mjs BASE_URL KEY FILE: FILE receives a wav while it is spoken.
import { createWriteStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

import OpenAI from 'openai';
import { Stream } from 'openai/streaming';

const [baseURL, apiKey, file] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0, timeout: 20_000 });
const request = { model: 'tts-1', voice: 'alloy', input: 'Hello', response_format: 'wav' };

async function failure(from, fields) {
  try {
    await from.audio.speech.create({ ...request, ...fields });
  } catch (error) {
    const { status, code, param, type, requestID } = error;
    return { name: error.constructor.name, status, code, param, type, hasRequestID: Boolean(requestID) };
  }
  return null;
}

async function events(fields) {
  const response = await client.audio.speech.create({ ...request, stream_format: 'sse', ...fields });
  const seen = { audioBytes: 0, usage: null, error: null };
  try {
    for await (const event of Stream.fromSSEResponse(response, new AbortController())) {
      if (event.type === 'speech.audio.delta') seen.audioBytes += Buffer.from(event.audio, 'base64').length;
      if (event.type === 'speech.audio.done') seen.usage = event.usage;
    }
  } catch (error) {
    seen.error = { name: error.constructor.name, code: error.code, type: error.type };
  }
  return seen;
}

let pieces = 0;
async function* counted(body) {
  for await (const piece of body) {
    pieces += 1;
    yield piece;
  }
}

const spoken = await client.audio.speech.create({ ...request, input: 'slow 0.1' });
await pipeline(counted(Readable.fromWeb(spoken.body)), createWriteStream(file));

const models = [];
for await (const model of client.models.list()) models.push(model.id);

console.log(
  JSON.stringify({
    contentType: spoken.headers.get('content-type'),
    pieces,
    models,
    events: await events({}),
    brokenEvents: await events({ input: 'fail-after failed' }),
    unknownModel: await failure(client, { model: 'whisper-1' }),
    unknownVoice: await failure(client, { voice: 'bob' }),
    wrongKey: await failure(new OpenAI({ baseURL, apiKey: 'sk-wrong', maxRetries: 0 }), {}),
    failed: await failure(client, { input: 'fail-before failed' }),
  }),
);
