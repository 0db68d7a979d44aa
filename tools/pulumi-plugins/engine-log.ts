import { credentials } from "@grpc/grpc-js";

export interface EngineLog {
  /** The engine's address, where it changes. */
  attach(address: string): void;
  /** A warning that the engine shows at the resource. */
  warn(urn: string, message: string): void;
}

/** Pulumi's engine as a log. Its protocol is loaded with the first message, since most providers have none. */
export function engineLog(initialAddress: string): EngineLog {
  let address = initialAddress;
  return {
    attach(changed) {
      address = changed;
    },
    warn(urn, message) {
      void send(address, urn, message);
    },
  };
}

async function send(address: string, urn: string, message: string): Promise<void> {
  const [{ default: service }, { default: messages }] = await Promise.all([
    import("@pulumi/pulumi/proto/engine_grpc_pb.js"),
    import("@pulumi/pulumi/proto/engine_pb.js"),
  ]);
  const client = new service.EngineClient(address, credentials.createInsecure());
  const request = new messages.LogRequest().setSeverity(messages.LogSeverity.WARNING).setUrn(urn).setMessage(message);
  client.log(request, (error) => {
    if (error) console.error(message);
    client.close();
  });
}
