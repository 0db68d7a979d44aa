// Command lab-node runs one learner's Kubernetes node: a container runtime, a kubelet and what belongs to them, in
// namespaces of their own that end together.
//
//	lab-node run <config>                      runs the node until it ends or is told to
//	lab-node confine <config> <program> [arg]  becomes the program, within the learner's limits
//
// It knows nothing of Kubernetes: the configuration (host/node/config.ts) says what to run, and how.
package main

import (
	"fmt"
	"os"
	"runtime"
)

func init() {
	// The kernel ends the node with the thread that started it, so that must be the one which lives longest.
	runtime.LockOSThread()
}

func main() {
	if err := dispatch(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "lab-node:", err)
		os.Exit(1)
	}
}

func dispatch(args []string) error {
	if len(args) < 2 {
		return fmt.Errorf("usage: lab-node run <config> | confine <config> <program> [arg]...")
	}
	config, err := readConfig(args[1])
	if err != nil {
		return err
	}
	switch command, rest := args[0], args[2:]; {
	case command == "run":
		return run(config, args[1])
	case command == insideCommand:
		return runInside(config)
	case command == "confine" && len(rest) > 0:
		return confine(config.Cgroup, rest)
	default:
		return fmt.Errorf("unknown command %q", command)
	}
}
