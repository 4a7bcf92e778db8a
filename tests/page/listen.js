// Run before the page's own scripts: notes what is handed to the sound card, what is rendered, and what the page's
// policy forbade.
window.scheduled = [];
window.violations = [];

const { start } = AudioBufferSourceNode.prototype;
AudioBufferSourceNode.prototype.start = function (when, ...rest) {
  const { sampleRate } = this.buffer;
  window.scheduled.push({ now: this.context.currentTime, when, sampleRate, samples: this.buffer.getChannelData(0).slice() });
  start.call(this, when, ...rest);
};

const { connect } = AudioNode.prototype;
AudioNode.prototype.connect = function (target, ...rest) {
  if (target === this.context.destination) {
    this.context.meter ??= this.context.createAnalyser();
    window.meter = this.context.meter;
    connect.call(this, window.meter);
  }
  return connect.call(this, target, ...rest);
};

/** How loud it is at this moment; 0 is silence. */
window.loudness = () => {
  if (!window.meter || window.meter.context.state !== 'running') return 0;
  const samples = new Float32Array(window.meter.fftSize);
  window.meter.getFloatTimeDomainData(samples);
  return Math.max(...samples.map(Math.abs));
};

document.addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) => {
  window.violations.push(`${violatedDirective} ${blockedURI}`);
});
