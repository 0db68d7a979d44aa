import { join } from "node:path";
import { symlink } from "node:fs/promises";
import { gotCanary, wasAccepted, type Attempt, type Files, type Proof } from "./attempt.ts";
import { restartApp } from "./app.ts";
import { measured, running } from "./memory.ts";
import type { Scene } from "./scene.ts";

/** A row in which the pipeline is to build what the learner pushes to main. */
function built(
  row: { readonly id: string; readonly finding?: number; readonly what: string; readonly proof: Proof },
  files: (scene: Scene) => Files,
  prepare: (scene: Scene, app: string) => Promise<void> = async () => undefined,
): Attempt {
  return {
    ...row,
    kind: "build",
    as: "learner",
    nodes: "both",
    alone: true,
    async attempt(scene) {
      const { ground } = scene;
      for (let tries = 0; tries < 3; tries++) {
        const folder = await restartApp(scene);
        await prepare(scene, join(folder, "app"));
        await ground.commit("ada", folder, Object.fromEntries(Object.entries(files(scene)).map(([path, text]) => [`app/${path}`, text])));
        const words = scene.heard(await ground.git("ada", folder, "push", "origin", "HEAD:main"));
        if (/^remote: Built /m.test(words)) scene.accepted = words;
        // The lab either refuses the push, or tells what came of the build: to the learner, or to Flux, whose push came between.
        if (/remote: (refused|Built|The build failed|.*could not act on it)/.test(words)) return words;
      }
      throw new Error(`the pipeline told nothing: ${scene.told.at(-1)}`);
    },
    proof: row.proof,
  };
}

const source = (text: string) => `package main\n\n${text}\n`;

const compiler = "compile";

/** A compiler that takes more than a build may, or goes on when the build is over. */
const constantBomb: Attempt = (() => {
  const doubled = Array.from({ length: 24 }, (_, index) => `c${index + 1} = c${index} + c${index}`).join("\n");
  const row = built(
    { id: "constant-bomb", finding: 20, what: "A constant of 256 MiB is written down in some hundred bytes.", proof: wasAccepted },
    () => ({ "x.go": source(`const (\nc0 = "0123456789abcdef"\n${doubled}\n)\n\nvar x = c24`) }),
  );
  return {
    ...row,
    async attempt(scene) {
      const others = new Set(running(compiler).map(({ pid }) => pid));
      let most = 0;
      const watch = setInterval(() => {
        most = Math.max(most, ...running(compiler).flatMap(({ pid, bytes }) => (others.has(pid) ? [] : [bytes])));
      }, 100);
      try {
        const sign = await row.attempt(scene);
        scene.accepted = undefined;
        const left = running(compiler).filter(({ pid, bytes }) => !others.has(pid) && bytes > 2 ** 30);
        if (left.length > 0) scene.accepted = `a compiler goes on: ${JSON.stringify(left)}`;
        if (most > 2 * 2 ** 30) scene.accepted = `a compiler held ${Math.round(most / 2 ** 20)} MiB`;
        return `${sign} (a compiler held ${Math.round(most / 2 ** 20)} MiB)`;
      } finally {
        clearInterval(watch);
      }
    },
  };
})();

/** What a compiler or the environment of its process says of the host. */
const environmentTold: Proof = {
  what: "the environment of a process of the lab came to the learner",
  look: async ({ told }) => told.find((text) => /PATH=|HOME=|GITOPS_LAB|\/environ:1/.test(text)),
};

const toldTooMuch: Proof = {
  what: "a compiler's output came to the learner without an end, or was too much for the pipeline",
  look: async ({ told }) => told.find((text) => text.length > 64 * 1024 || text.includes("could not act on it"))?.slice(0, 200),
};

