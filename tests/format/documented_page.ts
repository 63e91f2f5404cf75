/** The worked examples of a page in docs/: dumps, and the JSON that states what they mean. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

/** A page of docs/, and which of its sections were read. */
export class DocumentedPage {
  readonly text: string;
  readonly decoded: Set<string> = new Set();

  constructor(name: string) {
    this.text = readFileSync(new URL(`../../docs/${name}`, import.meta.url), "utf8");
  }

  /** The names of the sections that have a dump. */
  get sections(): string[] {
    return this.text.split(/^## /m).filter((part) => part.includes("```hex")).map((part) => part.split("\n", 1)[0]!);
  }

  /** The text of a section. */
  section(name: string): string {
    return this.text.split(/^## /m).find((one) => one.startsWith(`${name}\n`)) ?? "";
  }

  /** The bytes and the fields stated in a section. */
  // deno-lint-ignore no-explicit-any
  example(name: string): { bytes: Uint8Array; stated: any } {
    this.decoded.add(name);
    const [, dump, json] = /```hex\n([^]*?)```\n\n```json\n([^]*?)```/.exec(this.section(name)) ?? [];
    assert.ok(dump !== undefined && json !== undefined, `the page has no example under ${name}`);
    return { bytes: parseDump(dump), stated: JSON.parse(json) };
  }

  /** The blocks of a section that are in `json` or `jsonl`, as they stand there. */
  json(name: string): string[] {
    const found = [...this.section(name).matchAll(/```jsonl?\n([^]*?)```/g)].map((match) => match[1]!);
    assert.ok(found.length > 0, `the page has no example under ${name}`);
    return found;
  }
}

/** The bytes of a dump, each line of which has the right offset and the right characters behind. */
function parseDump(dump: string): Uint8Array {
  const bytes: number[] = [];
  for (const line of dump.trim().split("\n")) {
    assert.equal(parseInt(line.slice(0, 4), 16), bytes.length, line);
    const row = line.slice(6, 53).trim().split(" ").map((byte) => parseInt(byte, 16));
    const shown = row.map((byte) => byte > 0x20 && byte < 0x7f ? String.fromCharCode(byte) : ".").join("");
    assert.equal(line.slice(55), shown);
    bytes.push(...row);
  }
  return new Uint8Array(bytes);
}

/** The bytes of hexadecimal digits. */
export function bytesOf(hex: string): Uint8Array {
  return new Uint8Array((hex.match(/../g) ?? []).map((byte) => parseInt(byte, 16)));
}
