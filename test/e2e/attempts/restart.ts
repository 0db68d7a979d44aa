import { waitUntil } from "../../../shared/wait.ts";
import { cluster } from "./ground.ts";
import type { Scene } from "./scene.ts";

/** Deletes a Flux controller's pod, which ends its process, and waits until there is another. */
export async function restartController({ kube }: Scene, app: string): Promise<void> {
  const pods = `/api/v1/namespaces/${cluster}/pods?labelSelector=app%3D${app}`;
  const ids = async () => {
    const items = await kube.list<{ status: { containerStatuses?: { ready: boolean; containerID?: string }[] } }>(pods);
    return items.flatMap(({ status }) =>
      (status.containerStatuses ?? []).flatMap(({ ready, containerID }) => (ready ? (containerID ?? []) : [])),
    );
  };
  const before = await ids();
  await kube.send("DELETE", pods);
  await waitUntil(
    async () => {
      const now = await ids();
      return now.some((id) => !before.includes(id)) ? { done: true, value: undefined } : { done: false, because: now.join() };
    },
    { what: `${app} to run again`, timeoutSeconds: 60, intervalMs: 300, remedy: "" },
  );
}
