import { Metadata, status, type handleUnaryCall, type ServiceError } from "@grpc/grpc-js";
import messages from "@pulumi/pulumi/proto/provider_pb.js";
import statusMessages from "@pulumi/pulumi/proto/status_pb.js";
import any from "google-protobuf/google/protobuf/any_pb.js";
import struct from "google-protobuf/google/protobuf/struct_pb.js";
import { LabError, messageOf } from "../../shared/errors.ts";
import { ApiError } from "../../shared/kube-api.ts";
import type { Properties } from "../../shared/json.ts";

/** Something that was made but did not become ready: Pulumi keeps it in the state, and the next update looks again. */
export class InitializationError extends Error {
  override readonly name = "InitializationError";
  readonly id: string;
  readonly state: Properties;

  constructor(message: string, id: string, state: Properties) {
    super(message);
    this.id = id;
    this.state = state;
  }
}

/** A gRPC handler from a function that may throw. */
export function unary<Request, Response>(answer: (request: Request) => Promise<Response> | Response): handleUnaryCall<Request, Response> {
  return async (call, callback) => {
    try {
      callback(null, await answer(call.request));
    } catch (error) {
      callback(toStatus(error));
    }
  };
}

export function refuse(message: string): handleUnaryCall<unknown, unknown> {
  return (_call, callback) => callback({ code: status.UNIMPLEMENTED, details: message });
}

export function fromStruct(properties: struct.Struct | undefined): Properties {
  return (properties?.toJavaScript() ?? {}) as Properties;
}

export function toStruct(properties: Properties): struct.Struct {
  return struct.Struct.fromJavaScript(properties);
}

/** An expected failure is its message; a defect comes with where it happened. */
function toStatus(error: unknown): Partial<ServiceError> {
  if (error instanceof InitializationError) return initializationStatus(error);
  const expected = error instanceof LabError || error instanceof ApiError;
  return { code: status.UNKNOWN, details: expected ? error.message : `${messageOf(error)}\n${frames(error)}` };
}

/** The stack without its first line, which repeats the message as it was before anything secret was taken out. */
function frames(error: unknown): string {
  const lines = error instanceof Error ? (error.stack ?? "").split("\n") : [];
  return lines.filter((line) => /^ +at /.test(line)).join("\n");
}

/** The engine takes the object's state from the details of the status. */
function initializationStatus({ message, id, state }: InitializationError): Partial<ServiceError> {
  const failure = new messages.ErrorResourceInitFailed();
  failure.setId(id);
  failure.setProperties(toStruct(state));
  failure.setReasonsList([message]);
  const detail = new any.Any();
  detail.pack(failure.serializeBinary(), "pulumirpc.ErrorResourceInitFailed");
  const full = new statusMessages.Status();
  full.setCode(status.UNKNOWN);
  full.setMessage(message);
  full.addDetails(detail);
  const metadata = new Metadata();
  metadata.add("grpc-status-details-bin", Buffer.from(full.serializeBinary()));
  return { code: status.UNKNOWN, details: message, metadata };
}
