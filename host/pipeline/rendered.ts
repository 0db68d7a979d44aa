import pLimit from "p-limit";
import { z } from "zod";
import { printable } from "../../shared/printable.ts";
import type { RenderOutcome } from "./jobs.ts";
import { fluxFolder, type FluxTree } from "./flux-tree.ts";
import { log } from "../log.ts";

const Spec = z.record(z.string(), z.unknown());

const RenderedObject = z.object({
  apiVersion: z.string(),
  kind: z.string(),
  /** Empty for what is in no namespace. */
  namespace: z.string().default(""),
  name: z.string(),
  /** The file of the repository that it comes from; empty where kustomize does not say. */
  file: z.string().default(""),
  /** Each place that names an image, in whatever kind of object. */
  images: z.array(z.object({ at: z.string(), image: z.string() })).default([]),
  /** Of Flux' own kinds. */
  spec: Spec.optional(),
});
export type RenderedObject = z.output<typeof RenderedObject>;

const RenderedKustomization = z.object({
  namespace: z.string(),
  name: z.string(),
  file: z.string().default(""),
  spec: Spec.nullish().transform((spec) => spec ?? {}),
  /** Why nobody can tell from the repository what it applies; a clause. */
  unjudged: z.string().optional(),
  objects: z.array(RenderedObject),
});
export type RenderedKustomization = z.output<typeof RenderedKustomization>;

/** What tools/go/cluster/lab-render says. */
const Answer = z.object({
  problem: z.object({ kustomization: z.string().default(""), path: z.string().default(""), says: z.string() }).optional(),
  kustomizations: z.array(RenderedKustomization).nullish(),
});

/** Everything that Flux applies of a commit, the root Kustomization first; or why that can't be told, as a sentence. */
export type Rendered = { readonly kustomizations: readonly RenderedKustomization[] } | { readonly problem: string };

/** Renders a tree apart from the lab. */
type Render = (tree: Uint8Array) => Promise<RenderOutcome>;

/** A learner's push takes the processor for a moment; it does not get all of it. */
const turns = pLimit(2);
/** By repository and what Flux finds in it. */
const known = new Map<string, Promise<Rendered>>();
const maxKnown = 100;

/** Renders a commit as Flux would, or remembers that it did. */
export async function rendered(repository: string, tree: FluxTree, commit: string, apart: Render): Promise<Rendered> {
  const id = await tree.id(commit);
  if (id === undefined) return { problem: `There is no folder ${fluxFolder}/, from which Flux takes everything.` };
  const key = `${repository}\n${id}`;
  let rendering = known.get(key);
  if (rendering === undefined) {
    rendering = turns(() => render(tree, commit, apart));
    known.set(key, rendering);
    for (const oldest of [...known.keys()].slice(0, Math.max(0, known.size - maxKnown))) known.delete(oldest);
    // What the lab could not do now, it may be able to do later.
    const forget = () => void known.delete(key);
    rendering.then((outcome) => ("problem" in outcome ? forget() : undefined), forget);
  }
  return rendering;
}

async function render(tree: FluxTree, commit: string, apart: Render): Promise<Rendered> {
  const files = await tree.files(commit);
  if ("problem" in files) return { problem: `${files.problem}.` };
  const outcome = await apart(files.content);
  if (outcome.end === "too-long") return { problem: `It takes too long to render ${fluxFolder}/.` };
  if (outcome.end !== "ended" || outcome.exitCode !== 0) {
    log("error", `lab-render: ${outcome.end} ${outcome.exitCode ?? ""}`, { said: outcome.stderr.slice(0, 2000) });
    const words = /^lab-render: (.*)$/m.exec(outcome.stderr)?.[1];
    return { problem: words === undefined ? `${fluxFolder}/ takes more to render than there is.` : `${printable(words)}.` };
  }
  const { problem, kustomizations } = answerIn(outcome.stdout);
  if (problem === undefined) return { kustomizations: kustomizations ?? [] };
  const whose = problem.kustomization === "" ? `${fluxFolder}/` : `Kustomization ${problem.kustomization} (path ${problem.path})`;
  return { problem: `${printable(whose)}: ${printable(problem.says)}.` };
}

function answerIn(stdout: Buffer): z.output<typeof Answer> {
  try {
    return Answer.parse(JSON.parse(stdout.toString("utf8")));
  } catch (error) {
    throw new Error("lab-render gave no answer in its form", { cause: error });
  }
}
