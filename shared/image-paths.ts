/** Another image beside one: `host/ada/backend` and `traps` give `host/ada/traps`. */
export function siblingImage(repository: string, name: string): string {
  return `${repository.slice(0, repository.lastIndexOf("/") + 1)}${name}`;
}
