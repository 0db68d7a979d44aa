package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// Cgroup is the learner's group in every hierarchy: one folder with version 2, one per controller with version 1.
type Cgroup struct {
	Version int `json:"version"`
	// Folders by controller; `unified` with version 2.
	Folders map[string]string `json:"folders"`
	// Limits are values by file name; each is written where its controller is.
	Limits map[string]string `json:"limits"`
}

const (
	hostGroup = "host"
	nodeGroup = "node"
)

// Controllers that a node needs; with version 2 a parent hands them down one by one.
var handedDown = []string{"cpuset", "cpu", "memory", "pids"}

// join makes the learner's group with its limits, and a group in it of which this process becomes a member.
func (c Cgroup) join(child string) error {
	if len(c.Folders) == 0 {
		return errors.New("the configuration names no cgroup")
	}
	for controller, folder := range c.Folders {
		if err := c.makeGroup(controller, folder); err != nil {
			return err
		}
		if err := c.limit(controller, folder); err != nil {
			return err
		}
		group := filepath.Join(folder, child)
		if err := c.makeGroup(controller, group); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(group, "cgroup.procs"), []byte(strconv.Itoa(os.Getpid())), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// makeGroup makes a group and its parents usable: version 1 gives a new cpuset neither processors nor memory.
func (c Cgroup) makeGroup(controller, folder string) error {
	if c.Version == 2 {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return err
		}
		return handDown(filepath.Dir(folder))
	}
	if _, err := os.Stat(folder); err == nil {
		return nil
	}
	parent := filepath.Dir(folder)
	if err := c.makeGroup(controller, parent); err != nil {
		return err
	}
	if err := os.Mkdir(folder, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	if controller != "cpuset" {
		return nil
	}
	for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
		value, err := os.ReadFile(filepath.Join(parent, file))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(folder, file), value, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// handDown lets the groups within a group and its parents have the controllers.
func handDown(folder string) error {
	if folder != cgroupRoot {
		if err := handDown(filepath.Dir(folder)); err != nil {
			return err
		}
	}
	available, err := os.ReadFile(filepath.Join(folder, "cgroup.controllers"))
	if err != nil {
		return err
	}
	for _, controller := range handedDown {
		if !strings.Contains(" "+strings.TrimSpace(string(available))+" ", " "+controller+" ") {
			continue
		}
		if err := os.WriteFile(filepath.Join(folder, "cgroup.subtree_control"), []byte("+"+controller), 0o644); err != nil {
			return fmt.Errorf("cgroup %s: %w", folder, err)
		}
	}
	return nil
}

func (c Cgroup) limit(controller, folder string) error {
	for file, value := range c.Limits {
		if c.Version == 1 && !strings.HasPrefix(file, controller+".") {
			continue
		}
		if err := os.WriteFile(filepath.Join(folder, file), []byte(value), 0o644); err != nil {
			return fmt.Errorf("limit %s=%s: %w", file, value, err)
		}
	}
	return nil
}

// confine becomes the program as a member of the learner's group.
func confine(cgroup Cgroup, args []string) error {
	if err := cgroup.join(hostGroup); err != nil {
		return err
	}
	path, err := exec.LookPath(args[0])
	if err != nil {
		return err
	}
	return syscall.Exec(path, args, os.Environ())
}
