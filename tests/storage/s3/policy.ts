/** The policies of docs/object-storage.md, as a bucket's own policy for one user. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { root } from "../../tools/runtimes.ts";

/** As far as it is used. */
export interface Policy {
  Version: string;
  Statement: { Sid: string; Effect: string; Action: string[]; Resource: string[]; Principal?: unknown }[];
}

const page = readFileSync(`${root}docs/object-storage.md`, "utf8");

/** The policy that follows a heading of the page, for a bucket and a prefix in it. */
export function policyOf(heading: string, bucket: string, prefix: string, user: string): Policy {
  const from = page.indexOf(`### ${heading}`);
  assert.ok(from >= 0, `the page has a heading ${heading}`);
  const policy = JSON.parse(/```json\n(.*?)```/s.exec(page.slice(from))![1]!) as Policy;
  for (const statement of policy.Statement) {
    statement.Principal = { AWS: [user] };
    statement.Resource = statement.Resource.map((each) =>
      each.replaceAll("BUCKET", bucket).replaceAll("PREFIX", prefix)
    );
  }
  return policy;
}
