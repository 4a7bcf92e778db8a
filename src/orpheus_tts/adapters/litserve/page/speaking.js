// One speech, from the order to its last sample: what comes is collected, played and measured.

import { ServerError, speech } from './api.js';
import { Player } from './player.js';
import { joined, sampleStream } from './samples.js';

// As the server sends them.
const MEDIA_TYPES = {
  mp3: 'audio/mpeg',
  opus: 'audio/opus',
  aac: 'audio/aac',
  flac: 'audio/flac',
  wav: 'audio/wav',
  pcm: 'audio/pcm',
};
// Where a wav's header tells its sizes, which the server cannot know before it has sent it.
const WAV_SIZES = [
  { offset: 4, before: 8 },
  { offset: 40, before: 44 },
];

/** Speaks one order. To be made in answer to a key or a click. */
export class Speaking {
  #order;
  #script;
  #player = new Player();
  #leaving = new AbortController();
  #pieces = [];
  #began = performance.now();

  /** Seconds from the order to the first samples to play; null before. */
  timeToFirstAudio = null;
  /** Seconds from the order to the last bytes that came. */
  seconds = 0;
  /** Whether everything came that there was to come. */
  complete = false;
  paused = false;

  /**
   * @param {object} order What `speech` takes.
   * @param {Script} script Is told when chunks begin and end.
   */
  constructor(order, script) {
    this.#order = order;
    this.#script = script;
  }

  /** Seconds of sound that have come. */
  get length() {
    return this.#player.length;
  }

  /** Seconds of sound that were heard; null if there is none yet. */
  get position() {
    return this.length ? this.#player.position : null;
  }

  get stopped() {
    return this.#leaving.signal.aborted;
  }

  /**
   * Take the whole answer; what has come is played meanwhile, and afterwards.
   *
   * @throws {ServerError} The server, or the way to it, failed.
   */
  async receive(key) {
    const samples = sampleStream(
      this.#order.response_format,
      (encoded) => this.#player.decode(encoded),
      (decoded) => this.#play(decoded),
    );
    for await (const event of speech(this.#order, { key, signal: this.#leaving.signal })) this.#take(event, samples);
    await samples.finish().catch(() => {
      throw new ServerError('This browser cannot play the format. Download the file, or choose another one.');
    });
  }

  /** Return once everything that has come was heard. */
  heard() {
    return this.#player.drained();
  }

  async togglePause() {
    this.paused = !this.paused;
    await (this.paused ? this.#player.pause() : this.#player.resume());
  }

  /** Fall silent, and let the server know that no more is wanted. */
  stop() {
    this.#leaving.abort();
    return this.#player.close();
  }

  /** The encoded speech as a file. */
  file() {
    const format = this.#order.response_format;
    const bytes = joined(this.#pieces);
    if (format === 'wav') tellSizes(bytes);
    return new File([bytes], `speech.${format}`, { type: MEDIA_TYPES[format] });
  }

  #take(event, samples) {
    switch (event.type) {
      case 'speech.audio.delta':
        this.#pieces.push(event.audio);
        this.seconds = (performance.now() - this.#began) / 1000;
        samples.push(event.audio);
        break;
      case 'speech.chunk.started':
        this.#script.begin(event);
        break;
      case 'speech.chunk.done':
        this.#script.finish(event);
        break;
      case 'speech.audio.done':
        this.complete = true;
        break;
    }
  }

  #play(samples) {
    if (this.stopped) return;
    this.timeToFirstAudio ??= (performance.now() - this.#began) / 1000;
    this.#player.append(samples);
  }
}

function tellSizes(bytes) {
  const view = new DataView(bytes.buffer);
  for (const { offset, before } of WAV_SIZES) view.setUint32(offset, bytes.length - before, true);
}
