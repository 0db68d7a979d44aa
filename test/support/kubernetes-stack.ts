import { afterAll, beforeAll, expect } from "vitest";
import type { TestControlPlane } from "./control-plane.ts";
import { createPulumiProject, type Implementation, type PulumiProject, type PulumiRun } from "./pulumi-project.ts";

type Environment = Readonly<Record<string, string>>;

/** A Pulumi stack whose program finds a control plane's kubeconfig in its environment. */
export interface KubernetesStack {
  /** Runs the program; fails the test when Pulumi fails. */
  up(program: string, args?: readonly string[], env?: Environment): Promise<PulumiRun>;
  tryUp(program: string, args?: readonly string[], env?: Environment): Promise<PulumiRun>;
  preview(program: string, args?: readonly string[]): Promise<PulumiRun>;
  refresh(args?: readonly string[]): Promise<PulumiRun>;
  /** Takes the resource whose URN ends so out of the state, and nothing else. */
  forget(urnEnd: string): Promise<void>;
  destroy(env?: Environment): Promise<PulumiRun>;
  tryDestroy(env?: Environment): Promise<PulumiRun>;
  /** Secrets included. */
  outputs(): Promise<Record<string, unknown>>;
  /** JSON, with secrets encrypted. */
  exportedState(): Promise<string>;
}

/** A stack for the tests of a `describe`, gone after them. */
export function useKubernetesStack(plane: () => TestControlPlane, plugin: Implementation = "fallback"): () => KubernetesStack {
  let project: PulumiProject;
  beforeAll(async () => {
    project = await createPulumiProject("test", plugin);
  });
  afterAll(() => project?.remove());

  const run = async (args: readonly string[], env: Environment = {}): Promise<PulumiRun> =>
    project.pulumi(args, { TEST_KUBECONFIG: plane().kubeconfig("admin"), ...env });
  const succeed = async (running: Promise<PulumiRun>): Promise<PulumiRun> => {
    const done = await running;
    expect(done.exitCode, done.text).toBe(0);
    return done;
  };
  const stack: KubernetesStack = {
    up: (...given) => succeed(stack.tryUp(...given)),
    async tryUp(program, args = [], env) {
      await project.write(program);
      return run(["up", "--yes", "--skip-preview", ...args], env);
    },
    async preview(program, args = []) {
      await project.write(program);
      return succeed(run(["preview", ...args]));
    },
    async forget(urnEnd) {
      const { deployment } = JSON.parse(await stack.exportedState()) as { deployment: { resources: { urn: string }[] } };
      const urn = deployment.resources.find((resource) => resource.urn.endsWith(urnEnd))!.urn;
      await succeed(run(["state", "delete", urn, "--yes"]));
    },
    refresh: (args = []) => succeed(run(["refresh", "--yes", "--skip-preview", ...args])),
    destroy: (env) => succeed(stack.tryDestroy(env)),
    tryDestroy: (env) => run(["destroy", "--yes", "--skip-preview"], env),
    outputs: async () => JSON.parse((await succeed(run(["stack", "output", "--json", "--show-secrets"]))).text) as Record<string, unknown>,
    exportedState: async () => (await succeed(run(["stack", "export"]))).text,
  };
  return () => stack;
}

/** A program with `options` for objects in the cluster. */
export function kubernetesProgram(body: string, provider = ""): string {
  return `
    import * as k8s from "@pulumi/kubernetes";
    import * as pulumi from "@pulumi/pulumi";
    const provider = new k8s.Provider("cluster", {
      kubeconfig: pulumi.secret(process.env.TEST_KUBECONFIG), clusterIdentifier: "test", ${provider}
    });
    const options = { provider };
    ${body}
  `;
}
