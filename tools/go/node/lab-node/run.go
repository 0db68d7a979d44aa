package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// insideCommand is what lab-node runs itself with as the first process of the node.
const insideCommand = "inside"

// run starts the node in namespaces of its own and keeps its doors open until it ends. Whatever ends this process ends
// the node: the kernel kills its first process, and with that every other.
func run(config Config, configFile string) error {
	if err := renew(config.State); err != nil {
		return err
	}
	// Groups of a node that was there before: with version 2 nothing can be born in one that has groups with controllers.
	if err := config.Cgroup.clear(nodeGroup); err != nil {
		return err
	}
	// The node sees the group in which it is born as the root of all.
	if err := config.Cgroup.join(nodeGroup); err != nil {
		return err
	}
	node := exec.Command("/proc/self/exe", insideCommand, configFile)
	node.Args[0] = "lab-node"
	node.Stderr = os.Stderr
	node.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS | unix.CLONE_NEWCGROUP,
		Pdeathsig:  syscall.SIGKILL,
	}
	// The node waits at it until this process has left the node's group.
	gate, err := node.StdinPipe()
	if err != nil {
		return err
	}
	if err := node.Start(); err != nil {
		return fmt.Errorf("namespaces: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- node.Wait() }()
	failed := make(chan error, 1)
	go func() { failed <- keepDoors(config, node.Process.Pid, gate) }()
	told := make(chan os.Signal, 1)
	signal.Notify(told, syscall.SIGTERM, syscall.SIGINT)

	select {
	case err := <-ended:
		return fmt.Errorf("the node ended: %v", err)
	case err := <-failed:
		_ = node.Process.Kill()
		<-ended
		return err
	case <-told:
		// The wait ends when the last process of the node has.
		_ = node.Process.Kill()
		<-ended
		return nil
	}
}

func keepDoors(config Config, pid int, gate io.Closer) error {
	if err := config.Cgroup.join(hostGroup); err != nil {
		return err
	}
	if err := gate.Close(); err != nil {
		return err
	}
	return openDoors(config.Network, fmt.Sprintf("/proc/%d/ns/net", pid))
}

// renew empties a folder.
func renew(folder string) error {
	if err := os.RemoveAll(folder); err != nil {
		return err
	}
	return os.MkdirAll(folder, 0o700)
}
