import { accessSync, constants, statSync } from "node:fs";
import { networkInterfaces, userInfo } from "node:os";
import { delimiter, isAbsolute, resolve } from "node:path";

/*
 * The environment of every child process. A shell holds hundreds of variables, and each program knows some that turn it into
 * another one; so nothing comes through that is not on a list here. docs/cli.md names what a user may set.
 */

/** An environment as it was found. */
export type Environment = Readonly<Record<string, string | undefined>>;

const proxies = ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"];
/** The authorities that addresses of the internet are trusted by. */
const authorities = ["SSL_CERT_FILE", "SSL_CERT_DIR"];
const network = [...proxies, ...authorities];
/** Where this program keeps things. */
const places = ["GITOPS_LAB_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"];
const node = ["NODE_EXTRA_CA_CERTS", "NODE_COMPILE_CACHE"];
const docker = [
  "DOCKER_HOST",
  "DOCKER_CONTEXT",
  "DOCKER_CONFIG",
  "DOCKER_CERT_PATH",
  "DOCKER_TLS_VERIFY",
  "SSH_AUTH_SOCK",
  "XDG_RUNTIME_DIR",
];
const github = ["GITHUB_TOKEN", "GITHUB_APP_ID", "GITHUB_APP_INSTALLATION_ID", "GITHUB_APP_PEM_FILE"];
const clouds = [/^(AWS|AZURE|CLOUDSDK|DIGITALOCEAN|GCLOUD|GOOGLE)_/, "USE_GKE_GCLOUD_AUTH_PLUGIN"];
const pulumi = [
  "PULUMI_ACCESS_TOKEN",
  "PULUMI_BACKEND_URL",
  "PULUMI_CONFIG_PASSPHRASE",
  "PULUMI_CONFIG_PASSPHRASE_FILE",
  "PULUMI_HOME",
  "PULUMI_K8S_DELETE_UNREACHABLE",
];
/** What of Go's settings says where modules come from and lie; none says what is built. */
export const goSettings = [
  "GOPROXY",
  "GONOPROXY",
  "GOPRIVATE",
  "GOSUMDB",
  "GONOSUMDB",
  "GOINSECURE",
  "GOAUTH",
  "GOPATH",
  "GOMODCACHE",
  "GOCACHE",
] as const;
const terminal = ["TERM", "COLORTERM", "COLUMNS", "LINES", "NO_COLOR", "SHELL"];

/** By what a program is, the variables of the caller's that it gets besides what every one does. */
const lists = {
  /** Anything that only looks at this machine or speaks to a server of the lab; also another process of this program. */
  program: [...network, ...places],
  git: [...network, "GIT_SSL_CAINFO"],
  go: [...network, ...goSettings],
  /** Asks Go for the settings above, which may be in its own file. */
  "go-settings": [...goSettings, "GOENV", "XDG_CONFIG_HOME"],
  docker: [...network, ...docker],
  /** Logs in to a cluster in the place of somebody: the clouds' command lines. */
  login: [...network, ...clouds],
  /** Pulumi's engine with all it starts: the program, the drivers, the plugins. */
  pulumi: [...network, ...places, ...node, ...pulumi, ...docker, ...github, ...clouds, "GIT_SSL_CAINFO"],
  /** What runs on after the command: the daemon and the web process. */
  daemon: [...network, ...places, ...node, "GIT_SSL_CAINFO"],
  /** This program itself. */
  lab: [
    ...network,
    ...places,
    ...node,
    ...pulumi,
    ...docker,
    ...github,
    ...clouds,
    ...goSettings,
    ...terminal,
    "GIT_SSL_CAINFO",
    "GOENV",
    "XDG_CONFIG_HOME",
    "KUBERNETES_SERVICE_HOST",
    "CI",
    // Of the test suite and the benches.
    /^(ATTEMPTS|BENCH)_/,
    "SEED",
  ],
} as const satisfies Record<string, readonly (string | RegExp)[]>;

export type ChildKind = keyof typeof lists;

/** What is the same for every program of a kind, whatever the caller's says. */
const fixed: Partial<Record<ChildKind, Record<string, string>>> = {
  git: {
    GIT_CONFIG_NOSYSTEM: "1",
    GIT_CONFIG_GLOBAL: "/dev/null",
    GIT_ATTR_NOSYSTEM: "1",
    GIT_TERMINAL_PROMPT: "0",
    // Below it are ~/.config/git/attributes and ~/.config/git/ignore, which no setting turns off, and curl's ~/.netrc.
    HOME: "/dev/null",
  },
  // What `go env -w` wrote is asked for, by name: tools/go-settings.ts. A go.work above the project is none of ours.
  go: { GOENV: "off", GOWORK: "off" },
  // Any Go tells its settings; another one would be downloaded for that.
  "go-settings": { GOTOOLCHAIN: "local" },
};

/** Marks a process as the lab's, with all that it starts: ledger/process-identity.ts. */
export const markVariable = "GITOPS_LAB_PROCESS";

/**
 * The whole environment of a child process.
 *
 * @param own what the child is given besides; undefined takes a variable away
 */
