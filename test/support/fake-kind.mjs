/*
 * Plays `kind` and `docker` for tests on machines without a Docker engine: keeps clusters in a folder, notes every call,
 * answers as kind 0.33 and Docker 28 do, and fails when told to. Called by its name: the first argument.
 *
 * FAKE_KIND: folder with kubeconfig.yaml (what a new cluster's is), state.json, calls.jsonl and, to fail once, fail.json:
 * { command: "kind create", stderr: "...", code: 1, leaves: "nothing" | "container" | "hangs" }
 */
import { appendFileSync, copyFileSync, existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { randomBytes } from "node:crypto";

const [program, ...args] = process.argv.slice(2);
const folder = process.env.FAKE_KIND;
const stateFile = join(folder, "state.json");
const state = existsSync(stateFile) ? JSON.parse(readFileSync(stateFile, "utf8")) : {};
const save = () => writeFileSync(stateFile, JSON.stringify(state));
const option = (name) => args[args.indexOf(name) + 1];
const command = `${program} ${args[0]}`;
if (args[0] !== "version")
  appendFileSync(
    join(folder, "calls.jsonl"),
    `${JSON.stringify({ program, args, kubeconfig: process.env.KUBECONFIG, provider: process.env.KIND_EXPERIMENTAL_PROVIDER })}\n`,
  );

const failFile = join(folder, "fail.json");
const fail = existsSync(failFile) ? JSON.parse(readFileSync(failFile, "utf8")) : undefined;
const container = () => ({ id: randomBytes(32).toString("hex"), state: "running" });
if (fail?.command === command) {
  rmSync(failFile);
  if (fail.leaves !== "nothing") state[option("--name")] = [container()];
  save();
  // Killed by whoever waits, as an interrupted run is.
  if (fail.leaves === "hangs") setTimeout(() => {}, 600_000);
  else {
    process.stderr.write(`${fail.stderr}\n`);
    process.exit(fail.code ?? 1);
  }
} else if (command === "kind version") console.log("kind v0.33.0 go1.26.8 linux/amd64");
else if (command === "kind create") {
  const name = option("--name");
  process.stderr.write(`Creating cluster "${name}" ...\n`);
  if (state[name]) {
    process.stderr.write(`ERROR: failed to create cluster: node(s) already exist for a cluster with the name "${name}"\n`);
    process.exit(1);
  }
  state[name] = [container()];
  copyFileSync(join(folder, "kubeconfig.yaml"), option("--kubeconfig"));
  save();
} else if (command === "kind delete") {
  const name = option("--name");
  process.stderr.write(`Deleting cluster "${name}" ...\n`);
  delete state[name];
  save();
} else if (command === "kind load") {
  if (!existsSync(args[2])) {
    process.stderr.write(`ERROR: stat ${args[2]}: no such file or directory\n`);
    process.exit(1);
  }
} else if (command === "docker ps") {
  const filter = option("--filter");
  const name = filter.split("=").at(-1);
  if (filter.startsWith("id=")) for (const { id } of Object.values(state).flat()) if (id === name) console.log(id);
  for (const { id, state: is } of state[name] ?? []) console.log(`${id}\t${is}`);
} else if (command === "docker exec") {
  // A node looks whether it comes to the lab's registry, which asks who is there.
  process.stdout.write("401");
} else if (command === "docker start") {
  for (const one of Object.values(state).flat()) if (args.includes(one.id)) one.state = "running";
  save();
} else {
  process.stderr.write(`unexpected: ${command}\n`);
  process.exit(64);
}
