/**
 * OpenStack Swift with its S3 interface on loopback: a bucket service without conditional writes. One account server, one
 * container server, one object server, one proxy and a memcached. About 3 seconds.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  answers,
  findProgram,
  freePorts,
  missingPrograms,
  type OwnProcess,
  runProgram,
  startProcess,
  until,
} from "./own_process.ts";
import type { OwnS3Server } from "./s3_server.ts";

const KINDS = ["account", "container", "object"] as const;
const PROGRAMS = ["swift-proxy-server", ...KINDS.map((kind) => `swift-${kind}-server`), "memcached"];
const PACKAGES = ["swift-proxy", "swift-account", "swift-container", "swift-object", "memcached"];

/** The Python that the packages are for; another one may stand before it in the path. */
const PYTHON = "/usr/bin/python3";

/** The three rings in one go: `swift-ring-builder` takes most of a second for each of nine steps. */
const RINGS = `
import sys
from swift.common.ring import RingBuilder
for kind, port in zip(("account", "container", "object"), sys.argv[2:]):
    builder = RingBuilder(4, 1, 0)
    builder.add_dev({"region": 1, "zone": 1, "ip": "127.0.0.1", "port": int(port), "device": "d1", "weight": 1,
        "replication_ip": "127.0.0.1", "replication_port": int(port), "meta": ""})
    builder.rebalance()
    builder.get_ring().save(sys.argv[1] + "/" + kind + ".ring.gz")
`;

/** Why there is no Swift here, or undefined. */
export const swiftMissing = (): string | undefined => missingPrograms(PROGRAMS, PACKAGES);

/** Starts one. */
export async function startSwift(): Promise<OwnS3Server> {
  const home = mkdtempSync(join(tmpdir(), "hf-swift-"));
  const [port = 0, memcached = 0, ...ports] = await freePorts(2 + KINDS.length);
  const credentials = { accessKeyId: "test:tester", secretAccessKey: "a-secret-of-swift-tests" };
  const user = runProgram(["id", "-un"]).trim();
  const processes: OwnProcess[] = [];
  const start = (...command: string[]): OwnProcess => {
    const name = command[0]!.split("/").at(-1)!;
    const started = startProcess(command, { log: join(home, `${name}.out`) });
    processes.push(started);
    return started;
  };
  const stop = async (): Promise<void> => {
    await Promise.all(processes.map((each) => each.end()));
    rmSync(home, { recursive: true, force: true });
  };
  const common = [
    "[DEFAULT]",
    "bind_ip = 127.0.0.1",
    `user = ${user}`,
    `swift_dir = ${home}`,
    "workers = 0",
    "log_address = /dev/null",
  ];
  try {
    mkdirSync(join(home, "node", "d1"), { recursive: true });
    writeFileSync(join(home, "swift.conf"), "[swift-hash]\nswift_hash_path_prefix = a\nswift_hash_path_suffix = b\n");
    runProgram([PYTHON, "-c", RINGS, home, ...ports.map(String)]);
    KINDS.forEach((kind, i) => {
      const conf = join(home, `${kind}.conf`);
      writeFileSync(
        conf,
        [
          ...common,
          `bind_port = ${ports[i]}`,
          `devices = ${join(home, "node")}`,
          "mount_check = false",
          "fallocate_reserve = 0",
          "disable_fallocate = true",
          "[pipeline:main]",
          `pipeline = ${kind}-server`,
          `[app:${kind}-server]`,
          `use = egg:swift#${kind}`,
          "",
        ].join("\n"),
      );
      start(findProgram(`swift-${kind}-server`)!, conf);
    });
    start("memcached", "-l", "127.0.0.1", "-p", String(memcached), "-U", "0", "-u", user);
    const proxy = join(home, "proxy.conf");
    writeFileSync(
      proxy,
      [
        ...common,
        `bind_port = ${port}`,
        "[pipeline:main]",
        "pipeline = catch_errors gatekeeper healthcheck cache listing_formats bulk s3api tempauth slo proxy-server",
        "[app:proxy-server]",
        "use = egg:swift#proxy",
        "account_autocreate = true",
        "[filter:tempauth]",
        "use = egg:swift#tempauth",
        `user_${credentials.accessKeyId.replace(":", "_")} = ${credentials.secretAccessKey} .admin`,
        "[filter:s3api]",
        "use = egg:swift#s3api",
        "location = us-east-1",
        "s3_acl = false",
        "[filter:cache]",
        "use = egg:swift#memcache",
        `memcache_servers = 127.0.0.1:${memcached}`,
        ...["catch_errors", "gatekeeper", "healthcheck", "listing_formats", "bulk", "slo"].flatMap((name) => [
          `[filter:${name}]`,
          `use = egg:swift#${name}`,
        ]),
        "",
      ].join("\n"),
    );
    const endpoint = `http://127.0.0.1:${port}`;
    let running: OwnProcess;
    const restart = async (): Promise<void> => {
      running = start(findProgram("swift-proxy-server")!, proxy);
      await until(
        "swift-proxy-server",
        () => answers(`${endpoint}/healthcheck`),
        processes.slice(0, 4).concat(running),
      );
    };
    await restart();
    for (const each of ports) await until("swift", () => answers(`http://127.0.0.1:${each}/healthcheck`), processes);
    return {
      endpoint,
      region: "us-east-1",
      credentials,
      version: "OpenStack Swift s3api",
      kill: () => running.end(),
      restart,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
