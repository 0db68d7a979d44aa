import { createServer, type AddressInfo } from "node:net";
import { networkInterfaces } from "node:os";
import { ExitCode, LabError } from "../../shared/errors.ts";
import type { Opening } from "../../shared/opening.ts";

/**
 * Looks, before anything is created, whether this machine can listen where a cohort is to be opened, by doing so for a
 * moment; returns the address that the name leads to. Throws LabError `access-impossible` (exit code 2) with the addresses there are.
 */
export async function requireAddress({ listen }: Opening): Promise<string> {
  const server = createServer();
  try {
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen({ host: listen, port: 0, exclusive: true }, resolve);
    });
    const { address } = server.address() as AddressInfo;
    // An API server listens there itself, on the very port that would be opened.
    if (address === "127.0.0.1" || address === "::1") throw impossible(listen, `leads to ${address}, where the lab listens anyway`);
    if (address === "0.0.0.0" || address === "::") throw impossible(listen, "leads to every address of this machine");
    return address;
  } catch (error) {
    if (error instanceof LabError) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    const known: Readonly<Record<string, string>> = {
      EADDRNOTAVAIL: "is no address of this machine",
      ENOTFOUND: "is a name that leads to no address",
      EAI_AGAIN: "is a name that could not be looked up just now",
    };
    throw impossible(listen, known[code ?? ""] ?? `can't be listened on (${code ?? message})`, error);
  } finally {
    server.close();
  }
}

/** The IPv4 addresses of this machine beside loopback; those of Docker's bridges, which no other machine reaches, first. */
export function ownAddresses(): string[] {
  const bridges = Object.entries(networkInterfaces()).toSorted(([one], [other]) => Number(isBridge(other)) - Number(isBridge(one)));
  return bridges.flatMap(([, addresses]) =>
    (addresses ?? []).filter(({ internal, family }) => !internal && family === "IPv4").map(({ address }) => address),
  );
}

const isBridge = (name: string) => /^(docker\d+|br-[0-9a-f]{12})$/.test(name);

function impossible(listen: string, because: string, cause?: unknown): LabError {
  const there = ownAddresses();
  return new LabError(
    "access-impossible",
    `\`access.listen\` is ${JSON.stringify(listen)}, which ${because}. Nothing was created. Addresses of this machine: ${there.join(", ") || "none but loopback"}. Name one, or a host name that leads to one, and run the command again.`,
    {
      exitCode: ExitCode.badInput,
      cause,
    },
  );
}