export const buildRows: readonly Attempt[] = [
  built({ id: "include-file", finding: 7, what: "The assembler is to include a file of the host.", proof: gotCanary }, ({ ground }) => ({
    "x.s": `#include "${ground.hostRepository}/answers.txt"\n`,
  })),
  built(
    { id: "include-environment", finding: 7, what: "The assembler is to include its own environment.", proof: environmentTold },
    () => ({
      "x.s": '#include "/proc/self/environ"\n',
    }),
  ),
  built({ id: "object-file", finding: 7, what: "The linker is to take an object file as it is.", proof: wasAccepted }, () => ({
    "x.syso": "\x7fELF\x02\x01\x01",
  })),
  built({ id: "cgo", what: "The C compiler is to include a file of the host.", proof: gotCanary }, ({ ground }) => ({
    "x.go": source(`// #include "${ground.secretFile}"\nimport "C"`),
  })),
  built({ id: "linker-directive", what: "A directive gives the linker an argument.", proof: wasAccepted }, () => ({
    "x.go": source('//go:cgo_ldflag "-fplugin=/tmp/x.so"\n\nvar x = 1'),
  })),
  built({ id: "embed-path", what: "A file of the host is to be embedded by its path.", proof: wasAccepted }, ({ ground }) => ({
    "x.go": source(`import _ "embed"\n\n//go:embed ${ground.secretFile}\nvar x string`),
  })),
  built(
    { id: "embed-link", what: "A link to a file of the host is to be embedded, and a mistake shows its content.", proof: gotCanary },
    () => ({ "x.go": source('import _ "embed"\n\n//go:embed link.txt\nvar x string\n\nvar y int = x') }),
    ({ ground }, app) => symlink(ground.secretFile, join(app, "link.txt")),
  ),
  built(
    { id: "source-link", what: "A source file is a link to a file of the host, which is no Go.", proof: gotCanary },
    () => ({}),
    ({ ground }, app) => symlink(ground.secretFile, join(app, "x.go")),
  ),
  built({ id: "module-of-host", what: "A folder of the host stands for a module.", proof: gotCanary }, ({ ground }) => ({
    "go.mod": `module gitops-lab.dev/backend\n\ngo 1.24\n\nrequire example.org/x v1.0.0\n\nreplace example.org/x => ${ground.hostRepository}\n`,
    "x.go": source('import _ "example.org/x"'),
  })),
  built({ id: "toolchain-of-choice", what: "The module asks for another compiler.", proof: wasAccepted }, () => ({
    "go.mod": "module gitops-lab.dev/backend\n\ngo 1.99.0\n\ntoolchain go1.99.0\n",
  })),
  built({ id: "workspace", what: "A workspace takes folders of the host in.", proof: gotCanary }, ({ ground }) => ({
    "go.work": `go 1.24\n\nuse .\nuse ${ground.hostRepository}\n`,
    "x.go": source("var x int = y"),
  })),
  built(
    {
      id: "names-of-files",
      what: "Files are called like options, with bidirectional marks, line ends and at great length.",
      proof: gotCanary,
    },
    () => ({
      "-toolexec=touch.go": source("var a = 1"),
      "@x.go": source("var b = 1"),
      "\u202egpj.go": source("var c = 1"),
      "line\nend.go": source("var d = 1"),
      "e\u0301\u{1f600}.go": source("var e = 1"),
      [`${`${"l".repeat(200)}/`.repeat(12)}x.go`]: source("var f = 1"),
    }),
  ),
  built({ id: "words-without-end", what: "A mistake is a megabyte long.", proof: toldTooMuch }, () => ({
    "x.go": source(`var x int = ${"y".repeat(2 ** 20)}`),
  })),
  built({ id: "version-as-option", what: "The version is an option and a second line.", proof: wasAccepted }, () => ({
    VERSION: "--version\n1.0.0; id\n",
  })),
  measured(
    built({ id: "embed-large", finding: 19, what: "A file of 128 MiB is to be embedded.", proof: wasAccepted }, () => ({
      zeros: "\0".repeat(128 * 2 ** 20),
      "x.go": source('import _ "embed"\n\n//go:embed zeros\nvar x string'),
    })),
    300 * 2 ** 20,
  ),
  constantBomb,
];
