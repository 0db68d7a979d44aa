/** How somebody logs in to a cloud, and where what was given then is found. */
export interface Login {
  readonly command: string;
  /** The cloud's own program: kubectl and the lab log in with it. */
  readonly program: string;
  readonly programHint: string;
  /** How the cloud's plugin finds who we are: environment variables, files below the home folder. */
  readonly variables: readonly string[];
  readonly files: readonly string[];
}
