import * as pulumi from "@pulumi/pulumi";
import type { DriverName } from "../host/drivers/drivers.ts";

/**
 * Pulumi keeps the provider of a dynamic resource as serialized source and runs that copy, even years later, for diffs
 * and deletes. So the serialized part is this stub that captures nothing but the driver's name: it imports the real code
 * from the project it runs in, as ordinary modules.
 */
function stub(driver: DriverName): pulumi.dynamic.ResourceProvider {
  const crud = async () => {
    const { pathToFileURL } = await import("node:url");
    return import(pathToFileURL(`${process.cwd()}/host/drivers/crud.ts`).href);
  };
  return {
    configure: async ({ config }) => (await crud()).configureDrivers(config),
    create: async (inputs) => (await crud()).createResource(driver, inputs),
    diff: async (_id, state, inputs) => (await crud()).diffResource(driver, state, inputs),
    read: async (id, state) => (await crud()).readResource(driver, id, state),
    update: async (_id, _state, inputs) => (await crud()).updateResource(driver, inputs),
    delete: async (id, state) => (await crud()).deleteResource(driver, id, state),
  };
}

const stubs = new Map<DriverName, pulumi.dynamic.ResourceProvider>();

/** One stub per driver: Pulumi serializes each object once, and that is most of what a resource costs in the program. */
function stubOf(driver: DriverName): pulumi.dynamic.ResourceProvider {
  const made = stubs.get(driver) ?? stub(driver);
  stubs.set(driver, made);
  return made;
}

type Outputs<T> = { readonly [K in keyof T]: pulumi.Output<T[K]> };

export interface ManagedResourceArgs<Input extends object, Output extends object> {
  readonly driver: DriverName;
  /** Pulumi type of the resource, e.g. `EmbeddedCluster`. */
  readonly type: string;
  readonly input: { readonly [K in keyof Input]: pulumi.Input<Input[K]> };
  /** Every output of the driver; the secret ones are encrypted in the state. */
  readonly outputs: { readonly [K in keyof Output]: "plain" | "secret" };
}

/** A resource of the lab host, made by a driver. */
export class ManagedResource<Input extends object, Output extends object> extends pulumi.dynamic.Resource {
  readonly output: Outputs<Output>;

  constructor(name: string, args: ManagedResourceArgs<Input, Output>, options: pulumi.CustomResourceOptions) {
    const names = Object.keys(args.outputs) as (keyof Output & string)[];
    const properties: Record<string, unknown> = { ...Object.fromEntries(names.map((key) => [key, undefined])), ...args.input };
    const additionalSecretOutputs = names.filter((key) => args.outputs[key] === "secret");
    super(stubOf(args.driver), name, properties, { ...options, additionalSecretOutputs }, "gitops-lab", args.type);
    const resolved = this as unknown as Outputs<Output>;
    // The engine marks them in the state; here too, so that no way out of the program forgets it.
    const hide = <T>(value: pulumi.Output<T>, key: keyof Output) => (args.outputs[key] === "secret" ? pulumi.secret(value) : value);
    this.output = Object.fromEntries(names.map((key) => [key, hide(resolved[key], key)])) as unknown as Outputs<Output>;
  }
}
