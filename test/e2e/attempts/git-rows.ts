import { createHash } from "node:crypto";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { deflateSync, gzipSync } from "node:zlib";
import { waitUntil } from "../../../shared/wait.ts";
import { leftMarker, wasAccepted, type Attempt, type Proof } from "./attempt.ts";
import { basic, http } from "./images.ts";
import { accepting, pushOf, repositoryOf } from "./push.ts";
import type { Scene } from "./scene.ts";

/** A row in which Git's HTTP is spoken by hand. */
function byHttp(id: string, what: string, attempt: Attempt["attempt"], proof: Proof = wasAccepted): Attempt {
  return { id, kind: "git", as: "learner", nodes: "both", what, attempt, proof };
}

/** Requests to the repository's address, as its learner. */
function speak(scene: Scene) {
  const { origin, pathname } = new URL(scene.ground.ada.gitUrl);
  const authorization = basic(scene.ground.ada.git);
  return {
    pathname,
    send: async (method: string, path: string, headers: Record<string, string> = {}, body?: Buffer) => {
      const answer = await http(method, origin, path, { headers: { authorization, ...headers }, ...(body && { body }) });
      scene.tell(answer.text);
      return answer;
    },
  };
}

const receivePack = { "content-type": "application/x-git-receive-pack-request" };
const line = (text: string) => `${(text.length + 4).toString(16).padStart(4, "0")}${text}`;

/** What begins a push to a branch, up to the pack. */
const command = (scene: Scene) =>
  Buffer.from(`${line(`${"0".repeat(40)} ${"1".repeat(40)} refs/heads/${scene.name}\0report-status side-band-64k agent=x`)}0000`);

/** A pack that says of its only object what it likes. */
function pack(type: number, declaredSize: bigint, content: Buffer, count = 1): Buffer {
  const header = Buffer.alloc(12);
  header.write("PACK");
  header.writeUInt32BE(2, 4);
  header.writeUInt32BE(count, 8);
  const size: number[] = [];
  let rest = declaredSize >> 4n;
  size.push(Number(declaredSize & 15n) | (type << 4) | (rest > 0n ? 128 : 0));
  while (rest > 0n) {
    size.push(Number(rest & 127n) | (rest >> 7n > 0n ? 128 : 0));
    rest >>= 7n;
  }
  const body = Buffer.concat([header, Buffer.from(size), deflateSync(content)]);
  return Buffer.concat([body, createHash("sha1").update(body).digest()]);
}

/** Other ways to write the name of bob's repository. */
function othersNames({ ground }: Scene): string[] {
  const bobs = new URL(ground.bob.gitUrl).pathname;
  const own = new URL(ground.ada.gitUrl).pathname;
  return [
    bobs,
    bobs.replace("/bob/", "/ada/../bob/"),
    bobs.replace("/bob/", "/ada%2f..%2fbob/"),
    bobs.replace("/bob/", "/ada/%2e%2e/bob/"),
    bobs.replace("/bob/", "/BOB/"),
    bobs.replace("/bob/", "//bob/"),
    own.replace(/\/[^/]+\.git$/, "/..%2fbob%2f$&").replace("/$&", ""),
    own.replace(/\.git$/, ".git/../../bob/x.git"),
    "/git/ada/..git",
    "/git/%00/x.git",
  ];
}

/** Temporary folders of pushes that never came whole. */
const leftObjects: Proof = {
  what: "what was never accepted was kept",
  look: async (scene) => {
    const left = (await readdir(join(repositoryOf(scene), "objects"))).filter(
      (name) => name.startsWith("tmp_") || name.startsWith("incoming"),
    );
    return left.length === 0 ? undefined : left.join();
  },
};

/** Another learner's repository answers at once. */
const othersWait: Proof = {
  what: "another learner's repository does not answer",
  look: async ({ ground }) => {
    const { exitCode, stderr } = await ground.git("bob", ground.home, "ls-remote", ground.bob.gitUrl);
    return exitCode === 0 ? undefined : stderr;
  },
};

const alive = async (scene: Scene) => {
  const { exitCode } = await scene.ground.git("bob", scene.ground.home, "ls-remote", scene.ground.bob.gitUrl);
  if (exitCode !== 0) scene.accepted = "the other learner's repository does not answer any more";
};

