// Plays samples as they come, one after the other without a gap.

import { SAMPLE_RATE } from './samples.js';

// Between taking samples and hearing them, so that the first of them are not late already.
const LEAD_SECONDS = 0.05;

/** Plays one speech. To be made in answer to a key or a click: browsers allow no other sound. */
export class Player {
  #context = new AudioContext({ sampleRate: SAMPLE_RATE });
  #origin = 0; // when the first sample was heard, or would have been, had the samples never been late
  #samples = 0;
  #last = null;

  /** Seconds of sound taken. */
  get length() {
    return this.#samples / SAMPLE_RATE;
  }

  /** Seconds of it that were heard. */
  get position() {
    const now = this.#context.currentTime - this.#latency;
    return Math.min(Math.max(now - this.#origin, 0), this.length);
  }

  /** Take more samples. */
  append(samples) {
    const buffer = this.#context.createBuffer(1, samples.length, SAMPLE_RATE);
    buffer.copyToChannel(samples, 0);
    const source = new AudioBufferSourceNode(this.#context, { buffer });
    source.connect(this.#context.destination);
    source.start(this.#next());
    this.#samples += samples.length;
    this.#last = source;
  }

  /** Decode a file, or the first part of one, to samples of the right rate. Takes the buffer. */
  decode(encoded) {
    return this.#context.decodeAudioData(encoded);
  }

  /** Return once everything that was taken has been heard. */
  async drained() {
    if (this.#last === null || this.position >= this.length) return;
    await new Promise((resolve) => this.#last.addEventListener('ended', resolve, { once: true }));
    await new Promise((resolve) => setTimeout(resolve, 1000 * this.#latency));
  }

  pause() {
    return this.#context.suspend();
  }

  resume() {
    return this.#context.resume();
  }

  /** Fall silent, for ever. */
  async close() {
    if (this.#context.state !== 'closed') await this.#context.close();
  }

  /** Seconds from a sample's being rendered to its being heard; not every browser tells. */
  get #latency() {
    return this.#context.outputLatency || 0;
  }

  /** When the next sample is to be heard: right after the last one, or soon if that time has passed. */
  #next() {
    const earliest = this.#context.currentTime + LEAD_SECONDS;
    if (this.#last === null || this.#origin + this.length < this.#context.currentTime) {
      // On a whole sample: between two of them, the browser would interpolate.
      this.#origin = Math.ceil((earliest - this.length) * SAMPLE_RATE) / SAMPLE_RATE;
    }
    return this.#origin + this.length;
  }
}
