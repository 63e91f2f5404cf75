/**
 * Counts the tests in a JUnit report. The three runtimes write different ones:
 *
 *     node, bun   suites nest as <testsuite>; every test (`it`) is a <testcase>
 *     deno        no nesting: suites are testcases as well, and names are paths: "Suite", "Suite > inner", "Suite > inner > test"
 *
 * So in Deno's report a testcase whose path is the beginning of another one's is a suite, and is not counted: what is
 * counted is `it`, in every runtime the same number.
 */

export interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

const TESTCASE = /<testcase\b((?:[^>"]|"[^"]*")*?)(?:\/>|>([\s\S]*?)<\/testcase>)/g;
const SEPARATOR = " &gt; ";

/** Counts the tests of one report. */
export function countTests(xml: string): Counts {
  const cases = [...xml.matchAll(TESTCASE)].map(([, attributes = "", body = ""]) => ({
    path: /\bname="([^"]*)"/.exec(attributes)?.[1] ?? "",
    body,
  }));
  const isDeno = xml.includes('<testsuites name="deno test"');
  const suites = new Set(isDeno ? cases.flatMap(({ path }) => outerPaths(path)) : []);
  let [passed, failed, skipped] = [0, 0, 0];
  for (const { path, body } of cases) {
    if (suites.has(path)) continue;
    if (/<(failure|error)\b/.test(body)) failed++;
    else if (/<skipped\b/.test(body)) skipped++;
    else passed++;
  }
  return { passed, failed, skipped };
}

/** "a > b > c" gives "a" and "a > b". */
function outerPaths(path: string): string[] {
  const parts = path.split(SEPARATOR);
  return parts.slice(1).map((_, index) => parts.slice(0, index + 1).join(SEPARATOR));
}
