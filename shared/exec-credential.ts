import { z } from "zod";
import { LabError, messageOf } from "./errors.ts";
import { childEnvironment } from "./environment.ts";
import { run } from "./exec.ts";
import type { Properties } from "./json.ts";

/** The answer of a program that logs in for a kubeconfig's user. */
export interface Login {
  readonly token?: string | undefined;
  readonly certificate?: string | undefined;
  readonly key?: string | undefined;
  /** Milliseconds since 1970; if the program did not say, until the API server refuses it. */
  readonly endsAt: number;
}

const Exec = z.object({
  apiVersion: z.string(),
  command: z.string(),
  args: z.array(z.string()).nullish(),
  env: z.array(z.object({ name: z.string(), value: z.string() })).nullish(),
  installHint: z.string().optional(),
});

const Answer = z.object({
  status: z.object({
    token: z.string().optional(),
    clientCertificateData: z.string().optional(),
    clientKeyData: z.string().optional(),
    expirationTimestamp: z.iso.datetime({ offset: true }).optional(),
  }),
});

/** A program that has not answered by then waits for somebody at a terminal. */
const answerSeconds = 60;

/**
 * Logs in by the program that a kubeconfig's `exec` names, as client-go does: "client-go credential plugins" in the
 * documentation of Kubernetes. Throws LabError `credential-program-missing` and `credential-refused`, both with the
 * kubeconfig's own hint.
 */
export async function execLogin(exec: Properties): Promise<Login> {
  const { apiVersion, command, args, env, installHint } = Exec.parse(exec);
  const hint = installHint?.trim().replace(/([^.])$/, "$1.") ?? `Log in again for ${command}.`;
  const info = JSON.stringify({ apiVersion, kind: "ExecCredential", spec: { interactive: false } });
  const result = await run(command, args ?? [], {
    env: childEnvironment("login", {
      ...Object.fromEntries((env ?? []).map(({ name, value }) => [name, value])),
      KUBERNETES_EXEC_INFO: info,
    }),
    stdin: "ignore",
    reject: false,
    timeout: answerSeconds * 1000,
  });
  if (result.code === "ENOENT")
    throw new LabError("credential-program-missing", `The cluster's kubeconfig logs in through ${command}, which is not on PATH. ${hint}`);
  const said = () => (result.timedOut ? `it did not answer within ${answerSeconds} s` : (result.stderr.trim().split("\n").at(-1) ?? ""));
  if (result.failed) throw new LabError("credential-refused", `${command}, which logs in to the cluster, failed: ${said()}. ${hint}`);
  try {
    const { token, clientCertificateData, clientKeyData, expirationTimestamp } = Answer.parse(JSON.parse(result.stdout)).status;
    return {
      token,
      certificate: clientCertificateData,
      key: clientKeyData,
      endsAt: expirationTimestamp === undefined ? Infinity : Date.parse(expirationTimestamp),
    };
  } catch (error) {
    throw new LabError(
      "credential-refused",
      `${command}, which logs in to the cluster, gave no credential: ${messageOf(error).split("\n")[0]}. ${hint}`,
      { cause: error },
    );
  }
}
