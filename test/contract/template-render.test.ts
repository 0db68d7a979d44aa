import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseAllDocuments } from "yaml";
import { z } from "zod";
import { gitopsPromotion as template } from "../../lab-templates/gitops-promotion/template.ts";
import { run } from "../../shared/exec.ts";
import { environments } from "../../shared/names.ts";
import { toolPath } from "../../tools/locate.ts";

let folder: string;
const params = template.params.parse({});
const releases = template.releases(params);
const digest = `sha256:${"0123456789abcdef".repeat(4)}`;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "gitops-lab-seed-"));
  const seed = template.seed({
    params,
    learner: { id: "ada", name: "Ada Example", email: "ada@example.org" },
    imageRepository: "127.0.0.1:5000/ada/backend",
    insecureRegistry: true,
    gitUrl: "http://127.0.0.1:4000/git/ada/gitops.git",
    branch: "main",
    digests: Object.fromEntries(releases.map(({ version }) => [version, digest])),
  });
  for (const [path, text] of Object.entries(seed)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), text);
  }
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** What Flux applies for a path: the `spec` by `<kind> <namespace>/<name>`. */
async function render(path: string): Promise<Record<string, unknown>> {
  const { stdout } = await run(await toolPath("kubectl"), ["kustomize", join(folder, path)]);
  const objects = parseAllDocuments(stdout as string).map((document) => document.toJS());
  return Object.fromEntries(objects.map(({ kind, metadata, spec }) => [`${kind} ${metadata.namespace ?? ""}/${metadata.name}`, spec]));
}

/** What a Kustomization applies in its turn. */
const renderKustomization = (spec: unknown) => render(z.object({ path: z.string() }).parse(spec).path);

describe("kustomize", () => {
  test("finds from the root everything that is not an environment's workload", async () => {
    const root = await render("flux/bootstrap/flux-system");
    expect(Object.keys(root).toSorted()).toEqual(
      [
        ...environments.map((environment) => `Namespace /${environment}`),
        "ImageRepository flux-system/backend",
        "Kustomization flux-system/image-automation",
        ...environments.map((environment) => `Kustomization flux-system/apps-${environment}`),
      ].toSorted(),
    );
    const automation = await renderKustomization(root["Kustomization flux-system/image-automation"]);
    expect(Object.keys(automation).toSorted()).toEqual(
      environments
        .flatMap((environment) => [`ImagePolicy ${environment}/backend`, `ImageUpdateAutomation ${environment}/backend`])
        .toSorted(),
    );
  });

  test.each(environments)("gives %s the image by tag and digest, in a pod that the restricted profile admits", async (environment) => {
    const root = await render("flux/bootstrap/flux-system");
    const objects = await renderKustomization(root[`Kustomization flux-system/apps-${environment}`]);
    expect(objects).toEqual({
      [`Deployment ${environment}/backend`]: expect.objectContaining({
        selector: { matchLabels: { app: "backend" } },
        template: {
          metadata: { labels: { app: "backend" } },
          spec: expect.objectContaining({
            securityContext: { runAsNonRoot: true, seccompProfile: { type: "RuntimeDefault" } },
            containers: [
              expect.objectContaining({
                image: `127.0.0.1:5000/ada/backend:${template.tag(environment, releases[0]!)}@${digest}`,
                securityContext: { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ["ALL"] } },
                startupProbe: expect.objectContaining({ httpGet: { path: "/healthz", port: "http" } }),
                livenessProbe: expect.objectContaining({ httpGet: { path: "/livez", port: "http" } }),
                readinessProbe: expect.objectContaining({ httpGet: { path: "/readyz", port: "http" } }),
              }),
            ],
          }),
        },
      }),
      [`Service ${environment}/backend`]: expect.objectContaining({ selector: { app: "backend" } }),
    });
  });
});
