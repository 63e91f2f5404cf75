/**
 * From what the system and the runtimes throw to the errors of this library.
 *
 * Node and Bun throw errors with `code`; Deno does so too, but refuses by permission with an error named `NotCapable`
 * and reports some failures of open files only as text (`... (os error 28)`).
 *
 * @module
 */
import {
  ExistsError,
  type HoldfastError,
  IOError,
  NoSpaceError,
  NotFoundError,
  PermissionError,
} from "../base/errors.ts";

/** What stood in the way, in words, by error code. */
const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "nothing is there",
  ENOTDIR: "a part of the path is not a directory",
  EEXIST: "something is already there",
  ENOTEMPTY: "the directory is not empty",
  EACCES: "the system denies access",
  EPERM: "the system does not permit it",
  EROFS: "the file system is read-only",
  NotCapable: "the runtime was not given this permission",
  ENOSPC: "no space is left on the disk",
  EDQUOT: "the disk quota is used up",
  EIO: "the disk failed to read or write",
  EISDIR: "it is a directory",
  EMFILE: "this process has too many files open",
  ENFILE: "the system has too many files open",
  EXDEV: "the two paths are on different file systems",
  EBADF: "the file is not open for this",
  EFBIG: "the file would become too large",
  ENAMETOOLONG: "the name is too long",
  ELOOP: "too many links on the way",
  EBUSY: "it is in use",
  ENOTSUP: "the file system cannot do it",
};

/** Codes for errors that Deno reports as text only, by their number on Linux and macOS alike. */
const CODE_OF_NUMBER: Readonly<Record<string, string>> = {
  "1": "EPERM",
  "2": "ENOENT",
  "5": "EIO",
  "9": "EBADF",
  "12": "ENOMEM",
  "13": "EACCES",
  "17": "EEXIST",
  "20": "ENOTDIR",
  "21": "EISDIR",
  "23": "ENFILE",
  "24": "EMFILE",
  "27": "EFBIG",
  "28": "ENOSPC",
  "30": "EROFS",
  "69": "EDQUOT",
  "122": "EDQUOT",
};

/**
 * The stable name of a failure: an errno name such as `"ENOENT"`, `"NotCapable"`, or `"UNKNOWN"`. Whether it is an `Error`
 * is not asked: where this library is loaded in a context of `node:vm`, as Jest does for each test file, those of the
 * runtime are of another class by that name.
 */
export function failureCode(error: unknown): string {
  const { name, code } = Object(error) as { name?: unknown; code?: unknown };
  if (name === "NotCapable") return "NotCapable";
  if (typeof code === "string" && code !== "") return code === "EOPNOTSUPP" ? "ENOTSUP" : code;
  const number = /\(os error (\d+)\)/.exec(failureText(error))?.[1];
  return (number === undefined ? undefined : CODE_OF_NUMBER[number]) ?? "UNKNOWN";
}

/** What a failure says of itself. */
export function failureText(error: unknown): string {
  const { message } = Object(error) as { message?: unknown };
  return typeof message === "string" ? message : String(error);
}

/**
 * The library's error for what `call` ("open", "rename", ...) threw for `path`:
 * `Cannot open data/CURRENT: nothing is there (ENOENT)`.
 */
export function nodeError(call: string, path: string, error: unknown): HoldfastError {
  const code = failureCode(error);
  const reason = REASONS[code] ?? failureText(error);
  const message = `Cannot ${call} ${path}: ${reason} (${code})`;
  const details = { cause: error, path };
  switch (code) {
    case "ENOENT":
    case "ENOTDIR":
      return new NotFoundError(message, details);
    case "EEXIST":
    case "ENOTEMPTY":
      return new ExistsError(message, details);
    case "EACCES":
    case "EPERM":
    case "EROFS":
    case "ERR_ACCESS_DENIED":
      return new PermissionError(`${message}; check the rights of this user and of the runtime`, details);
    case "NotCapable":
      return new PermissionError(`${message}; run Deno with --allow-read and --allow-write for it`, details);
    case "ENOSPC":
    case "EDQUOT":
      return new NoSpaceError(`${message}; free some space`, details);
    case "EMFILE":
      return new IOError(`${message}; raise its limit (ulimit -n)`, details);
    default:
      return new IOError(message, details);
  }
}
