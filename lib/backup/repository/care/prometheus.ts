/**
 * Figures of a repository as Prometheus and OpenMetrics scrapers read them (text format 0.0.4).
 *
 * ```
 * # HELP holdfast_backup_stored_bytes Bytes that objects and log take in the store.
 * # TYPE holdfast_backup_stored_bytes gauge
 * holdfast_backup_stored_bytes{repository="nightly"} 4711
 * ```
 *
 * Times are in seconds, as is the custom there. What is not known has no line, so that an alert can tell "never" from 0.
 *
 * @module
 */
import { checkOptions, describeValue } from "../../../base/options.ts";
import { checkLabels } from "../../backup_options.ts";
import type { HealthReport } from "./health.ts";
import type { RepositoryStats } from "./stats_types.ts";

/** What goes into the text besides the figures. */
export interface PrometheusOptions {
  /** On every line, such as `{ repository: "nightly" }`. */
  labels?: Record<string, string> | undefined;
  /** Adds whether all is well, and one line for each kind of finding there is. */
  health?: HealthReport | undefined;
}

type Sample = readonly [value: number | undefined, labels?: Record<string, string>];

/** The `Content-Type` of the text. */
export const PROMETHEUS_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** The text; `TypeError` for a label whose name Prometheus refuses, and for figures that were not awaited. */
export function prometheusText(stats: RepositoryStats, options?: PrometheusOptions): string {
  assertReport(stats, "the first argument must be what stats() of a repository gives", "backups");
  const checked = checkOptions("prometheusText", options, ["labels", "health"]);
  const labels = checkLabels("prometheusText", checked);
  const health = checked["health"] as HealthReport | undefined;
  if (health !== undefined) assertReport(health, 'option "health" must be what health() of it gives', "findings");
  for (const name of Object.keys(labels)) {
    if (!/^[a-zA-Z_][a-zA-Z0-9_]*$/.test(name) || name.startsWith("__")) {
      throw new TypeError(`prometheusText: "${name}" can't be a label; use letters, digits and single underscores`);
    }
  }
  let text = "";
  const gauge = (name: string, help: string, ...samples: Sample[]): void => {
    const lines = samples.flatMap(([value, own]) =>
      value === undefined || !Number.isFinite(value)
        ? []
        : [`holdfast_backup_${name}${labelText({ ...labels, ...own })} ${value}\n`]
    );
    if (lines.length === 0) return;
    text += `# HELP holdfast_backup_${name} ${help}\n# TYPE holdfast_backup_${name} gauge\n${lines.join("")}`;
  };
  const types = Object.entries(stats.backups).map(([type, count]): Sample => [count, { type }]);
  gauge("backups", "Backups that are listed, by type.", ...types);
  gauge("raw_bytes", "Bytes of all backups before compression, as if nothing were shared.", [stats.totalBytes]);
  gauge("stored_bytes", "Bytes that objects and log take in the store.", [stats.storedBytes]);
  gauge("compression_saved_bytes", "Bytes that compression saves.", [stats.compressionSavedBytes]);
  gauge("sharing_saved_bytes", "Stored bytes that sharing between backups saves.", [stats.sharingSavedBytes]);
  gauge("objects", "Stored objects.", [stats.objects]);
  gauge("log_objects", "Stored objects of archived log.", [stats.logObjects]);
  gauge("log_bytes", "Stored bytes of archived log.", [stats.logBytes]);
  gauge("last_timestamp_seconds", "When the newest backup was made.", [seconds(stats.lastBackup?.at)]);
  gauge("last_duration_seconds", "How long the newest backup took.", [seconds(stats.lastBackup?.durationMs)]);
  gauge("last_success_timestamp_seconds", "When a backup last succeeded.", [seconds(stats.lastSuccessAt)]);
  gauge("last_failure_timestamp_seconds", "When a backup last failed.", [seconds(stats.lastFailureAt)]);
  gauge("success_ratio", "Share of attempts that succeeded, 0 to 1.", [stats.successRate]);
  gauge("duration_median_seconds", "Median of how long backups took.", [seconds(stats.durations?.median)]);
  gauge("duration_max_seconds", "The longest that a backup took.", [seconds(stats.durations?.max)]);
  gauge("lag_seconds", "How far the archived log is behind the database.", [seconds(stats.lag)]);
  if (health !== undefined) {
    gauge("healthy", "1 when the health check found nothing.", [health.ok ? 1 : 0]);
    const counts = new Map<string, Sample>();
    for (const { code, severity } of health.findings) {
      const key = `${code} ${severity}`;
      counts.set(key, [(counts.get(key)?.[0] ?? 0) + 1, { code, severity }]);
    }
    gauge("findings", "Findings of the health check, by code.", ...counts.values());
  }
  return text;
}

function seconds(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : ms / 1000;
}

function assertReport(report: object, expected: string, member: string): void {
  if (typeof report === "object" && report !== null && member in report) return;
  const remedy = report instanceof Promise ? "; await it" : "";
  throw new TypeError(`prometheusText: ${expected}, not ${describeValue(report)}${remedy}`);
}

function labelText(labels: Record<string, string>): string {
  const parts = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`);
  return parts.length === 0 ? "" : `{${parts.join(",")}}`;
}

function escaped(value: string): string {
  return value.replace(/\\/g, "\\\\").replace(/\n/g, "\\n").replace(/"/g, '\\"');
}
