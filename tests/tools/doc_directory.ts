// Loaded before each example that is taken out of the documentation: every example gets an empty directory of its own,
// so that `DB.open("./data")` means the same in all of them and nothing is left in the project.

import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";

process.chdir(mkdtempSync(join(tmpdir(), "example-")));
