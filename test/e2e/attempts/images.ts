import { createHash } from "node:crypto";
import { once } from "node:events";
import { request, type IncomingMessage } from "node:http";
import type { Handout } from "./handout.ts";
import type { Scene } from "./scene.ts";

export interface HttpAnswer {
  /** 0 where the connection was ended before an answer came. */
  readonly status: number;
  readonly text: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** An HTTP request whose path goes out as it is written, which `fetch` would tidy up. Never throws for a status. */
export async function http(
  method: string,
  address: string,
  path: string,
  { headers = {}, body = "" }: { headers?: Record<string, string>; body?: Buffer | string } = {},
): Promise<HttpAnswer> {
  const { hostname, port } = new URL(address);
  const bytes = Buffer.from(body);
  const length = bytes.length > 0 && headers["transfer-encoding"] === undefined ? { "content-length": String(bytes.length) } : {};
  const outgoing = request({
    host: hostname,
    port,
    method,
    path,
    headers: { ...length, ...headers },
    signal: AbortSignal.timeout(60_000),
  });
  outgoing.on("error", () => undefined);
  const answered = once(outgoing, "response") as Promise<[IncomingMessage]>;
  const state = { isOver: false };
  const over = answered.then(
    () => void (state.isOver = true),
    () => void (state.isOver = true),
  );
  // In pieces, so that an answer that comes before the end is read.
  for (let from = 0; from < bytes.length && !state.isOver; from += pieceBytes) {
    if (!outgoing.write(bytes.subarray(from, from + pieceBytes)))
      await Promise.race([once(outgoing, "drain").catch(() => undefined), over]);
  }
  if (!state.isOver) outgoing.end();
  const [incoming] = await answered.catch((error: NodeJS.ErrnoException) => {
    // Whoever ends the connection in the middle of a body may have answered before; that answer is lost with it.
    if (error.code === "EPIPE" || error.code === "ECONNRESET") return [undefined];
    throw error;
  });
  if (incoming === undefined) return { status: 0, text: "The connection was ended.", headers: {} };
  const text = Buffer.concat(await incoming.toArray()).toString("latin1");
  if (!outgoing.writableEnded) outgoing.destroy();
  return { status: incoming.statusCode ?? 0, text, headers: incoming.headers as Record<string, string> };
}

const pieceBytes = 2 ** 18;

export const basic = ({ username, password }: Handout["registry"]) => `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;

/** The registry as a learner speaks to it: with a token for the scopes it asks for. */
export class Registry {
  readonly #scene: Scene;
  readonly address: string;
  readonly #tokens = new Map<string, string>();

  constructor(scene: Scene) {
    this.#scene = scene;
    this.address = `http://${scene.ground.ada.images.split("/")[0]}`;
  }

  async token(...scopes: readonly string[]): Promise<string> {
    const kept = this.#tokens.get(scopes.join());
    if (kept !== undefined) return kept;
    const challenge = (await http("GET", this.address, "/v2/")).headers["www-authenticate"] ?? "";
    const realm = new URL(/realm="([^"]+)"/.exec(challenge)?.[1] ?? "");
    const service = /service="([^"]+)"/.exec(challenge)?.[1] ?? "";
    const query = new URLSearchParams({ service });
    for (const scope of scopes) query.append("scope", scope);
    const answer = await http("GET", realm.origin, `${realm.pathname}?${query}`, {
      headers: { authorization: basic(this.#scene.ground.ada.registry) },
    });
    const { token } = JSON.parse(answer.text) as { token: string };
    this.#tokens.set(scopes.join(), token);
    return token;
  }

  async send(
    method: string,
    path: string,
    scopes: readonly string[],
    body?: Buffer | string,
    type = "application/octet-stream",
  ): Promise<HttpAnswer> {
    const headers: Record<string, string> = {
      authorization: `Bearer ${await this.token(...scopes)}`,
      "content-type": type,
      accept: "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json",
      "content-length": String(Buffer.byteLength(body ?? "")),
    };
    const answer = await http(method, this.address, path, { headers, ...(body !== undefined && { body }) });
    if (answer.status >= 400) this.#scene.tell(answer.text);
    return answer;
  }

  get own(): { readonly name: string; readonly scope: string } {
    const name = this.#scene.ground.ada.images.replace(/^[^/]+\//, "");
    return { name, scope: `repository:${name}:pull,push` };
  }

  /** Uploads a blob to the learner's images in one piece. */
  async blob(content: Buffer): Promise<HttpAnswer & { readonly digest: string }> {
    const { name, scope } = this.own;
    const begun = await this.send("POST", `/v2/${name}/blobs/uploads/`, [scope]);
    const digest = digestOf(content);
    if (begun.status !== 202) return { ...begun, digest };
    const location = new URL(begun.headers["location"] ?? "", this.address);
    const answer = await this.send("PUT", `${location.pathname}${location.search}&digest=${digest}`, [scope], content);
    return { ...(answer.status === 0 ? await this.#kept(`blobs/${digest}`) : answer), digest };
  }

  /** What was sent when the connection was ended: whether the registry has it all the same. */
  async #kept(path: string): Promise<HttpAnswer> {
    const answer = await this.send("GET", `/v2/${this.own.name}/${path}`, [this.own.scope]);
    return { ...answer, text: `The connection was ended, and then: ${answer.text.slice(0, 200)}` };
  }

  async manifest(reference: string, content: object | string, type = "application/vnd.oci.image.manifest.v1+json"): Promise<HttpAnswer> {
    const text = typeof content === "string" ? content : JSON.stringify(content);
    const answer = await this.send("PUT", `/v2/${this.own.name}/manifests/${reference}`, [this.own.scope], text, type);
    return answer.status === 0 ? this.#kept(`manifests/${digestOf(text)}`) : answer;
  }
}

export const digestOf = (content: Buffer | string) => `sha256:${createHash("sha256").update(content).digest("hex")}`;

/** Pushes an artifact with one layer; tells its digest, or why it was refused. */
export async function pushArtifact(
  scene: Scene,
  layer: Buffer,
  mediaType: string,
): Promise<{ readonly digest: string; readonly refusal?: undefined } | { readonly refusal: string }> {
  const registry = new Registry(scene);
  const config = Buffer.from("{}");
  for (const content of [config, layer]) {
    const answer = await registry.blob(content);
    if (answer.status !== 201) return { refusal: `HTTP ${answer.status}: ${answer.text}` };
  }
  const text = JSON.stringify({
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.manifest.v1+json",
    config: { mediaType: "application/vnd.cncf.flux.config.v1+json", digest: digestOf(config), size: config.length },
    layers: [{ mediaType, digest: digestOf(layer), size: layer.length }],
  });
  const digest = digestOf(text);
  const answer = await registry.manifest(digest, text);
  return answer.status === 201 ? { digest } : { refusal: `HTTP ${answer.status}: ${answer.text}` };
}

interface Entry {
  readonly name: string;
  readonly content?: string;
  /** For a header alone. */
  readonly size?: number;
  readonly linkTo?: string;
}

/** An archive as POSIX has it (ustar), by hand: a library would refuse these names. */
export function tarOf(...entries: readonly Entry[]): Buffer {
  const blocks = entries.flatMap(({ name, content = "", size = content.length, linkTo }) => {
    const header = Buffer.alloc(512);
    header.write(name.slice(0, 99), 0);
    header.write("0000644\0", 100);
    header.write("0000000\0", 108);
    header.write("0000000\0", 116);
    header.write(`${size.toString(8).padStart(11, "0")}\0`, 124);
    header.write("00000000000\0", 136);
    header.write("        ", 148);
    header.write(linkTo === undefined ? "0" : "2", 156);
    header.write((linkTo ?? "").slice(0, 99), 157);
    header.write("ustar\x0000", 257);
    const sum = header.reduce((total, byte) => total + byte, 0);
    header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
    return [header, Buffer.from(content), Buffer.alloc((512 - (content.length % 512)) % 512)];
  });
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}
