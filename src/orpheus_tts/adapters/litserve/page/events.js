// Server-sent events in the body of an answer to POST, which the browser's own EventSource cannot read.

const PREFIX = 'data: ';
const LAST = '[DONE]';

/**
 * The JSON values of a body's events, until the one that says that all is done.
 *
 * @param {ReadableStream<Uint8Array>} body
 * @throws {Error} The body ended before.
 */
export async function* serverEvents(body) {
  for await (const line of lines(body)) {
    if (!line.startsWith(PREFIX)) continue;
    const data = line.slice(PREFIX.length);
    if (data === LAST) return;
    yield JSON.parse(data);
  }
  throw new Error('The events ended without the last one.');
}

async function* lines(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader(); // not every browser iterates over a body
  let rest = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const complete = (rest + value).split('\n');
    rest = complete.pop();
    yield* complete;
  }
}