export const gitRows: readonly Attempt[] = [
  pushOf("push-notes", "The pipeline's journal is pushed over.", ["HEAD:refs/notes/gitops-lab"]),
  pushOf("push-reserved-ref", "A ref of the lab's own is pushed.", ["HEAD:refs/gitops-lab/seed"]),
  pushOf("push-other-space", "A ref beside branches and tags is pushed.", ["HEAD:refs/pull/1/head"]),
  pushOf("delete-main", "The branch that Flux follows is deleted.", [":refs/heads/main"]),
  pushOf("rewind-main", "The branch that Flux follows is set back by force.", ["+HEAD~2:refs/heads/main"]),
  {
    ...pushOf("main-by-other-names", "A tag and a branch look like main when their names are short.", [
      "HEAD:refs/tags/heads/main",
      "HEAD:refs/heads/heads/main",
      "HEAD:refs/heads/refs/heads/main",
      "HEAD:refs/tags/main",
    ]),
    async attempt(scene) {
      const { ground } = scene;
      const folder = await ground.clone("ada", scene.id);
      const tip = (await ground.git("ada", folder, "rev-parse", "HEAD")).stdout;
      await ground.commit("ada", folder, { "flux/apps/backend/production/kustomization.yaml": "broken: [\n" });
      const names = ["refs/tags/heads/main", "refs/heads/heads/main", "refs/heads/refs/heads/main", "refs/tags/main"];
      const words = scene.heard(await ground.git("ada", folder, "push", "origin", ...names.map((name) => `HEAD:${name}`)));
      const { stdout } = await ground.git("ada", folder, "ls-remote", "origin", "refs/heads/main");
      if (!stdout.startsWith(tip)) scene.accepted = `main is ${stdout}`;
      // With this one Git itself can't tell on the learner's side which is meant.
      await ground.git("ada", folder, "push", "origin", ":refs/heads/refs/heads/main");
      // A push that changes nothing of production's is still judged by main.
      await ground.git("ada", folder, "reset", "--quiet", "--hard", tip);
      await ground.commit("ada", folder, { "notes.md": `${scene.id}\n` });
      const next = await ground.git("ada", folder, "push", "origin", "HEAD:refs/heads/main");
      if (next.exitCode !== 0) scene.accepted = `main is not what is judged any more: ${scene.heard(next)}`;
      await ground.git("ada", folder, "push", "origin", ...names.map((name) => `:${name}`));
      return words;
    },
    proof: wasAccepted,
  },
  byHttp("repository-by-other-names", "Another learner's repository is asked for by paths, encodings and cases.", async (scene) => {
    const { send } = speak(scene);
    const answers = await Promise.all(othersNames(scene).map((name) => send("GET", `${name}/info/refs?service=git-upload-pack`)));
    const opened = answers.findIndex(({ status }) => status === 200);
    if (opened >= 0) scene.accepted = `${othersNames(scene)[opened]} was opened`;
    return answers.map(({ status }) => status).join();
  }),
  byHttp("files-of-repository", "Files of a repository are asked for as Git's simple protocol does.", async (scene) => {
    const { pathname, send } = speak(scene);
    const paths = ["HEAD", "config", "objects/info/packs", "../../../config.json", "hooks/pre-receive"];
    const answers = await Promise.all(paths.map((path) => send("GET", `${pathname}/${path}`)));
    if (answers.some(({ status }) => status === 200)) scene.accepted = answers.map(({ status }) => status).join();
    return answers.map(({ status }) => status).join();
  }),
  byHttp("hook-over-http", "What the hooks ask the daemon is asked over HTTP.", async (scene) => {
    const { send } = speak(scene);
    const paths = ["/hooks/pre-receive", "/hooks/post-receive", "/pipeline/settle", "/processes", "/shut-down"];
    const answers = await Promise.all(paths.map((path) => send("POST", path, { "content-type": "application/json" }, Buffer.from("{}"))));
    if (answers.some(({ status }) => status < 400)) scene.accepted = answers.map(({ status }) => status).join();
    return answers.map(({ status }) => status).join();
  }),
  byHttp("pack-of-garbage", "A push is no pack at all.", async (scene) => {
    const { pathname, send } = speak(scene);
    const answer = await send("POST", `${pathname}/git-receive-pack`, receivePack, Buffer.concat([command(scene), Buffer.alloc(1000, 7)]));
    await alive(scene);
    return `HTTP ${answer.status}: ${answer.text.slice(0, 300)}`;
  }),
  ...(
    [
      ["tree", 2],
      ["commit", 1],
      ["blob", 3],
    ] as const
  ).map(([name, type]) =>
    byHttp(`pack-bomb-${name}`, `A pack says that a ${name} in it has 2^40 bytes.`, async (scene) => {
      const { pathname, send } = speak(scene);
      const body = Buffer.concat([command(scene), pack(type, 1n << 40n, Buffer.alloc(1000))]);
      const answer = await send("POST", `${pathname}/git-receive-pack`, receivePack, body);
      await alive(scene);
      return `HTTP ${answer.status}: ${answer.text.slice(0, 300)}`;
    }),
  ),
  byHttp("pack-of-many", "A pack says that it holds four thousand million objects.", async (scene) => {
    const { pathname, send } = speak(scene);
    const answer = await send(
      "POST",
      `${pathname}/git-receive-pack`,
      receivePack,
      Buffer.concat([command(scene), pack(3, 1n, Buffer.from("x"), 2 ** 32 - 1)]),
    );
    await alive(scene);
    return `HTTP ${answer.status}: ${answer.text.slice(0, 300)}`;
  }),
  byHttp("compressed-request", "A request to fetch is a thousand times larger than it looks.", async (scene) => {
    const { pathname, send } = speak(scene);
    const body = gzipSync(Buffer.alloc(256 * 2 ** 20));
    const headers = { "content-type": "application/x-git-upload-pack-request", "content-encoding": "gzip" };
    const answer = await send("POST", `${pathname}/git-upload-pack`, headers, body);
    await alive(scene);
    return `HTTP ${answer.status}`;
  }),
  byHttp(
    "uploads-cut-short",
    "Pushes end before they are whole.",
    async (scene) => {
      const { origin, pathname } = new URL(scene.ground.ada.gitUrl);
      const cut = async () => {
        const controller = new AbortController();
        const headers = { authorization: basic(scene.ground.ada.git), ...receivePack };
        const chunks = new ReadableStream<Uint8Array>({
          start(stream) {
            stream.enqueue(Buffer.concat([command(scene), pack(3, 1000n, Buffer.alloc(1000), 2).subarray(0, 40)]));
            setImmediate(() => controller.abort());
          },
        });
        await fetch(`${origin}${pathname}/git-receive-pack`, {
          method: "POST",
          headers,
          body: chunks,
          duplex: "half",
          signal: controller.signal,
        }).catch(() => undefined);
      };
      await Promise.all(Array.from({ length: 5 }, cut));
      await waitUntil(
        async () => {
          const left = await leftObjects.look(scene);
          return left === undefined ? { done: true, value: undefined } : { done: false, because: left };
        },
        { what: "the server to drop what was cut short", timeoutSeconds: 20, remedy: "" },
      ).catch(() => undefined);
      return "five uploads were cut short";
    },
    leftObjects,
  ),
  {
    ...pushOf("hook-in-tree", "A tree has an entry `.git` with a hook in it.", []),
    async attempt(scene) {
      const { ground } = scene;
      const folder = await ground.clone("ada", scene.id);
      const blob = await ground.gitInput(folder, Buffer.from(`#!/bin/sh\ntouch ${scene.marker}\n`), "hash-object", "-w", "--stdin");
      const raw = (mode: string, name: string, id: string) => Buffer.concat([Buffer.from(`${mode} ${name}\0`), Buffer.from(id, "hex")]);
      const tree = (content: Buffer) => ground.gitInput(folder, content, "hash-object", "-t", "tree", "-w", "--literally", "--stdin");
      const hooks = await tree(raw("100755", "post-checkout", blob));
      const top = await tree(Buffer.concat([raw("40000", "..", hooks), raw("40000", ".git", await tree(raw("40000", "hooks", hooks)))]));
      const commit = await ground.gitInput(folder, Buffer.from("x"), "commit-tree", top, "-p", "HEAD");
      return scene.heard(await ground.git("ada", folder, "push", "origin", `${commit}:refs/heads/${scene.name}`));
    },
    proof: leftMarker,
  },
  accepting("many-refs", "A thousand tags are pushed at once.", async (scene, folder) => {
    const { stdout } = await scene.ground.git("ada", folder, "rev-parse", "HEAD");
    const names = Array.from({ length: 1000 }, (_, index) => `refs/tags/${scene.name}/${index}`);
    await scene.ground.gitInput(folder, Buffer.from(names.map((name) => `create ${name} ${stdout}\n`).join("")), "update-ref", "--stdin");
    return [`refs/tags/${scene.name}/*:refs/tags/${scene.name}/*`];
  }),
  accepting("file-too-large", "A file has more bytes than anything in a lab.", async (scene, folder) => {
    await scene.ground.commit("ada", folder, { zeros: "\0".repeat(60 * 2 ** 20) });
    return [`HEAD:refs/heads/${scene.name}`];
  }),
  {
    ...accepting(
      "tree-bomb",
      "A tree of eight levels names one folder ten times on each: a hundred million files.",
      async (scene, folder) => {
        const { ground } = scene;
        const blob = await ground.gitInput(folder, Buffer.from("x"), "hash-object", "-w", "--stdin");
        let id = await ground.gitInput(folder, Buffer.from(`100644 blob ${blob}\tf\n`), "mktree");
        const folders = (tree: string) => Array.from({ length: 10 }, (_, index) => `040000 tree ${tree}\td${index}\n`).join("");
        for (let level = 0; level < 8; level++) id = await ground.gitInput(folder, Buffer.from(folders(id)), "mktree");
        const commit = await ground.gitInput(folder, Buffer.from("x"), "commit-tree", id, "-p", "HEAD");
        return [`${commit}:refs/heads/${scene.name}`];
      },
    ),
    proof: othersWait,
  },
  {
    ...accepting("deep-tree", "A path has two thousand folders.", async (scene, folder) => {
      const { ground } = scene;
      const blob = await ground.gitInput(folder, Buffer.from("x"), "hash-object", "-w", "--stdin");
      const path = `${"d/".repeat(2000)}f`;
      const { stdout } = await ground.git("ada", folder, "rev-parse", "HEAD");
      const stream = `commit refs/heads/deep\ncommitter x <x@example.org> 0 +0000\ndata 1\nx\nfrom ${stdout}\nM 100644 ${blob} ${path}\n\n`;
      await ground.gitInput(folder, Buffer.from(stream), "fast-import", "--quiet");
      return [`refs/heads/deep:refs/heads/${scene.name}`];
    }),
    proof: othersWait,
  },
];
