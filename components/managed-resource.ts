import * as pulumi from "@pulumi/pulumi";

/**
 * Pulumi keeps the provider of a dynamic resource as serialized source and runs that copy, even years later, for diffs
 * and deletes. So the serialized part is this stub that captures nothing but the driver's name: it imports the real code
 * from the project it runs in, as ordinary modules.
 */
function stub(driver: string): pulumi.dynamic.ResourceProvider {
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

const stubs = new Map<string, pulumi.dynamic.ResourceProvider>();

/** One stub per driver: Pulumi serializes each object once, and that is most of what a resource costs in the program. */
function stubOf(driver: string): pulumi.dynamic.ResourceProvider {
  const made = stubs.get(driver) ?? stub(driver);
  stubs.set(driver, made);
  return made;
}

type Outputs<T> = { readonly [K in keyof T]: pulumi.Output<T[K]> };

/** A driver as far as its types go. Components name it by `typeof`, and so load none. */
interface DriverTypes {
  readonly name: string;
  ensure(input: never): Promise<{ readonly output: object }>;
}
type InputOf<Of extends DriverTypes> = Parameters<Of["ensure"]>[0];
type OutputOf<Of extends DriverTypes> = Awaited<ReturnType<Of["ensure"]>>["output"];

export interface ManagedResourceArgs<Of extends DriverTypes, Output extends object> {
  readonly driver: Of["name"];
  /** Pulumi type of the resource, e.g. `EmbeddedCluster`. */
  readonly type: string;
  readonly input: { readonly [K in keyof InputOf<Of>]: pulumi.Input<InputOf<Of>[K]> };
  /** Every output of the driver; the secret ones are encrypted in the state. */
  readonly outputs: { readonly [K in keyof Output]: "plain" | "secret" };
}

/** A resource that a driver makes. `Output` is given where it has more than the driver promises. */
export class ManagedResource<Of extends DriverTypes, Output extends object = OutputOf<Of>> extends pulumi.dynamic.Resource {
  readonly output: Outputs<Output>;

  constructor(name: string, args: ManagedResourceArgs<Of, Output>, options: pulumi.CustomResourceOptions) {
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
