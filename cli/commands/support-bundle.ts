import { existsSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { buffer } from "node:stream/consumers";
import { createGzip } from "node:zlib";
import { pack } from "tar-stream";
import { readDaemonConfig } from "../../host/processes/config.ts";
import { callersEnvironment } from "../../shared/environment.ts";
import { ExitCode, LabError, messageOf } from "../../shared/errors.ts";
import { sizeText } from "../../shared/limits.ts";
import { labHome, cohortPaths } from "../../shared/paths.ts";
import { largestPersonFile } from "../../shared/person-file.ts";
import { writePrivateFile } from "../../shared/private-files.ts";
import { parseCohortName } from "../../stacks/load-spec.ts";
import { readYaml } from "../../shared/yaml.ts";
import { cohortFileText, hasCohortFile } from "../cohort-file.ts";
import { notUp } from "../not-up.ts";
import { readOutputs } from "../outputs.ts";
import { linesOfALog, partsOf } from "../support/gather.ts";
import { redactor, writingsOf } from "../support/redact.ts";
import { secretsIn, secretsInEnvironment, secretsOnDisk } from "../support/secrets.ts";
import { note, print, printJson } from "../terminal.ts";

/**
 * Writes what helps to find a fault in a cohort as one file without secrets, whole or not at all; changes nothing else. Works
 * for a cohort that is broken, too: what can't be had says why. Returns the exit code.
 */
export async function supportBundle(
  name: string,
  { out, json }: { readonly out?: string | undefined; readonly json: boolean },
): Promise<number> {
  const cohort = parseCohortName(name);
  // One that never came up is asked about most of all.
  if ((await readDaemonConfig(cohortPaths(cohort))) === undefined && !hasCohortFile(cohort)) throw await notUp(cohort);
  const time = new Date().toISOString().replace(/[-:]|\.\d+/g, "");
  const file = bundleFile(out ?? join("support", `${cohort}-${time}.tar.gz`));
  note("Gathering; secrets, and the names and addresses of learners, are left out.");
  const files = await bundleOf(cohort);
  const content = await packed(`${cohort}-${time}`, files);
  await writePrivateFile(file, content).catch((error: unknown) => {
    throw new LabError(
      "support-bundle-unwritable",
      `The bundle ${file} can't be written: ${messageOf(error)}. Name a place of yours with \`--out\`.`,
      {
        exitCode: ExitCode.badInput,
        cause: error,
      },
    );
  });
  const path = relative("", file);
  if (json) printJson({ schemaVersion: 1, bundle: path, bytes: content.length, files: [...files.keys()] });
  else print(`bundle  ${path} (${sizeText(content.length)}, ${files.size} files)`);
  note(`Look through it before you send it: \`tar -xzf ${path}\`.`);
  return ExitCode.ok;
}

function bundleFile(path: string): string {
  const file = resolve(path);
  if (existsSync(file))
    throw new LabError(
      "support-bundle-exists",
      `${path} exists, and a bundle is never written over anything. Name another file with \`--out\`.`,
      {
        exitCode: ExitCode.badInput,
      },
    );
  if (`${file}/`.startsWith(`${labHome()}/`))
    throw new LabError(
      "support-bundle-in-lab",
      `${path} is in the lab's folder ${labHome()}, which is removed with its last cohort. Name a file elsewhere with \`--out\`.`,
      {
        exitCode: ExitCode.badInput,
      },
    );
  return file;
}

/** The files of a bundle, redacted. Throws LabError `support-bundle-secret`, which names the file, where a secret that the lab knows is still in one. */
export async function bundleOf(cohort: string): Promise<Map<string, string>> {
  const { secrets, people } = await known(cohort);
  const redact = redactor(secrets, people);
  const gathered = await Promise.all(
    [...(await partsOf(cohort))].map(
      async ([name, part]) => [name, redact(await part().catch((error: unknown) => `It could not be had: ${messageOf(error)}\n`))] as const,
    ),
  );
  const files = new Map([...gathered, ["README.txt", readme(cohort)]]);
  const written = [...secrets].flatMap(writingsOf);
  for (const [name, text] of files) {
    if (!written.some((secret) => text.includes(secret))) continue;
    throw new LabError(
      "support-bundle-secret",
      `A secret was still in ${name} of the bundle, so no bundle was written. This is a defect; report the name of the file with it.`,
    );
  }
  return files;
}

/** What must not be in a bundle: the lab's secrets, and who its learners are. */
async function known(cohort: string): Promise<{ readonly secrets: Set<string>; readonly people: Set<string> }> {
  const secrets = await secretsOnDisk();
  for (const secret of secretsInEnvironment(callersEnvironment())) secrets.add(secret);
  const people = new Set<string>();
  const text = await cohortFileText(cohort).catch(() => undefined);
  const yaml = text === undefined ? undefined : readYaml(text, largestPersonFile);
  if (yaml !== undefined && "content" in yaml) collectPeople(yaml.content, people);
  // Passwords of what runs elsewhere are in the outputs alone; a stack that can't be read has none to give.
  const outputs = await readOutputs(cohort).catch((error: unknown) => {
    if (error instanceof LabError) return undefined;
    throw error;
  });
  if (outputs !== undefined) {
    for (const secret of secretsIn("outputs.json", JSON.stringify(outputs))) secrets.add(secret);
    collectPeople(outputs, people);
  }
  return { secrets, people };
}

function collectPeople(value: unknown, people: Set<string>): void {
  if (Array.isArray(value)) for (const one of value) collectPeople(one, people);
  if (typeof value !== "object" || value === null) return;
  const { name, email } = value as { name?: unknown; email?: unknown };
  if (typeof email === "string") for (const one of [email, name]) if (typeof one === "string") people.add(one);
  for (const one of Object.values(value)) collectPeople(one, people);
}

const readme = (cohort: string) => `What was gathered of cohort ${cohort} for whoever looks for a fault in it.

versions.json    of this program, its daemon, Node and the machine
doctor, status   what \`./lab doctor\` and \`./lab status\` say
processes.json   the lab's processes
metrics.txt      the daemon's metrics
cohort.json      the cohort file, without encrypted values
inventory.json   what the cohort has made on this machine
state.json       kinds and names in Pulumi's state; no inputs, no outputs
last-run.json, limit-hits.json
logs/            the last ${linesOfALog} lines of each log

[redacted] stands for a secret, [person] for a name or an address of a learner.
`;

async function packed(folder: string, files: ReadonlyMap<string, string>): Promise<Buffer> {
  const tar = pack();
  const whole = buffer(tar.pipe(createGzip()));
  for (const [name, text] of files) tar.entry({ name: `${folder}/${name}`, mode: 0o600 }, text);
  tar.finalize();
  return whole;
}
