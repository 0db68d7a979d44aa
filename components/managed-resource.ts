import * as pulumi from "@pulumi/pulumi";

/**
 * Pulumi keeps the provider of a dynamic resource as source and runs that copy, even years later, for diffs and deletes. So the copy
 * is this function and nothing around it: it imports the real code from the project it runs in, as ordinary modules.
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

/**
 * The source as cmd/dynamic-provider of @pulumi/pulumi wants it. `pulumi.dynamic.Resource` would find out by TypeScript's compiler and
 * an inspector what a function captures, for each driver anew; this one captures nothing.
 */
const sourceOf = (driver: string) => `exports.handler = () => (${stub.toString()})(${JSON.stringify(driver)});\n`;

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
export class ManagedResource<Of extends DriverTypes, Output extends object = OutputOf<Of>> extends pulumi.CustomResource {
  readonly output: Outputs<Output>;

  constructor(name: string, args: ManagedResourceArgs<Of, Output>, options: pulumi.CustomResourceOptions) {
    const names = Object.keys(args.outputs) as (keyof Output & string)[];
    const outputs = Object.fromEntries(names.map((key) => [key, undefined]));
    const properties = { ...outputs, ...args.input, __provider: sourceOf(args.driver) };
    const additionalSecretOutputs = names.filter((key) => args.outputs[key] === "secret");
    super(`pulumi-nodejs:dynamic/gitops-lab:${args.type}`, name, properties, { ...options, additionalSecretOutputs });
    const resolved = this as unknown as Outputs<Output>;
    // The engine marks them in the state; here too, so that no way out of the program forgets it.
    const hide = <T>(value: pulumi.Output<T>, key: keyof Output) => (args.outputs[key] === "secret" ? pulumi.secret(value) : value);
    this.output = Object.fromEntries(names.map((key) => [key, hide(resolved[key], key)])) as unknown as Outputs<Output>;
  }
}
