import * as pulumi from "@pulumi/pulumi";
export function fluxDeployments(name: string, _args: object, options: pulumi.CustomResourceOptions): pulumi.Resource {
  return new pulumi.ComponentResource("gitops-lab:flux:Deployments", name, {}, options);
}
