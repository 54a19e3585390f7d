// Makes what `npm pack` packs, from a fresh checkout too: the tools, the compiled package, and the licence.
import { execSync } from "node:child_process";
import { copyFileSync, existsSync } from "node:fs";

const LICENSE = "../../LICENSE";

function run(command) {
  // npm prints what it packed on standard output, for programs to read.
  execSync(command, { stdio: ["ignore", process.stderr, "inherit"] });
}

if (!existsSync("node_modules/typescript")) run("npm ci --ignore-scripts --no-audit --no-fund");
// Outside of the project there are no schemas to compare the types with.
if (existsSync("../v1")) run("npm run check");
run("npm run build");
if (existsSync(LICENSE)) copyFileSync(LICENSE, "LICENSE");
