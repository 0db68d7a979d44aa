import { childEnvironment } from "../../shared/environment.ts";

/** The variables that the lab's own processes get of their caller's; Pulumi's (passphrase, plugin sockets) are none of their business. */
export const passedEnvironment = (): Record<string, string> => childEnvironment("daemon");
