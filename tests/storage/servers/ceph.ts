/**
 * Ceph RADOS Gateway on loopback: one monitor, one OSD that keeps its objects in memory, one gateway. About 2 seconds.
 *
 * Where it comes from: the packages below. What each unusual line of `ceph.conf` is for stands beside it.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { randomUUID } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  answers,
  freePorts,
  missingPrograms,
  type OwnProcess,
  runProgram,
  startProcess,
  until,
} from "./own_process.ts";
import type { OwnS3Server } from "./s3_server.ts";

const PROGRAMS = ["ceph-mon", "ceph-osd", "radosgw", "radosgw-admin", "ceph", "monmaptool"];
const PACKAGES = ["ceph-mon", "ceph-osd", "radosgw", "ceph-common"];

/** Why there is no Ceph here, or undefined. */
export const cephMissing = (): string | undefined => missingPrograms(PROGRAMS, PACKAGES);

/** A user of the gateway. */
export interface CephUser {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/** Another user, who may do nothing with the buckets of the first but what their policies allow. */
export const OTHER_USER: CephUser & { readonly arn: string } = {
  accessKeyId: "holdfast-other-user",
  secretAccessKey: "a-secret-of-the-other-user",
  arn: "arn:aws:iam:::user/other",
};

/** Starts one. */
export async function startCeph(): Promise<OwnS3Server> {
  const home = mkdtempSync(join(tmpdir(), "hf-ceph-"));
  const [monPort = 0, port = 0] = await freePorts(2);
  const conf = join(home, "ceph.conf");
  const fsid = randomUUID();
  writeFileSync(
    conf,
    [
      "[global]",
      `fsid = ${fsid}`,
      `mon host = v2:127.0.0.1:${monPort}`,
      "auth cluster required = none",
      "auth service required = none",
      "auth client required = none",
      // Without authentication the secure mode hangs.
      "ms mon client mode = crc",
      "ms mon cluster mode = crc",
      "ms mon service mode = crc",
      "ms cluster mode = crc",
      "ms service mode = crc",
      "ms client mode = crc",
      // One copy on one disk.
      "osd pool default size = 1",
      "osd pool default min size = 1",
      "osd pool default pg num = 1",
      "osd pool default pgp num = 1",
      "osd pool default pg autoscale mode = off",
      "mon allow pool size one = true",
      "mon allow pool delete = true",
      "osd crush chooseleaf type = 0",
      // The monitor decides at once: 2 seconds to start, not 12.
      "paxos propose interval = 0.05",
      "paxos min wait = 0.01",
      `run dir = ${home}`,
      `admin socket = ${home}/$name.asok`,
      `pid file = ${home}/$name.pid`,
      `log file = ${home}/$name.log`,
      `crash dir = ${home}`,
      "[mon]",
      `mon data = ${home}/mon`,
      "mon cluster log to file = false",
      "[osd]",
      `osd data = ${home}/osd`,
      "osd objectstore = memstore",
      "memstore device bytes = 4294967296",
      "osd class load list = *",
      "osd class default list = *",
      "[client]",
      `rgw data = ${home}/rgw`,
      `rgw frontends = beast endpoint=127.0.0.1:${port} tcp_nodelay=1`,
      "rgw enable usage log = false",
      "rgw gc obj min wait = 1",
      "",
    ].join("\n"),
  );
  const processes: OwnProcess[] = [];
  const ceph = (...args: string[]): string => runProgram(["ceph", "-c", conf, ...args]);
  const admin = (...args: string[]): string => runProgram(["radosgw-admin", "-c", conf, ...args]);
  const start = (...command: string[]): OwnProcess => {
    const started = startProcess(command, { log: join(home, `${command[0]}.out`) });
    processes.push(started);
    return started;
  };
  const stop = async (): Promise<void> => {
    await Promise.all(processes.map((each) => each.end()));
    rmSync(home, { recursive: true, force: true });
  };
  try {
    for (const name of ["mon", "osd", "rgw"]) mkdirSync(join(home, name));
    const map = join(home, "monmap");
    runProgram(["monmaptool", "--create", "--fsid", fsid, "--addv", "a", `[v2:127.0.0.1:${monPort}]`, map]);
    runProgram(["ceph-mon", "-c", conf, "-i", "a", "--mkfs", "--monmap", map]);
    start("ceph-mon", "-c", conf, "-i", "a", "-f");
    const osd = randomUUID();
    ceph("osd", "new", osd);
    runProgram(["ceph-osd", "-c", conf, "-i", "0", "--mkfs", "--osd-uuid", osd]);
    start("ceph-osd", "-c", conf, "-i", "0", "-f");
    await until("ceph-osd", async () => /\b1 up\b/.test(ceph("osd", "stat")), processes);
    const credentials = { accessKeyId: "holdfast-tests", secretAccessKey: "a-secret-of-holdfast-tests" };
    for (const [name, keys] of [["tests", credentials], ["other", OTHER_USER]] as const) {
      admin(
        ...["user", "create", `--uid=${name}`, `--display-name=${name}`, "--max-buckets=0"],
        `--access-key=${keys.accessKeyId}`,
        `--secret-key=${keys.secretAccessKey}`,
      );
    }
    const version = /version (\S+)/.exec(runProgram(["radosgw", "--version"]))?.[1] ?? "";
    const endpoint = `http://127.0.0.1:${port}`;
    let gateway: OwnProcess;
    const restart = async (): Promise<void> => {
      gateway = start("radosgw", "-c", conf, "-n", "client.rgw", "-f");
      await until("radosgw", () => answers(endpoint), [gateway]);
    };
    await restart();
    return {
      endpoint,
      region: "us-east-1",
      credentials,
      version: `Ceph RADOS Gateway ${version}`,
      kill: () => gateway.end(),
      restart,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
