import type { ServerResponse } from "node:http";

/** Why a request is not taken, in the words of the distribution specification, "Error Codes". */
export interface Refusal {
  readonly status: number;
  readonly code: "UNAUTHORIZED" | "DENIED" | "NAME_UNKNOWN" | "SIZE_INVALID" | "TOOMANYREQUESTS" | "UNAVAILABLE";
  readonly message: string;
}

export const notHere: Refusal = { status: 404, code: "NAME_UNKNOWN", message: "There is no such path here." };
export const unavailable: Refusal = { status: 502, code: "UNAVAILABLE", message: "The registry does not answer. Try again." };

/** Answers with the refusal unless an answer has begun. */
export function refuse(outgoing: ServerResponse, { status, code, message }: Refusal, isLast = false): void {
  if (outgoing.headersSent) return void outgoing.destroy();
  const body = `${JSON.stringify({ errors: [{ code, message }] })}\n`;
  outgoing.writeHead(status, {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(body),
    "docker-distribution-api-version": "registry/2.0",
    ...(status === 401 && { "www-authenticate": 'Basic realm="gitops-lab"' }),
    ...(isLast && { connection: "close" }),
  });
  outgoing.end(body);
}
