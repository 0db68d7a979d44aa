import type { Driver } from "../../../host/driver.ts";
import { generateSshKey } from "../ssh-key.ts";

export interface SshKeyInput {
  readonly comment: string;
}

export interface SshKeyOutput {
  /** In OpenSSH's own form. */
  readonly privateKey: string;
  /** `ssh-ed25519 <base64>` */
  readonly publicKey: string;
}

/** A key pair that is kept in the state alone. */
export const sshKey: Driver<SshKeyInput, SshKeyOutput, "ssh-key"> = {
  name: "ssh-key",
  replaceOn: [],
  creationOnly: ["comment"],

  async ensure({ comment }) {
    return { id: comment, output: generateSshKey(comment) };
  },

  async read(_id, output) {
    return output;
  },

  async remove() {},
};
