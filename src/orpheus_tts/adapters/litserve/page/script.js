// The text that is spoken, whose chunks light up while they are heard.

const MARGIN = 20; // pixels above what is heard, where the text is longer than its element

/** Shows one text in an element. */
export class Script {
  #chunks;
  #unread = null; // the text node of what is not known yet to be in a chunk
  #lit = null;

  /** The whole text is one chunk, until the server tells of smaller ones. */
  constructor(element, text) {
    this.element = element;
    this.text = text;
    const span = spanOf(text);
    this.#chunks = [{ span, start: 0, end: Infinity }];
    element.replaceChildren(span);
  }

  /** Be told of a chunk that begins at `start`, in seconds of the sound. */
  begin({ index, text, start }) {
    if (this.#unread === null) {
      this.#chunks = [];
      this.#unread = new Text(this.text);
      this.element.replaceChildren(this.#unread);
    }
    const at = this.#unread.data.indexOf(text);
    if (at < 0) return;
    const written = this.#unread.splitText(at);
    this.#unread = written.splitText(text.length);
    const span = spanOf(text);
    written.replaceWith(span);
    this.#chunks.push({ index, span, start, end: Infinity });
  }

  /** Be told when a chunk ends that began before. */
  finish({ index, end }) {
    const chunk = this.#chunks.find((begun) => begun.index === index);
    if (chunk) chunk.end = end;
  }

  /** Light up what is heard at this many seconds of the sound; nothing at null. */
  light(position) {
    const heard = this.#chunks.find(({ start, end }) => position !== null && start <= position && position < end);
    const span = heard?.span ?? null;
    if (span === this.#lit) return;
    this.#lit?.removeAttribute('aria-current');
    span?.setAttribute('aria-current', 'true');
    if (span) this.element.scrollTop = span.offsetTop - MARGIN; // only the element: the page stays where it is
    this.#lit = span;
  }
}

function spanOf(text) {
  const span = document.createElement('span');
  span.textContent = text;
  return span;
}
