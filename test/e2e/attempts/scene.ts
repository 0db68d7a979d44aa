import { existsSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { once } from "node:events";
import { waitUntil } from "../../../shared/wait.ts";
import type { CommandResult } from "../../support/lab-cli.ts";
import type { Ground } from "./ground.ts";
import { Kube, pathOf, type KubeObject } from "./kube.ts";

/** A port on the host's loopback that nothing of the lab has any business with. */
export interface Trap {
  readonly port: number;
  /** What each caller sent first. */
  readonly calls: readonly string[];
}

/** What one row has to itself: a trap, a marker, and what was said to the learner on its behalf. */
export class Scene {
  readonly id: string;
  readonly ground: Ground;
  readonly trap: Trap;
  readonly kube: Kube;
  /** Everything that came back to the learner. */
  readonly told: string[] = [];
  /** Paths of the host that the attempt itself names, which may come back. */
  readonly said: string[];
  /** Set by an attempt that saw itself succeed. */
  accepted: string | undefined;
  readonly #server: Server;

  constructor(id: string, ground: Ground, trap: Trap, server: Server) {
    this.id = id;
    this.ground = ground;
    this.trap = trap;
    this.#server = server;
    // From the longest to the shortest.
    this.said = [
      ground.bobsArtifact.url,
      ground.secretFile,
      ground.hostRepository,
      join(ground.paths.git, "bob"),
      ground.paths.learner("bob").pki,
      ground.markers,
    ];
    this.kube = new Kube(ground.ada.kubeconfig, (text) => this.told.push(text));
  }

  get trapUrl(): string {
    return `http://127.0.0.1:${this.trap.port}`;
  }

  /** Where a successful attempt leaves a file: a folder that every user of the machine may write to. */
  get marker(): string {
    return join(this.ground.markers, this.id);
  }

  async hasMarker(): Promise<boolean> {
    return existsSync(this.marker);
  }

  /** Says what came back to the learner; returns it. */
  tell(text: string): string {
    this.told.push(text);
    return text;
  }

  /** A name for an object of this row. */
  get name(): string {
    return `attempt-${this.id}`;
  }

  /** Waits until a controller has come to an end with the object, and returns how. */
  async settled(object: KubeObject, seconds = 60): Promise<{ readonly status: string; readonly words: string }> {
    return waitUntil(
      async () => {
        const ready = await this.kube.ready(object);
        return ready === undefined ? { done: false, because: "it has no verdict yet." } : { done: true, value: ready };
      },
      {
        what: `a controller to have looked at ${object.kind} ${object.metadata.name}`,
        timeoutSeconds: seconds,
        intervalMs: 300,
        remedy: "",
      },
    );
  }

  /** Waits until a controller has said anything of the object, and returns that: it may go on trying for minutes. */
  async begun(object: KubeObject): Promise<string> {
    return waitUntil(
      async () => {
        const { text } = await this.kube.send("GET", this.path(object));
        const { status } = JSON.parse(text) as { status?: { conditions?: { type: string; reason: string; message: string }[] } };
        const said = status?.conditions?.find(({ type }) => type === "Ready");
        return said === undefined ? { done: false, because: text } : { done: true, value: this.tell(`${said.reason}: ${said.message}`) };
      },
      { what: `a controller to begin with ${object.kind} ${object.metadata.name}`, timeoutSeconds: 60, intervalMs: 300, remedy: "" },
    );
  }

  /** Applies objects and waits for the verdict on the last one; returns it as the sign that all was processed. */
  async verdict(...objects: readonly KubeObject[]): Promise<string> {
    await this.kube.apply(...objects);
    const { status, words } = await this.settled(objects.at(-1)!);
    // What could not even be unpacked was never tried.
    if (/failed to extract/.test(words)) throw new Error(words);
    return `${objects.at(-1)!.kind} is Ready=${status}, ${words}`;
  }

  /** What a command said, as the learner saw it. */
  heard({ stdout, stderr }: CommandResult): string {
    return this.tell(`${stdout}${stderr}`);
  }

  /** Where something that is not the learner's came to: what was said to them, or an object of the row in their cluster. */
  async canarySeen(): Promise<string | undefined> {
    const kinds = ["configmaps", "secrets"];
    const objects = await Promise.all(kinds.map((kind) => this.kube.list<KubeObject>(`/api/v1/namespaces/default/${kind}`)));
    const own = objects.flat().filter(({ metadata }) => metadata.name.startsWith(this.name));
    const seen = [...this.told.map((text) => this.withoutOwnWords(text)), ...own.map((object) => JSON.stringify(object))].map(decoded);
    const canary = this.ground.canaries().find((one) => seen.some((text) => text.includes(one)));
    return canary && `${canary} in ${seen.find((text) => text.includes(canary))!.slice(0, 400)}`;
  }

  /** A text without what the attempt itself named, which is no secret when it comes back. */
  withoutOwnWords(text: string): string {
    return this.said.reduce((rest, words) => rest.replaceAll(words, "…"), text);
  }

  close(): void {
    this.#server.close();
  }

  /** The API's path of an object. */
  path(object: KubeObject): string {
    return pathOf(object);
  }
}

/** A text with what is base64 in it once more in plain. */
function decoded(text: string): string {
  return `${text} ${(text.match(/[A-Za-z0-9+/]{16,}={0,2}/g) ?? []).map((word) => Buffer.from(word, "base64").toString("latin1")).join(" ")}`;
}

/** Opens the trap of a row. It answers whoever comes with the ground's canary. */
export async function openScene(id: string, ground: Ground): Promise<Scene> {
  const calls: string[] = [];
  const server = createServer((socket) => {
    const call = { index: calls.push("(a connection)") - 1 };
    socket.on("error", () => undefined);
    socket.once("data", (data) => {
      calls[call.index] = data.toString("latin1");
      const body = `${ground.hostCanary}\n`;
      socket.end(`HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("a trap has no port");
  return new Scene(id, ground, { port: address.port, calls }, server);
}
