/** Help for refusals of a cloud or a cluster, by the plugin's words; the first that fits counts. */
const remedies: readonly (readonly [RegExp, string])[] = [
  [
    /could not find default credentials|no valid credential sources|NoCredentialProviders|failed to refresh cached credentials|Unable to authenticate you|credentials? (were|was) not found/i,
    "No credentials were found: log in to the cloud (`./lab doctor` says how), then run `./lab up` again.",
  ],
  [
    /invalid_grant|reauth|ExpiredToken|token (is|has) expired|security token included in the request is (expired|invalid)|401 Unauthorized|Unauthenticated/i,
    "The login has run out: log in to the cloud again (`./lab doctor` says how), then run `./lab up` again; what is there stays.",
  ],
  [
    /quota|LimitExceeded|VcpuLimitExceeded|AddressLimitExceeded|droplet limit|exceed your .*limit|rateLimitExceeded/i,
    "The account's quota does not suffice: ask the cloud for more, choose fewer or smaller nodes in the cohort file, or another region; then run `./lab up` again.",
  ],
  [
    /has not been used in project|API .* (is )?disabled|SERVICE_DISABLED|accessNotConfigured/i,
    "Switch the named API on for the project (`gcloud services enable container.googleapis.com compute.googleapis.com`), then run `./lab up` again.",
  ],
  [
    /AccessDenied|is not authorized to perform|PERMISSION_DENIED|Required '.*' permission|403 Forbidden/i,
    "The login may not do this: give it the named right (docs/clusters.md lists them), then run `./lab up` again.",
  ],
  [
    /already ?exists|ResourceInUseException|alreadyExists|Name is already in use/i,
    'An interrupted run has left it, unknown to Pulumi\'s state: look at its labels, delete it or take it over with `pulumi import` (docs/clusters.md, "Rescue"), then run `./lab up` again.',
  ],
  [
    /configured Kubernetes cluster is unreachable|unable to load schema information from the API server/i,
    'Nobody answers at the cluster\'s address: check the network and `allowedNetworks`; if the cluster is gone, docs/clusters.md, "Rescue", says how to go on.',
  ],
  [
    /ZONE_RESOURCE_POOL_EXHAUSTED|InsufficientInstanceCapacity|does not have enough resources/i,
    "The cloud has no such machine left there: choose another machine type or zone in the cohort file, or set `spot: false`; then run `./lab up` again.",
  ],
];

/** A sentence that helps with a failure of a cloud; undefined where none is known. */
export function cloudRemedy(message: string): string | undefined {
  return remedies.find(([pattern]) => pattern.test(message))?.[1];
}
