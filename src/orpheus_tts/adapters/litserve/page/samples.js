// From the bytes of any format, as they come, to samples that can be played.

export const SAMPLE_RATE = 24_000; // Hz; what Orpheus speaks, in every format
const WAV_HEADER_BYTES = 44;
// The end of a part that was decoded alone differs from what it is within the whole: codecs overlap their frames.
const HELD_BACK_SAMPLES = 0.05 * SAMPLE_RATE;
// A part is decoded from the beginning each time, so the pauses between grow with what it costs: together they leave
// three quarters of a processor alone, however long the speech.
const PAUSE_PER_DECODING = 3;

/**
 * What turns the bytes of one answer into samples.
 *
 * @param {string} format As in `response_format`.
 * @param {(encoded: ArrayBuffer) => Promise<AudioBuffer>} decode Decodes a file, or the first part of one.
 * @param {(samples: Float32Array) => void} onSamples Is given the samples in order, each once.
 * @returns {{push: (bytes: Uint8Array) => void, finish: () => Promise<void>}}
 */
export function sampleStream(format, decode, onSamples) {
  if (format === 'pcm') return new RawSamples(0, onSamples);
  if (format === 'wav') return new RawSamples(WAV_HEADER_BYTES, onSamples);
  return new EncodedSamples(decode, onSamples);
}

/** 16-bit little-endian samples after a header: heard as they come. */
class RawSamples {
  #toSkip;
  #onSamples;
  #odd = new Uint8Array();

  constructor(headerBytes, onSamples) {
    this.#toSkip = headerBytes;
    this.#onSamples = onSamples;
  }

  push(bytes) {
    const sound = joined([this.#odd, bytes.subarray(this.#toSkip)]);
    this.#toSkip -= Math.min(this.#toSkip, bytes.length);
    const count = Math.floor(sound.length / 2);
    this.#odd = sound.subarray(2 * count);
    const view = new DataView(sound.buffer);
    const samples = Float32Array.from({ length: count }, (_, index) => view.getInt16(2 * index, true) / 32_768);
    if (count) this.#onSamples(samples);
  }

  async finish() {}
}

/** Any format that the browser can decode: what has come so far is decoded again and again, and what is new is heard. */
class EncodedSamples {
  #decode;
  #onSamples;
  #pieces = [];
  #heard = 0;
  #came = signal();
  #ended = signal();
  #running;

  constructor(decode, onSamples) {
    this.#decode = decode;
    this.#onSamples = onSamples;
    this.#running = this.#run();
    this.#running.catch(() => {}); // `finish` tells
  }

  push(bytes) {
    this.#pieces.push(bytes);
    this.#came.set();
  }

  async finish() {
    this.#ended.set();
    await this.#running;
  }

  async #run() {
    while (!this.#ended.isSet) {
      await Promise.race([this.#came.promise, this.#ended.promise]);
      this.#came = signal();
      const began = performance.now();
      await this.#hear({ complete: false });
      await Promise.race([sleep(PAUSE_PER_DECODING * (performance.now() - began)), this.#ended.promise]);
    }
    await this.#hear({ complete: true });
  }

  async #hear({ complete }) {
    let sound;
    try {
      sound = await this.#decode(joined(this.#pieces).buffer);
    } catch (error) {
      if (complete) throw error;
      return; // not enough yet to make anything of
    }
    const end = complete ? sound.length : sound.length - HELD_BACK_SAMPLES;
    if (end <= this.#heard) return;
    this.#onSamples(sound.getChannelData(0).slice(this.#heard, end));
    this.#heard = end;
  }
}

/** Pieces of bytes as one. */
export function joined(pieces) {
  const whole = new Uint8Array(pieces.reduce((length, piece) => length + piece.length, 0));
  let offset = 0;
  for (const piece of pieces) {
    whole.set(piece, offset);
    offset += piece.length;
  }
  return whole;
}

/** A promise that is kept by `set`. */
function signal() {
  const made = { isSet: false };
  made.promise = new Promise((resolve) => {
    made.set = () => {
      made.isSet = true;
      resolve();
    };
  });
  return made;
}

function sleep(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
