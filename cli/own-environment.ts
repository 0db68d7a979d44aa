import { settleOwnEnvironment } from "../shared/environment.ts";

/*
 * Imported before anything else: what is loaded after it finds the environment of this program and not the shell's. Pulumi's
 * library hands its own on to the engine, and the libraries for clusters read theirs.
 */
settleOwnEnvironment("lab");
