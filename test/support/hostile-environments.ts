import { chmod, mkdir, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { cacheHome } from "../../shared/paths.ts";

/** What a shell can hold against a program, in the way that people's machines have it. */
export interface HostileEnvironment {
  readonly name: string;
  /** What it does to a program that takes it as it comes. */
  readonly does: string;
  /** Variables to set; undefined takes one away. */
  readonly variables: Readonly<Record<string, string | undefined>>;
  /** What is done in the shell before the program starts. */
  readonly shell?: string;
}

const files = async (folder: string, contents: Readonly<Record<string, string>>) => {
  for (const [name, content] of Object.entries(contents)) {
    await mkdir(join(folder, name, ".."), { recursive: true });
    await writeFile(join(folder, name), content);
  }
};

/** The twenty environments. Files that they name are made below the folder. */
export async function hostileEnvironments(folder: string): Promise<readonly HostileEnvironment[]> {
  const nowhere = join(folder, "nowhere");
  const gitHome = join(folder, "git-home");
  await files(gitHome, {
    ".gitconfig": `[url "${nowhere}/"]\n	insteadOf = http://127.0.0.1\n	pushInsteadOf = http://127.0.0.1\n[core]\n	hooksPath = ${folder}/hooks\n	autocrlf = true\n	fsmonitor = ${nowhere}/monitor\n[init]\n	templateDir = ${nowhere}\n	defaultBranch = trunk\n[commit]\n	gpgSign = true\n[tag]\n	gpgSign = true\n[fetch]\n	prune = true\n[transfer]\n	fsckObjects = true\n`,
    ".config/git/ignore": "*\n",
    ".config/git/attributes": "* text eol=crlf\n",
    ".netrc": "default login nobody password wrong\n",
  });
  for (const hook of ["pre-commit", "commit-msg", "pre-push", "post-checkout"]) {
    await files(join(folder, "hooks"), { [hook]: "#!/bin/sh\nexit 1\n" });
    await chmod(join(folder, "hooks", hook), 0o755);
  }
  await files(folder, {
    "bash-env": "echo noise; cd /; exit 3\n",
    "go-env": "GOFLAGS=-mod=vendor\nGOOS=windows\nGOARCH=arm\nCGO_ENABLED=1\nGOWORK=/nowhere/go.work\nGOEXPERIMENT=nosuch\n",
    "docker/config.json": '{"auths":{},"credsStore":"nosuch","credHelpers":{"127.0.0.1":"nosuch"}}',
  });
  const long = join(folder, ...Array.from({ length: 4 }, (_, index) => `${index}`.repeat(40)));
  await mkdir(long, { recursive: true });
  const shut = "http://127.0.0.1:1";
  const home = homedir();
  const cache = join(cacheHome(), "..");
  return [
    {
      name: "a proxy",
      does: "everything that goes by libcurl asks a proxy for 127.0.0.1",
      variables: { http_proxy: shut, https_proxy: shut, all_proxy: shut, no_proxy: undefined, NO_PROXY: undefined },
    },
    {
      name: "a proxy in capitals, with exceptions of a company",
      does: "Go's programs ask it, and a list of exceptions is there and lacks this machine",
      variables: {
        HTTP_PROXY: shut,
        HTTPS_PROXY: shut,
        ALL_PROXY: "socks5h://127.0.0.1:1",
        no_proxy: ".corp.example",
        NO_PROXY: "10.0.0.0/8",
      },
    },
    {
      name: "a ~/.gitconfig of many years",
      does: "addresses are replaced, hooks refuse, commits are to be signed, line ends change, everything is ignored, ~/.netrc logs in as somebody else",
      variables: { HOME: gitHome, XDG_CONFIG_HOME: join(gitHome, ".config"), XDG_CACHE_HOME: cache },
    },
    {
      name: "GIT_ variables",
      does: "Git works in another repository, with another configuration, and traces on standard error",
      variables: {
        GIT_DIR: nowhere,
        GIT_WORK_TREE: nowhere,
        GIT_INDEX_FILE: join(nowhere, "index"),
        GIT_OBJECT_DIRECTORY: nowhere,
        GIT_EXEC_PATH: nowhere,
        GIT_TEMPLATE_DIR: nowhere,
        GIT_TRACE: "1",
        GIT_TRACE_CURL: "1",
        GIT_ASKPASS: "/bin/false",
        GIT_SSH_COMMAND: "/bin/false",
        GIT_SSL_NO_VERIFY: "true",
        GIT_CONFIG_COUNT: "2",
        GIT_CONFIG_KEY_0: `url.${nowhere}/.insteadOf`,
        GIT_CONFIG_VALUE_0: "http://127.0.0.1",
        GIT_CONFIG_KEY_1: "core.hooksPath",
        GIT_CONFIG_VALUE_1: join(folder, "hooks"),
        GIT_AUTHOR_DATE: "never",
        GIT_ALLOW_PROTOCOL: "file",
      },
    },
    {
      name: "other languages",
      does: "messages that are read come in German, letters change case by Turkish rules",
      variables: { LANG: "tr_TR.UTF-8", LC_ALL: "de_DE.UTF-8", LC_MESSAGES: "de_DE", LANGUAGE: "de:tr", LC_NUMERIC: "de_DE" },
    },
    {
      name: "Node's own variables",
      does: "Node loads a module that is not there, omits dependencies, goes by a proxy",
      variables: {
        NODE_OPTIONS: "--require /nonexistent.cjs",
        NODE_PATH: nowhere,
        NODE_ENV: "production",
        NODE_USE_ENV_PROXY: "1",
        HTTP_PROXY: shut,
        NODE_DEBUG: "http,net,module",
        NODE_V8_COVERAGE: nowhere,
        NODE_TLS_REJECT_UNAUTHORIZED: "0",
      },
    },
    {
      name: "authorities that are not there",
      does: "who reads the lists of authorities trusts nobody, or says so on standard error",
      variables: {
        NODE_EXTRA_CA_CERTS: join(nowhere, "ca.pem"),
        SSL_CERT_FILE: join(nowhere, "ca.pem"),
        SSL_CERT_DIR: nowhere,
        GIT_SSL_CAINFO: join(nowhere, "ca.pem"),
        CURL_CA_BUNDLE: join(nowhere, "ca.pem"),
        REQUESTS_CA_BUNDLE: join(nowhere, "ca.pem"),
      },
    },
    {
      name: "Go's variables",
      does: "Go builds for another machine, from a folder that is not there, with another toolchain",
      variables: {
        GOFLAGS: "-mod=vendor",
        GOOS: "windows",
        GOARCH: "arm",
        GOROOT: nowhere,
        GOWORK: join(nowhere, "go.work"),
        GO111MODULE: "off",
        GOPROXY: "off",
        GOTOOLCHAIN: "go1.99.0",
        CGO_ENABLED: "1",
        CC: "/bin/false",
        GODEBUG: "gctrace=1,http2debug=1",
        GOTRACEBACK: "crash",
        GOMAXPROCS: "1",
      },
    },
    {
      name: "go env -w",
      does: "the same from a file, which no variable tells of",
      variables: { GOENV: join(folder, "go-env") },
    },
    {
      name: "a shell with start-up files and functions",
      does: "each bash runs a file that ends it, and a function stands for a program",
      variables: {
        BASH_ENV: join(folder, "bash-env"),
        ENV: join(folder, "bash-env"),
        CDPATH: "/tmp:/",
        SHELLOPTS: "noglob:noexec",
        POSIXLY_CORRECT: "1",
        "BASH_FUNC_node%%": "() { return 1; }",
        "BASH_FUNC_dirname%%": "() { echo /; }",
        "BASH_FUNC_command%%": "() { return 1; }",
      },
    },
    {
      name: "Pulumi's variables",
      does: "another stack, another configuration, options of commands that nobody gave",
      variables: {
        PULUMI_STACK: "production",
        PULUMI_CONFIG: '{"gitops-lab:cohort":"nothing"}',
        PULUMI_OPTION_STACK: "production",
        PULUMI_OPTION_TARGET: "urn:pulumi:nothing",
        PULUMI_OPTION_REFRESH: "true",
        PULUMI_OPTION_COLOR: "always",
        PULUMI_EXPERIMENTAL: "true",
        PULUMI_SKIP_CHECKPOINTS: "true",
        PULUMI_DEBUG_COMMANDS: "true",
        PULUMI_PARALLEL: "1",
        PULUMI_ENABLE_LEGACY_APPLY: "true",
        PULUMI_ORGANIZATION: "nobody",
        PULUMI_DIY_BACKEND_GZIP: "true",
        PULUMI_NODEJS_PROJECT: "other",
      },
    },
    {
      name: "no folder for temporary files",
      does: "what makes one there fails",
      variables: { TMPDIR: nowhere, TMP: nowhere, TEMP: nowhere },
    },
    {
      name: "a long path to the temporary files",
      does: "a socket below it has more than the 107 bytes that Linux takes",
      variables: { TMPDIR: long },
    },
    {
      name: "no HOME, and empty variables of XDG",
      does: "as in a unit of systemd: state lands in the working directory, or nowhere",
      variables: {
        HOME: undefined,
        XDG_STATE_HOME: "",
        XDG_CONFIG_HOME: "",
        XDG_DATA_HOME: "",
        XDG_CACHE_HOME: cache.startsWith(home) ? "" : cache,
      },
    },
    {
      name: "a HOME that is not there, and relative variables of XDG",
      does: "files of one command are not found by the next, from another folder",
      variables: {
        HOME: "/nonexistent",
        XDG_STATE_HOME: "state",
        XDG_CONFIG_HOME: "config",
        XDG_CACHE_HOME: cache,
        PULUMI_HOME: join(folder, "pulumi"),
      },
    },
    {
      name: "other clusters and registries",
      does: "commands go to another cluster, and log in to a registry by a program that is not there",
      variables: {
        KUBECONFIG: join(nowhere, "kubeconfig"),
        KUBERNETES_MASTER: shut,
        DOCKER_HOST: "tcp://127.0.0.1:1",
        DOCKER_CONFIG: join(folder, "docker"),
        DOCKER_CONTEXT: "nosuch",
        DOCKER_CONTENT_TRUST: "1",
        FLUX_SYSTEM_NAMESPACE: "elsewhere",
        HELM_DRIVER: "sql",
        HELM_NAMESPACE: "elsewhere",
        ETCD_DATA_DIR: nowhere,
        ETCD_NAME: "other",
        REGISTRY_HTTP_ADDR: ":1",
        REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY: nowhere,
        KWOK_KUBE_VERSION: "1.0.0",
        OTEL_EXPORTER_OTLP_ENDPOINT: shut,
      },
    },
    { name: "umask 000", does: "what is made may be written by everybody", variables: {}, shell: "umask 000" },
    { name: "umask 777", does: "what is made may be read by nobody", variables: {}, shell: "umask 777" },
    {
      name: "small limits",
      does: "256 open files, few processes, small files, little processor time",
      variables: {},
      shell: "ulimit -S -n 256; ulimit -S -u 500; ulimit -S -f 2048; ulimit -S -t 30; ulimit -S -v 4000000",
    },
    {
      name: "a terminal of another kind, and leftovers of other tools",
      does: "colours and progress get into what is read, and the loader looks for a library that is not there",
      variables: {
        TERM: "dumb",
        COLUMNS: "12",
        FORCE_COLOR: "3",
        CLICOLOR_FORCE: "1",
        NO_COLOR: undefined,
        CI: "true",
        LD_PRELOAD: "/nonexistent.so",
        LD_LIBRARY_PATH: nowhere,
        PYTHONHOME: nowhere,
        PYTHONPATH: nowhere,
        PERL5LIB: nowhere,
        PERL5OPT: "-Mnosuch",
        SSH_ASKPASS: "/bin/false",
        SSH_AUTH_SOCK: join(nowhere, "agent"),
        TZ: "Mars/Olympus",
        MALLOC_PERTURB_: "85",
        TAR_OPTIONS: "--nosuch",
        GZIP: "-9",
        GREP_OPTIONS: "--color=always",
      },
    },
  ];
}

/** Several of them at once. The names of their variables must differ. */
export function combined(environments: readonly HostileEnvironment[]): HostileEnvironment {
  return {
    name: environments.map(({ name }) => name).join("; "),
    does: environments.map(({ does }) => does).join("; "),
    variables: Object.assign({}, ...environments.map(({ variables }) => variables)) as HostileEnvironment["variables"],
    shell: environments.flatMap(({ shell }) => shell ?? []).join("; "),
  };
}
