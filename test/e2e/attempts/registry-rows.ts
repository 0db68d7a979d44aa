import { gzipSync } from "node:zlib";
import { waitUntil } from "../../../shared/wait.ts";
import { gotCanary, wasAccepted, type Attempt } from "./attempt.ts";
import { basic, digestOf, http, Registry, tarOf, type HttpAnswer } from "./images.ts";
import type { Scene } from "./scene.ts";

const indexType = "application/vnd.oci.image.index.v1+json";
const manifestType = "application/vnd.oci.image.manifest.v1+json";

/** A row of requests that the registry is to refuse, every one. */
function refused(
  id: string,
  what: string,
  requests: (scene: Scene, registry: Registry) => Promise<readonly HttpAnswer[]>,
  finding?: number,
): Attempt {
  return {
    id,
    ...(finding !== undefined && { finding }),
    kind: "registry",
    as: "learner",
    nodes: "both",
    what,
    async attempt(scene) {
      // Who does not answer has refused nothing, and is asked again.
      const answers = await waitUntil(
        async () => {
          const all = await requests(scene, new Registry(scene));
          const silent = all.find(({ status }) => status === 0 || status >= 500);
          return silent === undefined ? { done: true, value: all } : { done: false, because: `HTTP ${silent.status}: ${silent.text}` };
        },
        { what: "the registry to answer", timeoutSeconds: 20, intervalMs: 500, remedy: "" },
      );
      const taken = answers.find(({ status }) => status < 300);
      if (taken !== undefined) scene.accepted = `HTTP ${taken.status}: ${taken.text.slice(0, 300)}`;
      return answers.map(({ status, text }) => `HTTP ${status} ${text.slice(0, 200)}`).join("\n");
    },
    proof: wasAccepted,
  };
}

