import { buildImages } from "../../../host/images/build.ts";
import { withRepository } from "../../../host/images/crane.ts";
import { waitUntil } from "../../../shared/wait.ts";
import type { FileTree } from "../../../lab-templates/types.ts";
import { podOf } from "./pod-rows.ts";
import { pathOf, type KubeObject } from "./kube.ts";
import type { Scene } from "./scene.ts";

/** A program that takes as much of one thing as it gets, tells how much that was, and holds it. */
const probe: FileTree = {
  "go.mod": "module probe\n\ngo 1.24\n",
  "main.go": `package main

import (
	"fmt"
	"net"
	"os"
	"runtime"
	"strings"
	"syscall"
	"time"
)

func main() {
	switch os.Getenv("TAKE") {
	case "inotify":
		taken := 0
		var err error
		for ; taken < 100000; taken++ {
			if _, err = syscall.InotifyInit1(syscall.IN_CLOEXEC); err != nil {
				break
			}
		}
		fmt.Println("taken", taken, err)
	case "threads":
		started := make(chan bool)
		go func() {
			for i := 0; i < 6000; i++ {
				go func() {
					runtime.LockOSThread()
					started <- true
					// A system call keeps the thread.
					var time syscall.Timespec
					time.Sec = 600
					_ = syscall.Nanosleep(&time, nil)
				}()
			}
		}()
		for i := 0; i < 6000; i++ {
			<-started
			if i%250 == 249 {
				fmt.Println("taken", i+1)
			}
		}
	case "disk":
		// What is taken is not written, so that it takes no time.
		for i := 0; i < 24; i++ {
			file, err := os.Create(fmt.Sprintf("/scratch/%d", i))
			if err == nil {
				err = syscall.Fallocate(int(file.Fd()), 0, 0, 256<<20)
			}
			if err != nil {
				// What a pod says is kept on the same disk, which must have room for it again.
				os.Truncate("/scratch/0", 0)
				fmt.Println("taken", i*256, "MiB,", err)
				break
			}
			if i == 23 {
				fmt.Println("taken all")
			}
		}
	case "addresses":
		for _, address := range strings.Fields(os.Getenv("ADDRESSES")) {
			connection, err := net.DialTimeout("tcp", address, 2*time.Second)
			if err == nil {
				fmt.Fprint(connection, "GET / HTTP/1.0\\r\\n\\r\\n")
				connection.Close()
			}
			fmt.Println("tried", address, err)
		}
	}
	time.Sleep(10 * time.Minute)
}
`,
};

/** Pushes the program to ada's images; returns the image by its digest. */
async function pushProbe(scene: Scene): Promise<string> {
  const { images, registry } = scene.ground.ada;
  const [image] = await buildImages(probe, [{ version: "0.0.1", revision: "probe", created: 0 }]);
  await withRepository({ repository: images, ...registry, insecure: true }, (client) => client.push(image!.layout, image!.digest));
  return `${images}@${image!.digest}`;
}

/** Runs the program in a pod until its log has what is waited for, hands the log over, and deletes the pod. */
export async function withProbe<T>(
  scene: Scene,
  env: Readonly<Record<string, string>>,
  until: RegExp,
  use: (log: string, pod: KubeObject) => Promise<T>,
  context: object = {},
  more: { readonly spec?: object; readonly container?: object } = {},
): Promise<T> {
  const pod = podOf(scene.name, {
    context,
    spec: more.spec ?? {},
    container: { ...more.container, image: await pushProbe(scene), env: Object.entries(env).map(([name, value]) => ({ name, value })) },
  });
  const answer = await scene.kube.create(pod);
  if (answer.status >= 300) throw new Error(`the pod was not taken: ${answer.text}`);
  try {
    const log = await waitUntil(
      async () => {
        const { text } = await scene.kube.send("GET", `${pathOf(pod)}/log`);
        const { status } = JSON.parse((await scene.kube.send("GET", pathOf(pod))).text) as {
          status?: { phase?: string; reason?: string; message?: string };
        };
        const isOver = status?.phase === "Failed" || status?.phase === "Succeeded";
        // A pod that was ended may have no log any more, but it has a reason.
        if (isOver && !until.test(text)) return { done: true, value: `${text}\n${status?.phase}, ${status?.reason}: ${status?.message}` };
        return until.test(text) ? { done: true, value: text } : { done: false, because: `${status?.phase}: ${text.slice(0, 300)}` };
      },
      { what: `the pod ${scene.name} to tell ${until}`, timeoutSeconds: 90, intervalMs: 500, remedy: "" },
    );
    return await use(log, pod);
  } finally {
    await scene.kube.send("DELETE", `${pathOf(pod)}?gracePeriodSeconds=0`);
  }
}
