import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { checkHealthPolicy, judgeHealth } from "../../../lib/backup/repository/care/health.ts";
import { prometheusText } from "../../../lib/backup/repository/care/prometheus.ts";
import type { RepositoryStats } from "../../../lib/backup/repository/care/stats_types.ts";

const stats: RepositoryStats = {
  backups: { full: 2, incremental: 5, snapshot: 0 },
  totalBytes: 1000,
  storedBytes: 400,
  compressionSavedBytes: 500,
  sharingSavedBytes: 100,
  objects: 12,
  logObjects: 3,
  logBytes: 40,
  lastBackup: { id: "b7", at: 1_795_611_600_500, durationMs: 1500 },
  lastSuccessAt: 1_795_611_600_500,
  lastFailureAt: undefined,
  successRate: 0.875,
  durations: { median: 1000, max: 2500 },
  lag: 250,
};

/** What a scraper sees: the samples, once every line is known to be well formed and every metric announced once. */
function scrape(text: string): Map<string, number> {
  assert.ok(text.endsWith("\n"));
  const samples = new Map<string, number>();
  const announced = new Set<string>();
  let current = "";
  for (const line of text.slice(0, -1).split("\n")) {
    const [, help] = /^# HELP (\S+) \S.*$/.exec(line) ?? [];
    const [, type] = /^# TYPE (\S+) gauge$/.exec(line) ?? [];
    if (help !== undefined) {
      assert.equal(announced.has(help), false, `${help} twice`);
      announced.add(current = help);
    } else if (type !== undefined) assert.equal(type, current);
    else {
      const [, name, labels = "", value] =
        /^([a-z_]+)(\{(?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\[\\n"])*",?)+\})? (-?[0-9.e+-]+)$/.exec(line) ?? [];
      assert.equal(name, current, line);
      assert.equal(samples.has(name + labels), false, `${line} twice`);
      samples.set(name + labels, Number(value));
    }
  }
  return samples;
}

describe("prometheusText()", () => {
  it("says what was not awaited", () => {
    const message =
      "prometheusText: the first argument must be what stats() of a repository gives, not a Promise; await it";
    assert.throws(() => prometheusText(Promise.resolve(stats) as never), { name: "TypeError", message });
    assert.throws(() => prometheusText(undefined as never), { name: "TypeError", message: /, not undefined$/ });
    const health = Promise.resolve({}) as never;
    assert.throws(() => prometheusText(stats, { health }), /option "health" must be .*, not a Promise; await it$/);
  });

  it("refuses options that it does not know or that say nothing", () => {
    const refused = (options: unknown, message: RegExp): void =>
      assert.throws(() => prometheusText(stats, options as never), { name: "TypeError", message });
    refused({ lables: { a: "b" } }, /^prometheusText: unknown option "lables"; did you mean "labels"\?$/);
    refused(
      { labels: new Map([["a", "b"]]) },
      /^prometheusText: option "labels" must be a record of strings, not a Map$/,
    );
    refused({ labels: { a: 1 } }, /^prometheusText: option "labels" must be a record of strings/);
    refused("nightly", /^prometheusText: options must be an object, not "nightly"$/);
  });

  it("gives every figure under a name with its unit", () => {
    assert.deepEqual(Object.fromEntries(scrape(prometheusText(stats))), {
      'holdfast_backup_backups{type="full"}': 2,
      'holdfast_backup_backups{type="incremental"}': 5,
      'holdfast_backup_backups{type="snapshot"}': 0,
      holdfast_backup_raw_bytes: 1000,
      holdfast_backup_stored_bytes: 400,
      holdfast_backup_compression_saved_bytes: 500,
      holdfast_backup_sharing_saved_bytes: 100,
      holdfast_backup_objects: 12,
      holdfast_backup_log_objects: 3,
      holdfast_backup_log_bytes: 40,
      holdfast_backup_last_timestamp_seconds: 1_795_611_600.5,
      holdfast_backup_last_duration_seconds: 1.5,
      holdfast_backup_last_success_timestamp_seconds: 1_795_611_600.5,
      holdfast_backup_success_ratio: 0.875,
      holdfast_backup_duration_median_seconds: 1,
      holdfast_backup_duration_max_seconds: 2.5,
      holdfast_backup_lag_seconds: 0.25,
    });
  });

  it("has no line for what is not known", () => {
    const text = prometheusText({ ...stats, lastBackup: undefined, lag: undefined, durations: undefined });
    assert.doesNotMatch(text, /failure|lag|duration|last_timestamp|undefined|NaN/);
  });

  it("escapes labels", () => {
    const text = prometheusText(stats, { labels: { repository: 'a"b\\c\nd' } });
    assert.ok(text.includes('holdfast_backup_objects{repository="a\\"b\\\\c\\nd"} 12\n'));
    assert.ok(text.includes('{repository="a\\"b\\\\c\\nd",type="full"} 2\n'));
    scrape(text);
  });

  it("refuses a label that scrapers refuse", () => {
    for (const name of ["", "a-b", "1a", "__a"]) {
      assert.throws(() => prometheusText(stats, { labels: { [name]: "x" } }), TypeError);
    }
  });

  it("tells of the health", () => {
    const facts = { backups: [], attempts: [], proofs: [], gaps: [{ from: 1, to: 2 }, { from: 5, to: 6 }] };
    const health = judgeHealth(facts, checkHealthPolicy("health", {}), 0);
    const samples = scrape(prometheusText(stats, { health }));
    assert.equal(samples.get("holdfast_backup_healthy"), 0);
    assert.equal(samples.get('holdfast_backup_findings{code="gap",severity="error"}'), 2);
    assert.equal(samples.get('holdfast_backup_findings{code="no-backup",severity="error"}'), 1);
  });
});
