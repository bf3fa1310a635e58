import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { StopText } from '../../lib/evaluation/stop_text.js';

function run(stops: string[], pieces: string[]) {
  const stop = new StopText(stops);
  let text = '';
  for (const piece of pieces) {
    text += stop.push(piece);
    if (stop.found) return { text, found: true };
  }
  return { text: text + stop.end(), found: false };
}

describe('stop texts', () => {
  it('are found across pieces and left out', () => {
    expect(run(['\n\nHuman:'], ['Yes.', '\n', '\nHum', 'an: more'])).toEqual({ text: 'Yes.', found: true });
    expect(run(['b', 'ab'], ['xa', 'b'])).toEqual({ text: 'x', found: true });
  });

  it('hold back what may begin one, and give it when nothing follows', () => {
    const stop = new StopText(['END']);
    expect([stop.push('the E'), stop.push('N'), stop.push('T'), stop.end()]).toEqual(['the ', '', 'ENT', '']);
    expect(run(['END'], ['the EN'])).toEqual({ text: 'the EN', found: false });
  });

  it('that are empty stop nothing', () => {
    expect(run([''], ['a', 'b'])).toEqual({ text: 'ab', found: false });
  });

  it('give the text before the first of them, however it is cut', () => {
    const letters = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 12 });
    fc.assert(
      fc.property(
        fc.array(letters, { maxLength: 6 }),
        fc.array(
          letters.filter((s) => s !== ''),
          { maxLength: 3 },
        ),
        (pieces, stops) => {
          const whole = pieces.join('');
          const places = stops.map((stop) => whole.indexOf(stop)).filter((at) => at >= 0);
          const result = run(stops, pieces);
          expect(result.found).toBe(places.length > 0);
          if (places.length === 0) expect(result.text).toBe(whole);
          // A stop text that ends later may have begun earlier: what was given out by then never holds a whole one.
          else for (const stop of stops) expect(result.text).not.toContain(stop);
        },
      ),
    );
  });
});
