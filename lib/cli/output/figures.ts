/**
 * Figures for people.
 *
 * @module
 */

/** `171075` -> `171,075` */
export function showCount(value: number): string {
  return value.toLocaleString("en-US", { maximumFractionDigits: 0 });
}

/** `1` and "object" -> `1 object`, `2` -> `2 objects`; an irregular plural is given. */
export function showCounted(value: number, one: string, many = `${one}s`): string {
  return `${showCount(value)} ${value === 1 ? one : many}`;
}

const UNITS = ["B", "kB", "MB", "GB", "TB"] as const;

/** `17142887` -> `17.1 MB` */
export function showBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  // From 999.95 on one decimal would show 1000.0 of the smaller unit.
  while (value >= (unit === 0 ? 1000 : 999.95) && unit < UNITS.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${UNITS[unit]}`;
}

/** `1234.5` -> `1.2 s`, `12` -> `12 ms`, `100000` -> `1 min 40 s` */
export function showDuration(ms: number): string {
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 48 * 60) return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  return `${Math.floor(minutes / 1440)} d ${Math.floor(minutes % 1440 / 60)} h`;
}

/** ms since 1970 -> `2026-11-26 21:30:05Z`; a time that is not there, or the 0 of "never", is a dash. */
export function showTime(ms: number | undefined): string {
  if (ms === undefined || ms === 0) return "-";
  return `${new Date(ms).toISOString().slice(0, 19).replace("T", " ")}Z`;
}

/** `0.973` -> `97.3 %` */
export function showShare(share: number | undefined): string {
  return share === undefined ? "-" : `${Math.round(share * 1000) / 10} %`;
}

/** Enough of an id of 32 digits to tell it from the others at hand. */
export function showId(id: string): string {
  return id.slice(0, 8);
}
