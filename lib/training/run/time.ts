/**
 * The time that chat templates are told (`strftime_now`). It belongs to a run: one that goes on a day later, or in another time zone, must give its
 * rows the ids that they had. It is kept as a clock on the wall shows it, `2026-12-01T02:40:55`, without a zone.
 */

const two = (n: number) => String(n).padStart(2, '0');

/** A moment as the clock on this machine's wall shows it, in whole seconds. */
export function wallTime(date: Date = new Date()): string {
  const day = [String(date.getFullYear()).padStart(4, '0'), two(date.getMonth() + 1), two(date.getDate())].join('-');
  return `${day}T${[date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(':')}`;
}

/** A date whose local fields are those of `time`, in whatever zone this machine is. */
export const dateAt = (time: string): Date => new Date(time);
