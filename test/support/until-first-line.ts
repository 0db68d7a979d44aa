import { writeSync } from "node:fs";
import { registerHooks } from "node:module";

/*
 * Loaded into `./lab` before it (`--import`): tells on standard output what was loaded until the first line is written, and
 * ends there, so that nothing is made.
 */
const urls: string[] = [];
registerHooks({
  load(url, context, next) {
    urls.push(url);
    return next(url, context);
  },
});

const tell = (text: string | Uint8Array): never => {
  const { user, system } = process.cpuUsage();
  const modules = urls.filter((url) => !url.startsWith("node:"));
  const figures = {
    line: String(text).trim().split("\n")[0],
    modules: modules.length,
    ofPulumi: modules.filter((url) => url.includes("/node_modules/@pulumi/")).length,
    processorMs: Math.round((user + system) / 1000),
  };
  writeSync(1, `${JSON.stringify(figures)}\n`);
  process.exit(0);
};
process.stdout.write = tell;
process.stderr.write = tell;
