import { rm } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { LabError } from "../../shared/errors.ts";
import { childEnvironment } from "../../shared/environment.ts";
import { run } from "../../shared/exec.ts";
import type { Properties } from "../../shared/json.ts";
import { makeScratchFolder } from "../../shared/scratch.ts";
import { vclusterVersion } from "../../shared/pins.ts";
import { assetPath, toolPath } from "../../tools/locate.ts";
import { saidLast, stepFailure, type Doing } from "../step-failure.ts";

/** A release of Helm's, and how to reach the cluster that it is in. */
export interface ReleasePlace {
  /** Path. */
  readonly kubeconfig: string;
  /** Without it the kubeconfig's own. */
  readonly context?: string | undefined;
  readonly namespace: string;
  readonly release: string;
}

/** Where vcluster publishes its chart. */
const repository = "https://charts.loft.sh";

/**
 * Installs vcluster's chart, or brings a release of it to these values. Returns when the API server has everything, not when
 * it runs. What a killed Helm left unfinished is taken back before. Throws LabError.
 */
export async function applyVcluster(place: ReleasePlace, version: string, values: Properties, doing: Doing): Promise<void> {
  await inScratch(async (scratch) => {
    await takeBackUnfinished(place, doing, scratch);
    const chart =
      version === vclusterVersion ? [await packagedChart(scratch, doing)] : ["vcluster", "--repo", repository, "--version", version];
    // Values on standard input: they are too long for the command line, and are nobody else's to read.
    await helm(
      ["upgrade", "--install", place.release, ...chart, ...at(place), "--values", "-", "--history-max", "2", "--timeout", "2m"],
      doing,
      { scratch, input: JSON.stringify(values) },
    );
  });
}

/** Removes a release and what the chart made, and waits for their deletion. A release that is not there is no failure. */
export async function removeRelease(place: ReleasePlace, doing: Doing): Promise<void> {
  await inScratch((scratch) =>
    helm(["uninstall", place.release, ...at(place), "--ignore-not-found", "--wait", "--cascade", "foreground", "--timeout", "3m"], doing, {
      scratch,
    }),
  );
}

/** The chart's objects as YAML, rendered without a cluster. */
export async function renderVcluster(release: string, namespace: string, values: Properties, doing: Doing): Promise<string> {
  return inScratch(async (scratch) =>
    helm(["template", release, await packagedChart(scratch, doing), "--namespace", namespace, "--values", "-"], doing, {
      scratch,
      input: JSON.stringify(values),
    }),
  );
}

const Status = z.object({ version: z.number(), info: z.object({ status: z.string() }) });

/** Helm refuses to touch a release on which another Helm seems to work. No other does: Pulumi's lock on the stack sees to that. */
async function takeBackUnfinished(place: ReleasePlace, doing: Doing, scratch: string): Promise<void> {
  const told = await helm(["status", place.release, ...at(place), "--output", "json"], doing, { scratch, orElse: /release: not found/ });
  if (told === "") return;
  const { version, info } = Status.parse(JSON.parse(told));
  if (!info.status.startsWith("pending-")) return;
  await helm([version === 1 ? "uninstall" : "rollback", place.release, ...at(place)], doing, { scratch });
}

/** The pinned chart comes from its Go module, which go.sum vouches for; its release differs by the version written into it. */
async function packagedChart(scratch: string, doing: Doing): Promise<string> {
  await helm(["package", await assetPath("vcluster-chart"), "--version", vclusterVersion, "--destination", scratch], doing, { scratch });
  return join(scratch, `vcluster-${vclusterVersion}.tgz`);
}

const at = ({ kubeconfig, context, namespace }: ReleasePlace) => [
  "--kubeconfig",
  kubeconfig,
  ...(context === undefined ? [] : ["--kube-context", context]),
  "--namespace",
  namespace,
];

/** Helm's caches and settings are in a folder of ours for as long as it runs, so that none of the user's matters. */
async function inScratch<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = await makeScratchFolder("helm");
  try {
    return await use(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

interface HelmOptions {
  readonly scratch: string;
  readonly input?: string;
  /** A failure that says this is none, and gives no output. */
  readonly orElse?: RegExp;
}

async function helm(args: readonly string[], doing: Doing, { scratch, input, orElse }: HelmOptions): Promise<string> {
  const result = await run(await toolPath("helm"), args, {
    // A kubeconfig may log in by a cloud's command line.
    env: childEnvironment("login", {
      HELM_CACHE_HOME: join(scratch, "cache"),
      HELM_CONFIG_HOME: join(scratch, "config"),
      HELM_DATA_HOME: join(scratch, "data"),
      NO_COLOR: "1",
    }),
    reject: false,
    timeout: 300_000,
    forceKillAfterDelay: 20_000,
    ...(input === undefined ? { stdin: "ignore" as const } : { input }),
  });
  if (!result.failed) return result.stdout;
  if (orElse?.test(result.stderr)) return "";
  throw failure(doing, result.timedOut ? "it took longer than five minutes" : result.stderr);
}

/** What Helm says, what it means and what helps. */
const known: readonly (readonly [RegExp, string, string])[] = [
  [
    /cluster unreachable|connection refused|i\/o timeout|no such host|no route to host|stat .*kubeconfig|no such file/i,
    "shared-unreachable",
    "Check `cluster.kubeconfig` with `kubectl cluster-info`",
  ],
  [
    /is forbidden|Unauthorized|cannot (create|get|patch|list) resource/i,
    "shared-rights",
    "The kubeconfig's user must be allowed to do everything in the learner's namespace, roles included",
  ],
  [
    /specifications of the schema/,
    "chart-values",
    "The chart of `cluster.vcluster` takes other values than the pinned one; leave that field out",
  ],
  [
    /failed to fetch|could not find|cannot be reached|not found in .* (index|repository)/i,
    "chart-missing",
    `The pinned version of \`cluster.vcluster\` needs no download; leave that field out, or check the way to ${repository}`,
  ],
];

function failure(doing: Doing, output: string): LabError {
  const [, code, remedy] = known.find(([pattern]) => pattern.test(output)) ?? [
    /./,
    "helm-failed",
    "`helm status` and `kubectl get events` in the learner's namespace show more",
  ];
  return stepFailure(doing, { code, what: saidLast(output, /^(WARNING|level=)/), remedy });
}
