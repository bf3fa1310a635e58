/** Looks for stop texts in a text that comes piece by piece, and holds back what may be the beginning of one. */
export class StopText {
  /** A stop text has come. */
  found = false;
  #held = '';
  readonly #stops: readonly string[];

  constructor(stops: readonly string[]) {
    this.#stops = stops.filter((stop) => stop !== '');
  }

  /** What is known to be no part of a stop text. */
  push(piece: string): string {
    const text = this.#held + piece;
    const at = this.#first(text);
    if (at >= 0) {
      this.found = true;
      this.#held = '';
      return text.slice(0, at);
    }
    const keep = Math.max(0, ...this.#stops.map((stop) => overlap(text, stop)));
    this.#held = text.slice(text.length - keep);
    return text.slice(0, text.length - keep);
  }

  /** What was held back, now that nothing follows. */
  end(): string {
    const rest = this.#held;
    this.#held = '';
    return rest;
  }

  #first(text: string): number {
    const places = this.#stops.map((stop) => text.indexOf(stop)).filter((at) => at >= 0);
    return places.length === 0 ? -1 : Math.min(...places);
  }
}

/** Length of the longest end of `text` that begins `stop`. */
function overlap(text: string, stop: string): number {
  let length = Math.min(text.length, stop.length - 1);
  while (length > 0 && !text.endsWith(stop.slice(0, length))) length--;
  return length;
}
