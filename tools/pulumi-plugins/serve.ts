import { flushCompileCache } from "node:module";
import { Server, ServerCredentials, type UntypedServiceImplementation } from "@grpc/grpc-js";
import service from "@pulumi/pulumi/proto/provider_grpc_pb.js";

/**
 * Serves a resource plugin to the engine that has started this process: it gives its own address as last argument, reads
 * the port from the first line of output, and speaks pulumirpc.ResourceProvider.
 */
export function servePlugin(handlers: UntypedServiceImplementation): void {
  // An object with its schema may be larger than gRPC's 4 MiB would safely hold.
  const server = new Server({ "grpc.max_receive_message_length": -1, "grpc.max_send_message_length": -1 });
  server.addService(service.ResourceProviderService, handlers);
  server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) => {
    if (error) throw error;
    process.stdout.write(`${port}\n`);
    // Now and not at the end, because the engine ends its plugins with SIGKILL.
    flushCompileCache();
  });

  // The engine holds the other end: when it dies without a word, this must not stay behind.
  process.stdin.once("end", () => process.exit(0)).resume();
}
