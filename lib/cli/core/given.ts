/**
 * The options of one run, read by their names. Asking for one that the command does not declare is a mistake of the
 * command, not of its user.
 *
 * @module
 */
import type { OptionSpec } from "./option_spec.ts";

/** What was given for the options that a command declares. */
export class Given {
  readonly #values: Readonly<Record<string, unknown>>;
  readonly #specs: ReadonlyMap<string, OptionSpec>;
  /** The names that the command has asked for: what it declares and never reads would be accepted and ignored. */
  readonly asked: Set<string> = new Set();

  /** `values` by the options' names; they were parsed by their kinds. */
  constructor(specs: readonly OptionSpec[], values: Readonly<Record<string, unknown>>) {
    this.#values = values;
    this.#specs = new Map(specs.map((spec) => [spec.name, spec]));
  }

  /** Whether the command has such an option at all. */
  has(name: string): boolean {
    return this.#specs.has(name);
  }

  /** Whether something was given for it. */
  isGiven(name: string): boolean {
    const value = this.#value(name);
    return value !== undefined && value !== false;
  }

  /** A flag. */
  flag(name: string): boolean {
    return this.#value(name) === true;
  }

  /** A text, path or choice. */
  text(name: string): string | undefined {
    return this.#value(name) as string | undefined;
  }

  /** One of these texts; the option's choices are the same. */
  choice<T extends string>(name: string): T | undefined {
    return this.#value(name) as T | undefined;
  }

  /** A count, share, number of bytes, duration in ms or time in ms. */
  number(name: string): number | undefined {
    return this.#value(name) as number | undefined;
  }

  /** All values of an option that may be given several times. */
  list(name: string): string[] {
    return (this.#value(name) as string[] | undefined) ?? [];
  }

  #value(name: string): unknown {
    if (!this.#specs.has(name)) throw new Error(`the command declares no option --${name}`);
    this.asked.add(name);
    return this.#values[name];
  }
}