const bobs = ({ ground }: Scene) => ground.bob.images.replace(/^[^/]+\//, "");

/** A manifest of an image without layers, which is nobody's. */
const emptyManifest = (config: Buffer) => ({
  schemaVersion: 2,
  mediaType: manifestType,
  config: { mediaType: "application/vnd.oci.image.config.v1+json", digest: digestOf(config), size: config.length },
  layers: [],
});

export const registryRows: readonly Attempt[] = [
  refused("pull-of-neighbours", "Another learner's tags and manifests are asked for.", async (scene, registry) => {
    const scope = `repository:${bobs(scene)}:pull`;
    return [
      await registry.send("GET", `/v2/${bobs(scene)}/tags/list`, [scope]),
      await registry.send("GET", `/v2/${bobs(scene)}/manifests/latest`, [scope]),
    ];
  }),
  refused("push-to-neighbours", "Something is pushed to another learner's images.", async (scene, registry) => {
    const scope = `repository:${bobs(scene)}:pull,push`;
    const own = registry.own.scope;
    return [
      await registry.send("POST", `/v2/${bobs(scene)}/blobs/uploads/`, [scope]),
      await registry.send("POST", `/v2/${bobs(scene)}/blobs/uploads/`, [own, scope]),
      await registry.send(
        "PUT",
        `/v2/${bobs(scene)}/manifests/x`,
        [own, scope],
        JSON.stringify(emptyManifest(Buffer.from("{}"))),
        manifestType,
      ),
    ];
  }),
  refused("names-of-neighbours", "Another learner's images are asked for by other spellings of their path.", async (scene, registry) => {
    const { name, scope } = registry.own;
    const path = bobs(scene);
    const paths = [`${name}/../../${path}`, `${name}%2f..%2f..%2f${path}`, `./${path}`, path.toUpperCase(), `${name}/..%2f..%2f${path}`];
    return Promise.all(paths.map((one) => registry.send("GET", `/v2/${one}/tags/list`, [scope])));
  }),
  refused("scopes", "A token is asked for with scopes that are lists, stars and other learners'.", async (scene, registry) => {
    const scopes = [
      `repository:${registry.own.name}:pull repository:${bobs(scene)}:pull`,
      "registry:catalog:*",
      "repository:*:*",
      `repository(plugin):${bobs(scene)}:pull`,
      `repository:${registry.own.name}/../../${bobs(scene)}:pull`,
    ];
    return Promise.all(scopes.map(async (scope) => registry.send("GET", `/v2/${bobs(scene)}/tags/list`, [scope])));
  }),
  refused("catalog", "All images of the registry are to be listed.", async (_, registry) => [
    await registry.send("GET", "/v2/_catalog", ["registry:catalog:*"]),
    await registry.send("GET", "/v2/_catalog", [registry.own.scope]),
  ]),
  {
    ...refused("mount-from-neighbour", "A blob of another learner is to be mounted.", async () => []),
    async attempt(scene) {
      const registry = new Registry(scene);
      const { name, scope } = registry.own;
      // A blob that only bob has would need bob's digest; the seed's own are as good, and known to all.
      const { digest } = await registry.blob(Buffer.from("mounted"));
      const answer = await registry.send("POST", `/v2/${name}/blobs/uploads/?mount=${digest}&from=${bobs(scene)}`, [
        scope,
        `repository:${bobs(scene)}:pull`,
      ]);
      // 202 is an upload of one's own; 201 that it was found at the other's.
      if (answer.status === 201) scene.accepted = "a blob was mounted";
      return `HTTP ${answer.status}`;
    },
  },
  refused("events-without-token", "The daemon is told of pushes that never were.", async (scene) => {
    const { origin } = new URL(scene.ground.ada.gitUrl);
    const body = JSON.stringify({ events: [{ action: "push", target: { repository: "bob/backend", tag: "x", digest: digestOf("x") } }] });
    const headers = { "content-type": "application/json" };
    const send = (authorization?: string) =>
      http("POST", origin, "/registry/events", { headers: { ...headers, ...(authorization && { authorization }) }, body });
    return [await send(), await send("Bearer "), await send("Bearer undefined"), await send(basic(scene.ground.ada.registry))];
  }),
  refused("manifest-too-large", "A manifest has six million bytes.", async (_, registry) => [
    await registry.manifest(registryTag, { ...emptyManifest(Buffer.from("{}")), annotations: { x: "y".repeat(6e6) } }),
  ]),
  refused(
    "manifest-of-nothing",
    "A list of manifests names some that are not there, and one names itself by a tag.",
    async (_, registry) => {
      const entry = (digest: string) => ({ mediaType: indexType, digest, size: 100 });
      const list = (manifests: readonly object[]) =>
        registry.manifest(registryTag, { schemaVersion: 2, mediaType: indexType, manifests }, indexType);
      return [
        await list([entry(digestOf("nothing"))]),
        await list([entry(digestOf("loop"))]),
        await list(Array(2).fill(entry(digestOf("loop")))),
      ];
    },
  ),
  {
    ...refused(
      "list-of-lists",
      "A list of manifests holds a list, and so on for fifty levels; image policies and Flux are to follow it.",
      async () => [],
    ),
    async attempt(scene) {
      const registry = new Registry(scene);
      const config = Buffer.from("{}");
      await registry.blob(config);
      let text = JSON.stringify(emptyManifest(config));
      let type = manifestType;
      for (let level = 0; level < 50; level++) {
        const { status } = await registry.manifest(digestOf(text), text, type);
        if (status !== 201) throw new Error(`HTTP ${status} at level ${level}`);
        text = JSON.stringify({
          schemaVersion: 2,
          mediaType: indexType,
          manifests: Array(8).fill({ mediaType: type, digest: digestOf(text), size: text.length }),
        });
        type = indexType;
      }
      // Picked by no policy; what reads tags reads it all the same.
      const answer = await registry.manifest(registryTag, text, type);
      const source = {
        apiVersion: "source.toolkit.fluxcd.io/v1",
        kind: "OCIRepository",
        metadata: { name: scene.name, namespace: "flux-system" },
        spec: {
          interval: "1h",
          timeout: "20s",
          url: `oci://${scene.ground.ada.images}`,
          insecure: true,
          ref: { tag: registryTag },
          secretRef: { name: "backend-registry" },
        },
      };
      await scene.kube.apply(source);
      const { status, words } = await scene.settled(source);
      if (status === "True") scene.accepted = words;
      return `HTTP ${answer.status}; ${words}`;
    },
  },
  refused("tags-of-all-kinds", "Tags are paths, options, long and not of this alphabet.", async (_, registry) => {
    const tags = ["..%2f..%2fx", "-x", "x".repeat(300), "%F0%9F%98%80", "x%00y", "%0a"];
    return Promise.all(tags.map((tag) => registry.manifest(tag, emptyManifest(Buffer.from("{}")))));
  }),
  refused("digest-as-path", "A blob's digest is a path.", async (_, registry) => {
    const { name, scope } = registry.own;
    const digests = ["sha256:..%2f..%2f..%2fx", "sha256:/etc/passwd", "..%2f..%2fconfig.yml"];
    return Promise.all(digests.map((digest) => registry.send("GET", `/v2/${name}/blobs/${digest}`, [scope])));
  }),
  {
    ...refused("layer-too-large", "A layer has 150 MiB.", async (_, registry) => [await registry.blob(Buffer.alloc(150 * 2 ** 20))], 21),
    alone: true,
  },
  {
    ...refused("layers-in-pieces", "A layer of 150 MiB comes in pieces, whose sum nobody said.", async () => [], 21),
    alone: true,
    async attempt(scene) {
      const registry = new Registry(scene);
      const { name, scope } = registry.own;
      const piece = Buffer.alloc(10 * 2 ** 20);
      let answer = await registry.send("POST", `/v2/${name}/blobs/uploads/`, [scope]);
      let taken = 0;
      for (; taken < 15 && answer.status === 202; taken++) {
        const location = new URL(answer.headers["location"] ?? "", registry.address);
        answer = await registry.send("PATCH", `${location.pathname}${location.search}`, [scope], piece);
      }
      if (answer.status === 202) scene.accepted = "150 MiB were taken";
      // Ended without a word is a refusal only where there was something to refuse.
      if (answer.status === 0 && taken < 8) throw new Error(`the connection was ended after ${taken} pieces`);
      return `HTTP ${answer.status} ${answer.text.slice(0, 200)}`;
    },
  },
  {
    ...refused("token-without-credential", "A token is asked for as nobody, as Flux and as another learner.", async (scene) => {
      const { origin } = new URL(scene.ground.ada.gitUrl);
      const path = `/registry/token?service=x&scope=repository:${bobs(scene)}:pull`;
      const { password } = scene.ground.ada.registry;
      const logins = [
        undefined,
        { username: "bob", password },
        { username: "ada.flux", password },
        { username: "bob.node", password: "" },
        { username: "../bob", password },
      ];
      return Promise.all(logins.map((login) => http("GET", origin, path, { headers: login ? { authorization: basic(login) } : {} })));
    }),
    proof: wasAccepted,
  },
  {
    id: "archive-as-layer",
    kind: "registry",
    as: "learner",
    nodes: "both",
    what: "A layer's archive holds links to files of the host; an image policy picks its tag.",
    async attempt(scene) {
      const registry = new Registry(scene);
      const layer = gzipSync(tarOf({ name: "link", linkTo: scene.ground.secretFile }, { name: "../../x", content: "x" }));
      const config = Buffer.from("{}");
      await registry.blob(config);
      const { digest } = await registry.blob(layer);
      const answer = await registry.manifest(registryTag, {
        ...emptyManifest(config),
        layers: [{ mediaType: "application/vnd.oci.image.layer.v1.tar+gzip", digest, size: layer.length }],
      });
      if (answer.status !== 201) throw new Error(`HTTP ${answer.status}: ${answer.text}`);
      return `HTTP ${answer.status}`;
    },
    proof: gotCanary,
  },
];

/** A tag that no policy of the lab picks. */
const registryTag = "tried";
