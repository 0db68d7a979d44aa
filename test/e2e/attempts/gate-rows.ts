import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { waitUntil } from "../../../shared/wait.ts";
import { wasAccepted, type Attempt, type Files } from "./attempt.ts";
import { cluster } from "./ground.ts";
import { gitAs } from "./handout.ts";
import { measured } from "./memory.ts";
import { rewrittenPolicy } from "./images-by-policy.ts";
import { ownImage, overlay, takeBack, type Image } from "./own-image.ts";
import { push } from "./push.ts";
import type { Scene } from "./scene.ts";

const record = (environment: string) => `promotion/${environment}.yaml`;

/** The text of an overlay with another image. */
const withImage = (text: string, { tag, digest }: Image) =>
  text.replace(/newTag: \S+/, `newTag: ${tag}`).replace(/digest: \S+/, `digest: ${digest}`);

interface Change {
  readonly scene: Scene;
  readonly folder: string;
  readonly read: (path: string) => Promise<string>;
  readonly commit: (files: Files) => Promise<void>;
}

/** A row in which a push to main is to bring something to production that was not promoted. What was accepted is taken back. */
function gated(id: string, finding: number | undefined, what: string, change: (change: Change) => Promise<void>): Attempt {
  return {
    id,
    ...(finding !== undefined && { finding }),
    kind: "gate",
    as: "learner",
    nodes: "both",
    alone: true,
    what,
    async attempt(scene) {
      const { ground } = scene;
      const folder = await ground.clone("ada", scene.id);
      const tip = (await ground.git("ada", folder, "rev-parse", "HEAD")).stdout;
      await change({
        scene,
        folder,
        read: (path) => readFile(join(folder, path), "utf8"),
        commit: (files) => ground.commit("ada", folder, files),
      });
      const words = await push(scene, folder, ["HEAD:main"]);
      if (scene.accepted !== undefined) await takeBack(scene, tip);
      return words;
    },
    proof: wasAccepted,
  };
}

