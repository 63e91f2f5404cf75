/** What publishes a release: the workflow, and the check of the tag that it begins with. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { parse } from "yaml";
import { releaseProblems, stated } from "../tools/release.ts";
import { root } from "../tools/runtimes.ts";

interface Job {
  readonly needs?: string;
  readonly permissions: Readonly<Record<string, string>>;
  readonly steps: readonly { readonly run?: string; readonly uses?: string }[];
}

describe("the workflow that publishes", () => {
  const workflow = parse(readFileSync(`${root}.github/workflows/publish.yml`, "utf8")) as {
    on: unknown;
    permissions: unknown;
    jobs: Record<string, Job>;
  };
  const commands = (job: Job): string => job.steps.map(({ run }) => run ?? "").join("\n");

  it("runs for tags of versions only, and gives each job no more rights than it needs", () => {
    assert.deepEqual(workflow.on, { push: { tags: ["v*"] } });
    assert.deepEqual(workflow.permissions, {});
    assert.deepEqual(workflow.jobs["test"]!.permissions, { contents: "read" });
    for (const name of ["jsr", "npm"]) {
      assert.deepEqual(workflow.jobs[name]!.permissions, { contents: "read", "id-token": "write" });
    }
  });

  it("tests before anything is published", () => {
    const { test, ...others } = workflow.jobs;
    const steps = commands(test!);
    assert.match(steps, /tests\/tools\/release\.ts "\$GITHUB_REF_NAME"\nnpm test\n.*tests\/tools\/pack\.ts packed/);
    assert.doesNotMatch(steps, /publish/);
    for (const [name, job] of Object.entries(others)) assert.equal(job.needs, "test", name);
    assert.match(commands(others["jsr"]!), /deno publish$/);
    assert.match(commands(others["npm"]!), /npm publish \S+ --access public --provenance$/);
  });

  it("names only files that there are", () => {
    const files = Object.values(workflow.jobs).flatMap((job) => [...commands(job).matchAll(/node (\S+\.ts)/g)]);
    assert.ok(files.length > 1);
    for (const [, file] of files) readFileSync(root + file!);
  });
});

describe("releaseProblems()", () => {
  it("lets the version pass that the files have", () => {
    assert.deepEqual(releaseProblems(`v${stated().versions["deno.json"]}`, stated()), []);
  });

  it("names each file that has another, and a changelog that knows nothing of it", () => {
    const files = {
      versions: { "deno.json": "1.2.0", "package.json": "1.1.0" },
      changelog: "# Changelog\n\n## 1.1.0\n",
    };
    assert.deepEqual(releaseProblems("v1.2.0", files), [
      "package.json says 1.1.0, the tag 1.2.0",
      'CHANGELOG.md has no heading "## 1.2.0"',
    ]);
    assert.deepEqual(releaseProblems("1.2", files), ["1.2 is no tag of a version, such as v1.2.3"]);
  });
});
