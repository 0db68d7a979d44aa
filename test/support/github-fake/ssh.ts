import { spawn } from "node:child_process";
import { timingSafeEqual } from "node:crypto";
import type { AddressInfo } from "node:net";
import ssh2, { type AuthContext, type Connection } from "ssh2";
import type { FakeRepository, FakeState } from "./state.ts";

export interface SshServer {
  readonly port: number;
  close(): Promise<void>;
}

export interface SshOptions {
  readonly state: FakeState;
  /** The server's own key, in OpenSSH's form. */
  readonly hostKey: string;
  readonly onPushed: (repository: FakeRepository) => void;
}

/** Git over SSH as GitHub has it: by deploy key, one repository each, and nothing but Git. */
export async function startSshServer({ state, hostKey, onPushed }: SshOptions): Promise<SshServer> {
  const open = new Set<Connection>();
  const server = new ssh2.Server({ hostKeys: [hostKey] }, (client) => {
    open.add(client);
    let access: { readonly repository: FakeRepository; readonly readOnly: boolean } | undefined;
    client.on("authentication", (context) => {
      access = accessOf(state, context);
      if (access === undefined) context.reject(["publickey"]);
      else context.accept();
    });
    client.on("session", (accept) => {
      const session = accept();
      session.on("env", (acceptEnv) => acceptEnv?.());
      session.on("exec", (acceptExec, _reject, { command }) => {
        const channel = acceptExec();
        const [, service, owner, name] = /^git[- ](upload-pack|receive-pack) '\/?([^/']+)\/([^/']+?)(?:\.git)?'$/.exec(command) ?? [];
        const isOwn = access !== undefined && owner === state.organization && name === access.repository.name;
        const mayPush = access !== undefined && !access.readOnly && !access.repository.archived;
        if (access === undefined || !isOwn || (service === "receive-pack" && !mayPush)) {
          channel.stderr.write(
            isOwn ? "ERROR: The key you are authenticating with has been marked as read only.\n" : "ERROR: Repository not found.\n",
          );
          channel.exit(128);
          return channel.end();
        }
        const { repository } = access;
        const git = spawn("git", [service!, repository.path], { stdio: ["pipe", "pipe", "pipe"] });
        channel.pipe(git.stdin);
        git.stdout.pipe(channel, { end: false });
        git.stderr.pipe(channel.stderr, { end: false });
        git.once("close", (code) => {
          if (service === "receive-pack" && code === 0) onPushed(repository);
          channel.exit(code ?? 1);
          channel.end();
        });
      });
    });
    client.on("error", () => {});
    client.on("close", () => open.delete(client));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        for (const client of open) client.end();
        server.close(() => resolve());
      }),
  };
}

function accessOf(state: FakeState, context: AuthContext): { repository: FakeRepository; readOnly: boolean } | undefined {
  if (context.method !== "publickey" || context.username !== "git") return undefined;
  const offered = context.key.data;
  for (const repository of state.repositories.values()) {
    for (const { key, read_only } of repository.keys) {
      const known = Buffer.from(key.split(" ")[1] ?? "", "base64");
      if (known.length !== offered.length || !timingSafeEqual(known, offered)) continue;
      // The first question is only whether the key would do.
      if (context.signature === undefined) return { repository, readOnly: read_only };
      const parsed = ssh2.utils.parseKey(key);
      if (parsed instanceof Error || parsed.verify(context.blob!, context.signature, context.hashAlgo) !== true) return undefined;
      return { repository, readOnly: read_only };
    }
  }
  return undefined;
}