export function childEnvironment(kind: ChildKind, own: Environment = {}, from: Environment = process.env): Record<string, string> {
  const listed = Object.keys(from).filter((name) => lists[kind].some((one: string | RegExp) => matches(one, name)));
  const environment: Record<string, string | undefined> = {
    ...Object.fromEntries(listed.map((name) => [name, usable(name, from[name])])),
    ...everyones(from),
    ...proxyExceptions(from),
    ...fixed[kind],
    ...own,
  };
  return Object.fromEntries(Object.entries(environment).filter((entry): entry is [string, string] => entry[1] !== undefined));
}

const matches = (one: string | RegExp, name: string) => (typeof one === "string" ? one === name : one.test(name));

/** What every program gets. Its messages are in English, since some are read. */
function everyones(from: Environment): Record<string, string | undefined> {
  return {
    PATH: programFolders(from).join(delimiter),
    HOME: homeFolder(from),
    USER: from["USER"],
    LOGNAME: from["LOGNAME"],
    TMPDIR: isScratch(from["TMPDIR"]) ? from["TMPDIR"] : undefined,
    LC_ALL: "C",
    [markVariable]: from[markVariable],
  };
}

/** The folders on PATH, without those that another working directory would make others. */
export function programFolders(from: Environment = process.env): readonly string[] {
  const folders = (from["PATH"] ?? "").split(delimiter).filter(isAbsolute);
  return folders.length > 0 ? folders : ["/usr/local/bin", "/usr/bin", "/bin"];
}

/** Where the user is at home: HOME, and where that is empty, relative or missing the account's. Undefined where it has none. */
export function homeFolder(from: Environment = process.env): string | undefined {
  if (from["HOME"] !== undefined && isAbsolute(from["HOME"])) return from["HOME"];
  try {
    return userInfo().homedir;
  } catch {
    // A number that no account has, as in `docker run --user`.
    return undefined;
  }
}

/** Whether temporary files can be there. */
function isScratch(folder: string | undefined): boolean {
  return (
    folder !== undefined &&
    isAbsolute(folder) &&
    statSync(folder, { throwIfNoEntry: false })?.isDirectory() === true &&
    may(folder, constants.W_OK | constants.X_OK)
  );
}

/** Whether this account may use what is there so; false where nothing is. @param mode of `fs.constants`, such as `X_OK` */
export function may(path: string, mode: number): boolean {
  try {
    accessSync(path, mode);
    return true;
  } catch {
    return false;
  }
}

/** A value as a child may have it; undefined where it is better off without. */
function usable(name: string, value: string | undefined): string | undefined {
  if (value === undefined || value === "") return name.startsWith("PULUMI_") ? value : undefined;
  // An absolute path is one in every working directory; the XDG specification lets a relative one count for nothing.
  if (name === "GITOPS_LAB_HOME") return resolve(value);
  if (name.startsWith("XDG_")) return isAbsolute(value) ? value : undefined;
  // Go and Git trust nobody where the file is not there, and Node says so on standard error each time.
  if (["SSL_CERT_FILE", "GIT_SSL_CAINFO", "NODE_EXTRA_CA_CERTS"].includes(name)) return may(value, constants.R_OK) ? value : undefined;
  return value;
}

/**
 * A lab is on this machine, and what speaks to it must not ask a proxy for that: Git and curl do for loopback too. Both
 * spellings are given, since each program reads one first; nothing where no proxy is set.
 */
export function proxyExceptions(from: Environment, more: readonly string[] = []): Record<string, string> {
  if (!proxies.some((name) => !/^no_/i.test(name) && from[name])) return {};
  const said = [from["no_proxy"], from["NO_PROXY"]].flatMap((list) => list?.split(/[,\s]+/) ?? []).filter((entry) => entry !== "");
  const exceptions = [...new Set([...said, "localhost", "127.0.0.1", "::1", ...addressesHere(), ...more])].join(",");
  return { no_proxy: exceptions, NO_PROXY: exceptions };
}

/** The addresses of this machine that others reach: one of them is a cohort's that is opened. */
function addressesHere(): string[] {
  return Object.values(networkInterfaces()).flatMap((addresses) =>
    (addresses ?? []).filter(({ internal, address }) => !internal && !address.startsWith("fe80:")).map(({ address }) => address),
  );
}

/** The environment that this program was started with, for what is the caller's own: `./lab shell`, `./lab env`. */
let asStarted: Environment | undefined;
export const callersEnvironment = (): Environment => asStarted ?? process.env;

/** What others may do with a folder that is the caller's own, e.g. of evidence: the caller's umask decides. */
export const callersFolderMode = (): number => 0o700 | (0o055 & ~(mask ?? 0o022));
let mask: number | undefined;

/**
 * Leaves this process nothing but what is on its list, for libraries that read the environment or hand it on by themselves, and
 * gives new files the modes that the lab reckons with: a room's programs read tools and checkout as nobody in particular,
 * while everything that is secret is made with a mode of its own.
 */
export function settleOwnEnvironment(kind: ChildKind): void {
  const own = childEnvironment(kind);
  asStarted ??= { ...process.env };
  for (const name of Object.keys(process.env)) if (own[name] === undefined) delete process.env[name];
  Object.assign(process.env, own);
  const before = process.umask(0o022);
  mask ??= before;
}