export const gateRows: readonly Attempt[] = [
  gated("image-by-hand", undefined, "An image is written into production's overlay by hand.", async ({ scene, read, commit }) => {
    const path = overlay("production");
    await commit({ [path]: withImage(await read(path), await ownImage(scene)) });
  }),
  gated(
    "image-and-its-revert",
    12,
    "An image by hand and its revert in one push, and then the revert of the revert.",
    async ({ scene, folder, read, commit }) => {
      const path = overlay("production");
      await commit({ [path]: withImage(await read(path), await ownImage(scene)) });
      await scene.ground.git("ada", folder, "revert", "--no-edit", "HEAD");
      scene.heard(await scene.ground.git("ada", folder, "push", "origin", "HEAD:main"));
      await scene.ground.git("ada", folder, "revert", "--no-edit", "HEAD");
    },
  ),
  gated(
    "second-image-entry",
    13,
    "A second entry of images changes the image after the first was judged.",
    async ({ scene, read, commit }) => {
      const path = overlay("production");
      const { digest } = await ownImage(scene);
      await commit({ [path]: `${(await read(path)).trimEnd()}\n  - name: ${scene.ground.ada.images}\n    digest: ${digest}\n` });
    },
  ),
  gated("patch-of-image", 13, "A patch in production's overlay names the image.", async ({ scene, read, commit }) => {
    const path = overlay("production");
    const { digest } = await ownImage(scene);
    const patch = JSON.stringify([
      { op: "add", path: "/spec/template/spec/initContainers", value: [{ name: "x", image: `${scene.ground.ada.images}@${digest}` }] },
    ]);
    await commit({ [path]: `${(await read(path)).trimEnd()}\npatches:\n  - target: {kind: Deployment}\n    patch: '${patch}'\n` });
  }),
  gated("image-in-base", 15, "The base names an image itself.", async ({ scene, read, commit }) => {
    const path = "flux/apps/backend/base/deployment.yaml";
    const { digest } = await ownImage(scene);
    await commit({ [path]: (await read(path)).replace("image: backend", `image: ${scene.ground.ada.images}@${digest}`) });
  }),
  gated("other-folder", 15, "Production's Kustomization points to another folder.", async ({ scene, read, commit }) => {
    const path = "flux/bootstrap/apps/production.yaml";
    const text = await read(overlay("production"));
    await commit({
      [path]: (await read(path)).replace("./flux/apps/backend/production", "./flux/elsewhere"),
      "flux/elsewhere/kustomization.yaml": withImage(text, await ownImage(scene)).replaceAll("../base", "../apps/backend/base"),
    });
  }),
  gated("other-branch", 15, "The repository that Flux follows gets another branch, by Git.", async ({ scene, read, commit }) => {
    const index = "flux/bootstrap/infrastructure/kustomization.yaml";
    await commit({
      [index]: `${(await read(index)).trimEnd()}\n  - source.yaml\n`,
      "flux/bootstrap/infrastructure/source.yaml": JSON.stringify(
        scene.ground.gitRepository("flux-system", { ref: { branch: "attempts" } }),
      ),
    });
  }),
  gated(
    "second-kustomization",
    15,
    "A second Kustomization brings another Deployment of the same name to production.",
    async ({ scene, read, commit }) => {
      const index = "flux/bootstrap/apps/kustomization.yaml";
      const own = (await read("flux/bootstrap/apps/production.yaml"))
        .replace("name: apps-production", "name: apps-second")
        .replace("backend/production", "backend/second");
      await commit({
        [index]: `${(await read(index)).trimEnd()}\n  - second.yaml\n`,
        "flux/bootstrap/apps/second.yaml": own,
        "flux/apps/backend/second/kustomization.yaml": withImage(await read(overlay("production")), await ownImage(scene)),
      });
    },
  ),
  gated("staging-by-hand", 14, "Production is asked for what staging runs only because it was set by hand.", async ({ scene, commit }) => {
    const { tag, digest } = await ownImage(scene, "staging");
    const staging = {
      apiVersion: "kustomize.toolkit.fluxcd.io/v1",
      kind: "Kustomization",
      metadata: { name: "apps-staging", namespace: cluster },
    };
    const deployment = "/apis/apps/v1/namespaces/staging/deployments/backend";
    await scene.kube.patch(scene.path(staging), { spec: { suspend: true } });
    const image = `${scene.ground.ada.images}:${tag}@${digest}`;
    const containers = [{ name: "backend", image }];
    await scene.kube.send("PATCH", deployment, { spec: { template: { spec: { containers } } } }, "application/strategic-merge-patch+json");
    await waitUntil(
      async () => {
        const { status, metadata } = JSON.parse((await scene.kube.send("GET", deployment)).text) as {
          metadata: { generation: number };
          status: { observedGeneration?: number; updatedReplicas?: number; replicas?: number; readyReplicas?: number };
        };
        const { observedGeneration, updatedReplicas, replicas, readyReplicas } = status;
        const isDone = observedGeneration === metadata.generation && updatedReplicas === replicas && readyReplicas === replicas;
        return isDone ? { done: true, value: undefined } : { done: false, because: JSON.stringify(status) };
      },
      { what: "staging to run what was set by hand", timeoutSeconds: 90, intervalMs: 300, remedy: "" },
    );
    await commit({ [record("production")]: `tag: ${tag}\ndigest: ${digest}\n` });
  }),
  gated("skipped-environment", undefined, "Production is asked for an image of develop.", async ({ scene, commit }) => {
    const { tag, digest } = await ownImage(scene);
    await commit({ [record("production")]: `tag: ${tag}\ndigest: ${digest}\n` });
  }),
  gated("record-with-aliases", undefined, "A promotion's record names itself a billion times.", async ({ commit }) => {
    const levels = "abcdefghij".split("").map(
      (name, index, all) =>
        `${name}: &${name} [${Array(10)
          .fill(index === 0 ? "x" : `*${all[index - 1]}`)
          .join()}]`,
    );
    await commit({ [record("production")]: `${levels.join("\n")}\ntag: x\ndigest: *j\n` });
  }),
  measured(
    gated("record-too-large", 19, "A promotion's record is 100 MiB of zeros.", ({ commit }) =>
      commit({ [record("production")]: "\0".repeat(100 * 2 ** 20) }),
    ),
    300 * 2 ** 20,
  ),
  gated("record-of-prototypes", undefined, "A promotion's record sets what every object inherits.", ({ commit }) =>
    commit({ [record("production")]: "__proto__: {polluted: yes}\nconstructor: {prototype: {x: 1}}\ntag: --insecure\ndigest: sha256:x\n" }),
  ),
  gated("record-deleted", undefined, "A promotion's record is deleted.", async ({ folder, scene }) => {
    await scene.ground.git("ada", folder, "rm", "--quiet", record("production"));
    await scene.ground.git("ada", folder, "commit", "--quiet", "--message", "Away");
  }),
  {
    id: "credential-of-flux",
    finding: 16,
    kind: "gate",
    as: "learner",
    nodes: "both",
    alone: true,
    what: "Another image is proposed and pushed with the credential that Flux has, read from its Secret.",
    async attempt(scene) {
      const { ground } = scene;
      const { text } = await scene.kube.send("GET", `/api/v1/namespaces/${cluster}/secrets/flux-system`);
      const { data = {} } = JSON.parse(text) as { data?: Record<string, string> };
      const plain = (name: string) => Buffer.from(data[name] ?? "", "base64").toString();
      const asFlux = { ...ground.ada, git: { username: plain("username"), password: plain("password") } };
      const folder = await ground.clone("ada", scene.id);
      const image = await ownImage(scene);
      const before = await readFile(join(folder, overlay("production")), "utf8");
      await ground.commit("ada", folder, { [overlay("production")]: `${withImage(before, image)}# not of the automation\n` });
      const words: string[] = [];
      // The pipeline takes a proposal, or not, before the push ends.
      for (const target of ["image-updates/production", "main"])
        words.push(scene.heard(await gitAs(asFlux, folder, ["push", "--force", "origin", `HEAD:refs/heads/${target}`])));
      const after = await readFile(join(await ground.clone("ada", `${scene.id}-look`), overlay("production")), "utf8");
      if (after.includes(image.digest) || after.includes("not of the automation")) scene.accepted = after;
      return words.join("\n");
    },
    proof: wasAccepted,
  },
  rewrittenPolicy,
];
