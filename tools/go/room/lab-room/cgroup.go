package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Cgroup is the learner's group in every hierarchy: one folder with version 2, one per controller with version 1.
type Cgroup struct {
	Version int `json:"version"`
	// Folders by controller; `unified` with version 2.
	Folders map[string]string `json:"folders"`
	// Limits are values by file name; each is written where its controller is.
	Limits map[string]string `json:"limits"`
}

// hostGroup is where the processes are that stay outside of the rooms.
const hostGroup = "host"

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
		if err := c.limit(controller, folder, c.Limits); err != nil {
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
		return handDown(cgroupRoot, filepath.Dir(folder))
	}
	parent := filepath.Dir(folder)
	if _, err := os.Stat(folder); err != nil {
		if err := c.makeGroup(controller, parent); err != nil {
			return err
		}
		if err := os.Mkdir(folder, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
	}
	if !hasController(controller, "cpuset") {
		return nil
	}
	return inheritCpuset(parent, folder)
}

// inheritCpuset is for groups that are there, too: another process may have made one this instant, and not be done.
func inheritCpuset(parent, folder string) error {
	for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
		value, err := readWord(filepath.Join(folder, file))
		if err != nil {
			return err
		}
		if value != "" {
			continue
		}
		inherited, err := readWord(filepath.Join(parent, file))
		if err != nil {
			return err
		}
		if inherited == "" {
			if err := inheritCpuset(filepath.Dir(parent), parent); err != nil {
				return err
			}
			if inherited, err = readWord(filepath.Join(parent, file)); err != nil {
				return err
			}
		}
		if err := os.WriteFile(filepath.Join(folder, file), []byte(inherited), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func readWord(path string) (string, error) {
	text, err := os.ReadFile(path)
	return strings.TrimSpace(string(text)), err
}

func hasController(controllers, name string) bool {
	return slices.Contains(strings.Split(controllers, ","), name)
}

// handDown lets the groups within a group and its parents, up to the root, have the controllers. Those that a group hands
// down already are left alone: who has arranged it so, as systemd does at the root, goes on to.
func handDown(root, folder string) error {
	if folder != root {
		if err := handDown(root, filepath.Dir(folder)); err != nil {
			return err
		}
	}
	available, err := readWord(filepath.Join(folder, "cgroup.controllers"))
	if err != nil {
		return err
	}
	control := filepath.Join(folder, "cgroup.subtree_control")
	present, err := readWord(control)
	if err != nil {
		return err
	}
	for _, controller := range handedDown {
		if !slices.Contains(strings.Fields(available), controller) || slices.Contains(strings.Fields(present), controller) {
			continue
		}
		err := os.WriteFile(control, []byte("+"+controller), 0o644)
		// Above what was handed over to this user it is another's to arrange; a limit that lacks it says so.
		if err != nil && !errors.Is(err, os.ErrPermission) {
			return fmt.Errorf("cgroup %s: %w", folder, err)
		}
	}
	return nil
}

// clear removes a group within the learner's and ends what still runs in it. One that is not there is a success.
func (c Cgroup) clear(child string) error {
	for _, folder := range c.Folders {
		if err := removeGroup(filepath.Join(folder, child), time.Now().Add(clearWithin)); err != nil {
			return err
		}
	}
	return nil
}

const (
	clearWithin = 10 * time.Second
	clearPoll   = 20 * time.Millisecond
)

// removeGroup tries until the deadline: the kernel ends processes, and then their groups, in its own time.
func removeGroup(folder string, deadline time.Time) error {
	for {
		err := tryRemoveGroup(folder)
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("a group of the node that was there before is still in use: %w", err)
		}
		time.Sleep(clearPoll)
	}
}

func tryRemoveGroup(folder string) error {
	entries, err := os.ReadDir(folder)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := endMembers(folder); err != nil {
		return err
	}
	for _, entry := range entries {
		if !entry.IsDir() {
			continue
		}
		if err := tryRemoveGroup(filepath.Join(folder, entry.Name())); err != nil {
			return err
		}
	}
	return syscall.Rmdir(folder)
}

func endMembers(folder string) error {
	// With version 2, since Linux 5.14, the kernel ends all at once, and what they start meanwhile.
	if all, err := os.OpenFile(filepath.Join(folder, "cgroup.kill"), os.O_WRONLY, 0); err == nil {
		_, err = all.WriteString("1")
		return errors.Join(err, all.Close())
	}
	members, err := os.ReadFile(filepath.Join(folder, "cgroup.procs"))
	if err != nil {
		return err
	}
	for _, member := range strings.Fields(string(members)) {
		pid, err := strconv.Atoi(member)
		if err != nil {
			return err
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			return err
		}
	}
	return nil
}

func (c Cgroup) limit(controller, folder string, limits map[string]string) error {
	for file, value := range limits {
		if c.Version == 1 && !hasController(controller, strings.SplitN(file, ".", 2)[0]) {
			continue
		}
		if err := os.WriteFile(filepath.Join(folder, file), []byte(value), 0o644); err != nil {
			return fmt.Errorf("limit %s=%s: %w", file, value, err)
		}
	}
	return nil
}

// limitGroup limits a group within the learner's.
func (c Cgroup) limitGroup(child string, limits map[string]string) error {
	for controller, folder := range c.Folders {
		if err := c.limit(controller, filepath.Join(folder, child), limits); err != nil {
			return err
		}
	}
	return nil
}

// give lets a node make groups within its own. What limits that group itself stays with the maker.
func (c Cgroup) give(child string, room Room) error {
	if room.Node == nil || room.Uid == 0 {
		return nil
	}
	files := []string{"", "cgroup.procs", "tasks", "cgroup.threads", "cgroup.subtree_control"}
	for _, folder := range c.Folders {
		for _, file := range files {
			err := os.Chown(filepath.Join(folder, child, file), room.Uid, room.Uid)
			if err != nil && !errors.Is(err, os.ErrNotExist) {
				return err
			}
		}
	}
	return nil
}

// Devices by type and number that every container runtime allows: those of makeDevices, and terminals.
var allowedDevices = []string{"c 1:3 rwm", "c 1:5 rwm", "c 1:7 rwm", "c 1:8 rwm", "c 1:9 rwm", "c 5:0 rwm", "c 5:2 rwm", "c 136:* rwm"}

// denyDevices keeps the group from every other device, with version 1. A room can make none and mounts none, so this is a
// second wall; with version 2 it would take a program in the kernel, and there is the first alone.
func (c Cgroup) denyDevices(child string) error {
	for controller, folder := range c.Folders {
		if c.Version != 1 || !hasController(controller, "devices") {
			continue
		}
		group := filepath.Join(folder, child)
		if err := os.WriteFile(filepath.Join(group, "devices.deny"), []byte("a"), 0o644); err != nil {
			return err
		}
		for _, device := range allowedDevices {
			if err := os.WriteFile(filepath.Join(group, "devices.allow"), []byte(device), 0o644); err != nil {
				return err
			}
		}
	}
	return nil
}
