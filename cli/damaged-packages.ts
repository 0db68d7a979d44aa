/*
 * No package is imported here, and no module that imports one: this tells of packages that can't be.
 */

/**
 * The npm package of a module that did not load, because a file of the package is missing or cut off; undefined for any other
 * error. Node names the file of a syntax error on the first line of its stack, and the package in the message of the others.
 */
export function damagedPackage(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const { code } = error as NodeJS.ErrnoException;
  if (
    !(error instanceof SyntaxError) &&
    code !== "ERR_MODULE_NOT_FOUND" &&
    code !== "MODULE_NOT_FOUND" &&
    code !== "ERR_INVALID_PACKAGE_CONFIG"
  )
    return undefined;
  const [first = ""] = (error.stack ?? "").split("\n");
  const named = /(?:Cannot find package|requested module) '((?:@[\w.-]+\/)?[\w-][\w.-]*)/.exec(error.message)?.[1];
  const inPath = /\/node_modules\/((?:@[\w.-]+\/)?[\w.-]+)/.exec(`${error.message}\n${first}`)?.[1];
  // Of a module that can't be compiled Node tells the file to terminals alone; the program's own are TypeScript, with a code.
  const uncompiled = code === undefined && /at (?:compileSourceTextModule|wrapSafe) /.test(error.stack ?? "") ? "one of them" : undefined;
  return named ?? inPath ?? uncompiled;
}

/** The remedy. `./lab` goes by npm's own note of a finished installation. */
export function damagedSentence(name: string): string {
  return `npm's packages are damaged (${name}), as a full disk or a lost machine may leave it. Run \`rm node_modules/.package-lock.json\` in the folder of \`lab\`, then the command again, which installs the packages anew.`;
}
