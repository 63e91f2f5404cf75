/** What is done to a repository while each of its calls on the store fails. */
import assert from "node:assert/strict";
import { rotateKey } from "../../../lib/backup/repository/core/repository_keys.ts";
import { restoreInto } from "../../../lib/backup/restore.ts";
import type { House } from "./house.ts";
import type { Scenario } from "./sweep.ts";

async function fill(house: House, name: string, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    await house.set(`${name}${i}`, `${name} ${i} `.repeat(40), i % 2 === 0 ? ["even"] : []);
    house.time.now += 1000;
  }
}

const one: Scenario["prepare"] = async (house) => {
  await fill(house, "a", 5);
  await house.backup({ type: "full" });
  await fill(house, "b", 3);
};

/** All of them. */
export const scenarios: Scenario[] = [
  {
    name: "the first backup",
    prepare: (house) => fill(house, "a", 5),
    run: async (house) => void await house.backup(),
  },
  { name: "a second full backup", prepare: one, run: async (house) => void await house.backup({ type: "full" }) },
  {
    name: "a snapshot",
    prepare: async (house) => {
      await one(house);
      await house.engine.compact();
    },
    run: async (house) => void await house.backup({ type: "snapshot" }),
  },
  {
    name: "an incremental backup",
    prepare: one,
    run: async (house) => void await house.backup({ type: "incremental" }),
  },
  {
    name: "a selective backup",
    prepare: one,
    run: async (house) => void await house.backup({ prefix: "a" }),
    // It holds a part only; the newest state comes with a backup of all.
    check: async (house) => void await house.backup(),
  },
  {
    name: "continuous backup",
    prepare: one,
    run: async (house) => {
      const replication = await house.replicate();
      try {
        await replication.flush();
      } finally {
        await replication.stop();
      }
    },
  },
  {
    name: "a restore",
    prepare: async (house) => {
      await one(house);
      await house.backup();
    },
    run: async (house) => {
      const { contents } = await house.restore();
      assert.deepEqual(contents, house.states.get(house.engine.visibleVersion));
    },
  },
];

/** Two keys, one byte all over. */
const [OLD, NEW] = [1, 2].map((byte) => ({ key: new Uint8Array(32).fill(byte) })) as [{ key: Uint8Array }, {
  key: Uint8Array;
}];

scenarios.push({
  name: "the rotation of a key",
  settings: { encryption: OLD },
  after: [{ encryption: NEW }],
  prepare: one,
  run: async (house) => void await rotateKey(house.context, NEW),
  check: async (house) => void await house.backup(),
}, {
  name: "a restore into the open database",
  prepare: async (house) => {
    await one(house);
    await house.backup();
  },
  run: async (house) => {
    await restoreInto(house.engine, house.handle, { at: { version: 5 } });
    house.note();
    const found = Object.keys(house.states.get(house.engine.visibleVersion)!);
    assert.deepEqual(found, Object.keys(house.states.get(5)!));
  },
  check: async (house) => void await house.backup(),
});
