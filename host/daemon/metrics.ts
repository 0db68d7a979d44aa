import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import pLimit from "p-limit";
import { z } from "zod";
import { limitNewsMs } from "../../shared/limits.ts";
import { cohortPaths } from "../../shared/paths.ts";
import { FluxObject } from "../../verification/live-objects.ts";
import { notReady } from "../../verification/readiness.ts";
import { leanKubeReader } from "../kubernetes/reader.ts";
import { limitHitsOfCohort } from "../limits/hits.ts";
import { renderMetrics, type Metric, type Sample } from "../metrics/text.ts";
import { usageOf } from "../processes/usage.ts";
import { webPlaces } from "../processes/web-places.ts";
import { askSocket } from "../processes/ask-socket.ts";
import { daemonVersion } from "../processes/config.ts";
import type { ProcessStatus } from "../processes/supervisor.ts";

/** However often it is asked, processes and clusters are looked at no more often. */
const freshMs = 5000;

const FromWeb = z.array(
  z.object({
    name: z.string(),
    type: z.enum(["counter", "gauge", "histogram"]),
    help: z.string(),
    samples: z.array(z.object({ labels: z.record(z.string(), z.string()).optional(), value: z.number(), suffix: z.string().optional() })),
  }),
);

/** Tells what a cohort's daemon knows of the cohort, in Prometheus' text format. Several who ask at once share one look. */
export function cohortMetrics(cohort: string, processes: () => readonly ProcessStatus[]): () => Promise<string> {
  let last: { readonly at: number; readonly text: Promise<string> } | undefined;
  return () => {
    if (last === undefined || performance.now() - last.at > freshMs) {
      const text = look(cohort, processes());
      text.catch(() => (last = undefined));
      last = { at: performance.now(), text };
    }
    return last.text;
  };
}

async function look(cohort: string, processes: readonly ProcessStatus[]): Promise<string> {
  const [usage, web, limits, flux] = await Promise.all([
    usageMetrics(processes),
    webMetrics(cohort),
    limitMetrics(cohort),
    fluxMetrics(cohort, processes),
  ]);
  return renderMetrics([
    gauge("gitops_lab_info", "The version of the daemon's and the web process' common work.", [
      { labels: { cohort, version: String(daemonVersion) }, value: 1 },
    ]),
    gauge("gitops_lab_web_up", "Whether the web process answers.", [{ value: web === undefined ? 0 : 1 }]),
    ...processMetrics(processes),
    ...usage,
    ...limits,
    ...flux,
    ...(web ?? []),
  ]);
}

const gauge = (name: string, help: string, samples: readonly Sample[]): Metric => ({ name, type: "gauge", help, samples });
const counter = (name: string, help: string, samples: readonly Sample[]): Metric => ({ name, type: "counter", help, samples });
const of = ({ name, owner }: ProcessStatus) => ({ process: name.slice(name.lastIndexOf("/") + 1), owner });

function processMetrics(processes: readonly ProcessStatus[]): Metric[] {
  const is = (state: ProcessStatus["state"]) => (one: ProcessStatus) => ({ labels: of(one), value: one.state === state ? 1 : 0 });
  return [
    gauge("gitops_lab_process_up", "Whether the process runs.", processes.map(is("running"))),
    gauge("gitops_lab_process_paused", "Whether the process is down because somebody wanted it.", processes.map(is("paused"))),
    counter(
      "gitops_lab_process_restarts_total",
      "How often the process ended by itself and was started again.",
      processes.map((one) => ({ labels: of(one), value: one.restarts })),
    ),
  ];
}

async function usageMetrics(processes: readonly ProcessStatus[]): Promise<Metric[]> {
  const atOnce = pLimit(8);
  const daemon = { labels: { process: "daemon", owner: "cohort" }, usage: await usageOf(process.pid) };
  const found = await Promise.all(
    processes.map((one) => atOnce(async () => ({ labels: of(one), usage: one.pid === undefined ? undefined : await usageOf(one.pid) }))),
  );
  const samples = (value: (usage: { readonly pssBytes: number; readonly cpuSeconds: number }) => number) =>
    [daemon, ...found].flatMap(({ labels, usage }) => (usage === undefined ? [] : [{ labels, value: value(usage) }]));
  return [
    gauge(
      "gitops_lab_process_memory_bytes",
      "Memory of the process, of what it shares its part (PSS).",
      samples(({ pssBytes }) => pssBytes),
    ),
    counter(
      "gitops_lab_process_cpu_seconds_total",
      "Processor time of the process since its start.",
      samples(({ cpuSeconds }) => cpuSeconds),
    ),
  ];
}

/** Undefined where the web process does not answer. */
async function webMetrics(cohort: string): Promise<Metric[] | undefined> {
  const answer = await askSocket(webPlaces(cohortPaths(cohort)).socket, "GET", "/metrics").catch(() => undefined);
  return FromWeb.safeParse(answer).data?.map(({ samples, ...metric }) => ({
    ...metric,
    samples: samples.map(({ labels, suffix, value }) => ({ value, ...(labels && { labels }), ...(suffix && { suffix }) })),
  }));
}

async function limitMetrics(cohort: string): Promise<Metric[]> {
  const found = await limitHitsOfCohort(cohortPaths(cohort), new Date(Date.now() - limitNewsMs));
  const samples = found.flatMap(({ learner, hits }) =>
    [...Map.groupBy(hits, ({ limit }) => limit)].map(([limit, all]) => ({ labels: { learner, limit }, value: all.length })),
  );
  return [gauge("gitops_lab_limit_hits_last_day", "How often a learner came up against a limit in the last 24 hours.", samples)];
}

/** Of the learners whose clusters are this daemon's. */
async function fluxMetrics(cohort: string, processes: readonly ProcessStatus[]): Promise<Metric[]> {
  const atOnce = pLimit(4);
  const running = processes.filter(({ name, state }) => name.endsWith("/kube-apiserver") && state === "running");
  const looks = await Promise.all(
    running.map(({ owner }) => atOnce(async () => ({ learner: owner, objects: await kustomizations(cohort, owner) }))),
  );
  return [
    gauge(
      "gitops_lab_cluster_answers",
      "Whether the learner's API server answers.",
      looks.map(({ learner, objects }) => ({ labels: { learner }, value: objects === undefined ? 0 : 1 })),
    ),
    gauge(
      "gitops_lab_flux_ready",
      "Whether a Kustomization of the learner's is Ready.",
      looks.flatMap(({ learner, objects = [] }) =>
        objects.map((object) => ({
          labels: { learner, kustomization: object.metadata.name },
          value: notReady(object) === undefined ? 1 : 0,
        })),
      ),
    ),
  ];
}

async function kustomizations(cohort: string, learner: string): Promise<FluxObject[] | undefined> {
  const kubeconfig = join(cohortPaths(cohort).learner(learner).kubeconfigs, "admin.yaml");
  if (!existsSync(kubeconfig)) return undefined;
  try {
    const found = await leanKubeReader(readFileSync(kubeconfig, "utf8"), 3000).list(
      "kustomize.toolkit.fluxcd.io/v1",
      "Kustomization",
      "flux-system",
    );
    return found.flatMap((object) => FluxObject.safeParse(object).data ?? []);
  } catch {
    return undefined;
  }
}
