/** Typed arrays on the kinds of memory that JavaScript has: shared, resizable, shifted, gone. */

export type View = Float32Array | Int32Array | Uint16Array;
export const isView = (value: unknown): value is View =>
  value instanceof Float32Array || value instanceof Int32Array || value instanceof Uint16Array;

/** What ES2024 adds to an ArrayBuffer; Node has it since 20. */
export interface ResizableBuffer extends ArrayBuffer {
  resize(bytes: number): void;
}
const Resizable = ArrayBuffer as unknown as new (bytes: number, options: { maxByteLength: number }) => ResizableBuffer;

type Make = new (from: ArrayBufferLike | number, offset?: number, length?: number) => View;
/** The same numbers over other memory. */
function over<T extends View>(view: T, buffer: ArrayBufferLike, offset = 0): T {
  const copy = new (view.constructor as Make)(buffer, offset, view.length) as T;
  copy.set(view);
  return copy;
}

/** On a buffer that can still grow or shrink; the view follows its length. */
export function resizable<T extends View>(view: T): T {
  const copy = new (view.constructor as Make)(new Resizable(view.byteLength, { maxByteLength: view.byteLength + 64 })) as T;
  copy.set(view);
  return copy;
}
/** Cuts the buffer below a `resizable` view. */
export const cut = (view: View, bytes: number) => (view.buffer as ResizableBuffer).resize(bytes);

/** A view of fixed length whose buffer was cut below its end: of length 0, or out of bounds. */
export function beyond<T extends View>(view: T): T {
  const copy = over(view, new Resizable(view.byteLength + 64, { maxByteLength: view.byteLength + 128 }));
  cut(copy, (view.byteLength >> 3) << 2);
  return copy;
}
export const shared = <T extends View>(view: T): T => over(view, new SharedArrayBuffer(view.byteLength));
/** From the second number of a longer buffer on: no alignment beyond that of a number. */
export const shifted = <T extends View>(view: T): T =>
  over(view, new ArrayBuffer(view.byteLength + 3 * view.BYTES_PER_ELEMENT), view.BYTES_PER_ELEMENT);
/** Its buffer was transferred away. */
export function gone<T extends View>(view: T): T {
  const copy = view.slice() as T;
  structuredClone(copy.buffer, { transfer: [copy.buffer as ArrayBuffer] });
  return copy;
}
/** Whether a view has numbers. V8's optimised code can give the length that a view had before its buffer went; `at` asks the buffer. */
export function whole(view: View): boolean {
  try {
    return view.at(0) !== undefined;
  } catch {
    return false;
  }
}
