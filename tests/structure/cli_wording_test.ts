/** Messages of the library as the command line tells them: none sends someone at a shell to a call of the library. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { COMMANDS } from "../../lib/cli/commands/mod.ts";
import { runnable } from "../../lib/cli/core/command.ts";
import { inShellWords } from "../../lib/cli/core/wording.ts";
import { root } from "../tools/runtimes.ts";
import { filesBelow } from "../tools/sources.ts";

/** What the command line comes to. */
const FOLDERS =
  /^lib\/(?:base|files|format|tree|engine|storage|backup|db|adapters\/migrate)\/|^lib\/adapters\/typed\/codec/;

/** What speaks of the library: a call, an option, a member, a name in camel case. */
const OF_THE_LIBRARY =
  /\b\w+\(\)|\b(?:DB|db|repo)\.\w+|\boption "|\bkeys: "|command line|: true\b|\{ \w+ \}|\b[a-z]+[A-Z]\w*\b|^[a-z][\w.]*: /;

/** Mistakes that only a program can make: an argument of the wrong type, a handle of another database. */
const OF_PROGRAMS = [
  /must (?:be|give|have) (?:an? )?(?:string|Date|array|object|function|record|FileSystem|snapshot|source|Uint8Array|method)\b/,
  /must be (?:\{|bytes|a path, a file: URL|a name or an array|a tag that|an open|a database)/,
  /\bopen already\b|\bit is open\b|Uint8Array|\bsnapshot\b|\btransaction\b|toJSON|expected a (?:source|database)/,
  /^new \w+: |no range|no bounds|no check|ifMatch|handed in|set, not|"into"|names of columns|exclude each other|retainUntil|\[key, value\]|setMany does|newKeyRing|chunkBytes|accountKeyconnection|^….name is/,
  /expireIn and expiresAt|a client with keyPrefix|option "at" and|option "do" is missing|"mode" "merge"|needs a client|\{ (?:accessKeyId|accessId),/,
];

const COMMANDS_THERE = runnable(COMMANDS).map(({ spec }) => spec);
const STORED = COMMANDS_THERE.filter(({ options }) => options.some(({ name }) => name === "store"));

describe("what the library says of a failure", () => {
  it("names at a shell what is typed there", () => {
    const all = messages();
    assert.ok(all.length > 300, `${all.length} messages were found`);
    const told = all.filter(({ message }) => !OF_PROGRAMS.some((each) => each.test(message))).flatMap(
      ({ file, message }) => {
        const specs = file.startsWith("lib/storage/") ? STORED : COMMANDS_THERE;
        const texts = specs.map((spec) => inShellWords(message, { spec, words: ["./one", "./two"] }));
        // An option is told by the commands that have it; the others never come to the message.
        const own = texts.filter((text) => !(specs === STORED ? /option "/ : /option "|--store /).test(text));
        return (own.length > 0 ? own : texts).map((text) => ({ file, text }));
      },
    );
    const wrong = told.filter(({ text }) => OF_THE_LIBRARY.test(text.replace(/--(?:store|allow)[\w-]*[ =]\w+=?/g, "")))
      .map((
        { file, text },
      ) => `${file}: ${text}`);
    assert.deepEqual([...new Set(wrong)], []);
  });
});

interface Message {
  file: string;
  message: string;
}

/** The messages of all errors that the sources make; what is put into them is an ellipsis, and an option some option. */
function messages(): Message[] {
  return filesBelow("lib", (file) => FOLDERS.test(file)).flatMap((file) => {
    const source = readFileSync(root + file, "utf8");
    const errors = /new (?:\w*Error|Unsupported)\(\s*((?:[^;]|;(?! *$))*?)\);?$/gm;
    // What is put together with others before it becomes an error.
    const remedies = /\b(?:remedy|reason|withoutCredentials):\s*([`"'][^;{}]*?),?\s*[};]/g;
    return [...source.matchAll(errors), ...source.matchAll(remedies)].map(([, args]) => {
      const parts = [...args!.matchAll(/`((?:[^`\\]|\\.)*)`|"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'/g)];
      const texts = parts.map(([, template, double, single]) =>
        template === undefined ? double ?? single! : filled(template)
      );
      return { file, message: texts.join("") };
    });
  });
}

function filled(template: string): string {
  return template
    .replace(/^\$\{(?:call|CALL|this\.#options\.call)\}(?=: )/, "db.call")
    .replace(/option "\$\{\w+\}"/, 'option "concurrency"')
    .replace(/\$\{(?:[^{}]|\{[^{}]*\})*\}/g, "…");
}
