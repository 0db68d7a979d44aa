import { mkdtemp, readFile, rm } from "node:fs/promises";
import { networkInterfaces, tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import {
  childEnvironment,
  homeFolder,
  programFolders,
  proxyExceptions,
  type ChildKind,
  type Environment,
} from "../../shared/environment.ts";
import { run } from "../../shared/exec.ts";
import { combined, hostileEnvironments, type HostileEnvironment } from "../support/hostile-environments.ts";

const kinds: readonly ChildKind[] = ["program", "git", "go", "go-settings", "docker", "login", "pulumi", "daemon", "lab"];
const plain = { PATH: "/usr/bin:/bin", HOME: "/home/ada" };

let folder: string;
let all: readonly HostileEnvironment[];
let documented: (name: string) => boolean;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "gitops-lab-environment-"));
  all = await hostileEnvironments(folder);
  const words = [
    ...(await readFile(join(import.meta.dirname, "../../docs/cli.md"), "utf8")).matchAll(/`([A-Za-z][A-Za-z0-9_]*_?\*?)`/g),
  ].map(([, word]) => word!);
  documented = (name) => words.some((word) => (word.endsWith("*") ? name.startsWith(word.slice(0, -1)) : word === name));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe("what reaches a child", () => {
  test("is nothing of a hostile environment but what docs/cli.md names", () => {
    expect(all).toHaveLength(20);
    const from = { ...plain, ...combined(all).variables };
    const through = kinds.flatMap((kind) =>
      Object.entries(childEnvironment(kind, {}, from)).flatMap(([name, value]) =>
        from[name as keyof typeof from] === value ? [name] : [],
      ),
    );
    expect(through.length).toBeGreaterThan(10);
    expect([...new Set(through)].filter((name) => !documented(name))).toEqual([]);
  });

  test("is as it should be when a real one prints it, whatever this process has", async () => {
    for (const [name, value] of Object.entries({ ...combined(all).variables, GITOPS_LAB_SECRET: "x" })) vi.stubEnv(name, value);
    try {
      const { stdout } = await run("/usr/bin/env", ["-0"], { env: childEnvironment("git", { OWN: "1" }) });
      const found = Object.fromEntries(stdout.split("\0").flatMap((line) => (line === "" ? [] : [line.split(/=(.*)/s, 2)])));
      expect(found).toMatchObject({ LC_ALL: "C", GIT_CONFIG_GLOBAL: "/dev/null", GIT_CONFIG_NOSYSTEM: "1", HOME: "/dev/null", OWN: "1" });
      const git = Object.keys(found).filter((name) => name.startsWith("GIT_"));
      expect(git.toSorted()).toEqual(["GIT_ATTR_NOSYSTEM", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_NOSYSTEM", "GIT_TERMINAL_PROMPT"]);
      // Node hands this one to its children by itself; `lab` takes it from Node.
      delete found["NODE_V8_COVERAGE"];
      expect(Object.keys(found).filter((name) => /^(NODE|GO|PULUMI|LD|BASH|LANG|GITOPS_LAB_S|DOCKER|KUBE)/.test(name))).toEqual([]);
    } finally {
      vi.unstubAllEnvs();
    }
  });

  test("keeps what is meant", () => {
    const meant = {
      ...plain,
      GOPROXY: "https://modules.example",
      GITHUB_TOKEN: "t",
      AWS_PROFILE: "lab",
      PULUMI_BACKEND_URL: "s3://state",
      PULUMI_CONFIG_PASSPHRASE: "",
      https_proxy: "http://proxy.example:3128",
      DOCKER_HOST: "unix:///run/user/1000/docker.sock",
    };
    expect(childEnvironment("go", {}, meant)).toMatchObject({ GOPROXY: meant.GOPROXY, https_proxy: meant.https_proxy, GOENV: "off" });
    expect(childEnvironment("pulumi", {}, meant)).toMatchObject({
      GITHUB_TOKEN: "t",
      AWS_PROFILE: "lab",
      PULUMI_BACKEND_URL: "s3://state",
      PULUMI_CONFIG_PASSPHRASE: "",
      DOCKER_HOST: meant.DOCKER_HOST,
    });
    expect(childEnvironment("daemon", {}, meant)).not.toHaveProperty("PULUMI_CONFIG_PASSPHRASE");
    expect(childEnvironment("git", {}, meant)).not.toHaveProperty("GITHUB_TOKEN");
  });

  test("leaves out authorities and folders that are not there, and a working directory's meaning", () => {
    const there = join(folder, "docker", "config.json");
    const from = {
      ...plain,
      SSL_CERT_FILE: there,
      NODE_EXTRA_CA_CERTS: "/nowhere/ca.pem",
      TMPDIR: "/nowhere",
      GITOPS_LAB_HOME: "lab",
      XDG_CACHE_HOME: "cache",
    };
    const found = childEnvironment("daemon", {}, from);
    expect(found).toMatchObject({ SSL_CERT_FILE: there, GITOPS_LAB_HOME: join(process.cwd(), "lab") });
    for (const name of ["NODE_EXTRA_CA_CERTS", "TMPDIR", "XDG_CACHE_HOME"]) expect(found).not.toHaveProperty(name);
    expect(childEnvironment("program", {}, { ...plain, TMPDIR: folder })).toHaveProperty("TMPDIR", folder);
  });
});

test.each([
  ["/home/ada", "/home/ada"],
  ["", userInfo().homedir],
  ["relative", userInfo().homedir],
  [undefined, userInfo().homedir],
])("a HOME that is %j is %s", (HOME, expected) => {
  expect(homeFolder({ HOME })).toBe(expected);
});

test.each([
  ["/usr/bin:.:bin::/bin", ["/usr/bin", "/bin"]],
  ["", ["/usr/local/bin", "/usr/bin", "/bin"]],
  [undefined, ["/usr/local/bin", "/usr/bin", "/bin"]],
])("of a PATH %j what is absolute is looked through", (PATH, expected) => {
  expect(programFolders({ PATH })).toEqual(expected);
});

describe("a proxy", () => {
  const addresses = Object.values(networkInterfaces()).flatMap((all) =>
    (all ?? []).flatMap(({ internal, family, address }) => (internal || family !== "IPv4" ? [] : [address])),
  );

  test.each([
    [{ http_proxy: "http://p:1" }],
    [{ HTTPS_PROXY: "http://p:1" }],
    [{ ALL_PROXY: "socks5://p:1", no_proxy: ".corp", NO_PROXY: "10.0.0.0/8, x" }],
  ])("%j is never asked for this machine, in both spellings", (from: Environment) => {
    const { no_proxy: list = "", NO_PROXY: other } = proxyExceptions(from);
    expect(other).toBe(list);
    expect(list.split(",")).toEqual(expect.arrayContaining(["localhost", "127.0.0.1", "::1", ...addresses]));
    if (from["no_proxy"] !== undefined) expect(list).toMatch(/^\.corp,10\.0\.0\.0\/8,x,/);
  });

  test("that is not there makes no exceptions", () => {
    expect(proxyExceptions({ no_proxy: ".corp" })).toEqual({});
    expect(proxyExceptions({ http_proxy: "" })).toEqual({});
  });

  test("does not keep Git from a server here", async () => {
    // Nothing listens on either port: by the proxy it would be port 1 that refuses.
    vi.stubEnv("http_proxy", "http://127.0.0.1:1");
    try {
      const { stderr } = await run("git", ["ls-remote", "http://127.0.0.1:9/x.git"], { env: childEnvironment("git"), reject: false });
      expect(stderr).toMatch(/port 9\b/);
      const unguarded = await run("git", ["ls-remote", "http://127.0.0.1:9/x.git"], {
        env: { ...process.env },
        extendEnv: false,
        reject: false,
      });
      expect(unguarded.stderr).toMatch(/port 1\b/);
    } finally {
      vi.unstubAllEnvs();
    }
  });
});

test("Git's own files below a home count for nothing", async () => {
  vi.stubEnv("HOME", join(folder, "git-home"));
  vi.stubEnv("XDG_CONFIG_HOME", join(folder, "git-home", ".config"));
  try {
    const work = join(folder, "work");
    const git = async (env: Record<string, string>, ...args: string[]) => run("git", args, { env, cwd: folder, reject: false });
    await git(childEnvironment("git"), "init", "--quiet", work);
    const ignored = async (env: Record<string, string>) => (await git(env, "-C", work, "check-ignore", "any.txt")).exitCode === 0;
    const ends = async (env: Record<string, string>) => (await git(env, "-C", work, "check-attr", "eol", "any.txt")).stdout;
    expect(await ignored({ ...process.env } as Record<string, string>)).toBe(true);
    expect(await ignored(childEnvironment("git"))).toBe(false);
    expect(await ends(childEnvironment("git"))).toMatch(/unspecified$/);
  } finally {
    vi.unstubAllEnvs();
  }
});
