/**
 * Run by the tests as a process of its own: `lifetime_program.ts DIR WHAT` does WHAT with the database in DIR and runs off
 * its end without closing it.
 */
import process from "node:process";
import { schedule } from "../../lib/adapters/schedule.ts";
import { DB, type OpenOptions } from "../../mod.ts";

const [, , directory = "", what = ""] = process.argv;
const say = (line: string): void => void process.stdout.write(`${line}\n`);
const open = (options: OpenOptions = {}): Promise<DB> => DB.open(directory, options);

switch (what) {
  case "pending": {
    // Not awaited: the process must stay until it is written.
    const db = await open();
    for (let i = 0; i < 10; i++) db.set(`k${i}`, i).then(({ version }) => say(`wrote ${version}`));
    break;
  }
  case "interval":
  case "buffered": {
    const db = await open({ durability: what, flushInterval: 200 });
    await db.set("k", what);
    say("set");
    break;
  }
  case "idle": {
    // A long interval: only a timer that is left running would show.
    const db = await open({ flushInterval: 600_000, durability: "interval" });
    await db.set("k", 1, { durability: "commit" });
    await db.compact();
    db.watch();
    db.snapshot();
    await db.list().next();
    say("idle");
    break;
  }
  case "schedule": {
    const repository = { backup: () => Promise.resolve(), prune() {} } as never;
    const jobs = schedule(repository, await open(), {
      full: "* * * * * *",
      keepAlive: true,
      onEvent({ type }) {
        say(type);
        if (type === "success") void jobs.stop();
      },
    });
    break;
  }
  case "hold": {
    const db = await open();
    await db.set("k", 1);
    say(`held by ${process.pid}`);
    for await (const _ of process.stdin) {
      await db.set("k", (await db.get<number>("k"))! + 1);
      await db.compact();
      say("wrote");
    }
    await db.close();
    break;
  }
}
