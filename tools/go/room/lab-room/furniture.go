package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

const cgroupRoot = "/sys/fs/cgroup"

func mountNew(kind, target string, flags uintptr, data string) error {
	if err := os.MkdirAll(target, 0o755); err != nil {
		return err
	}
	if err := unix.Mount(kind, target, kind, flags, data); err != nil {
		return fmt.Errorf("mount %s on %s: %w", kind, target, err)
	}
	return nil
}

// readOnly makes a folder or file a mount of its own that nobody writes to, and keeps what else its mount is: flags that a
// host sets must not be taken off.
func readOnly(path string) error {
	if err := unix.Mount(path, path, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("bind %s: %w", path, err)
	}
	var stat unix.Statfs_t
	if err := unix.Statfs(path, &stat); err != nil {
		return err
	}
	// The kernel's ST_ and MS_ flags of these names have the same values.
	kept := uintptr(stat.Flags) & (unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC | unix.MS_NOATIME | unix.MS_NODIRATIME | unix.MS_RELATIME)
	if err := unix.Mount("", path, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY|kept, ""); err != nil {
		return fmt.Errorf("make %s read-only: %w", path, err)
	}
	return nil
}

// makeTerminals completes the node's /dev, in which the harmless devices are already.
func makeTerminals() error {
	folder := filepath.Join(newRoot, "dev")
	if err := mountNew("devpts", filepath.Join(folder, "pts"), unix.MS_NOSUID|unix.MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620"); err != nil {
		return err
	}
	if err := mountNew("tmpfs", filepath.Join(folder, "shm"), plainMount, "mode=1777,size=64m"); err != nil {
		return err
	}
	// A kubelet insists on reading the kernel's log, which is the whole machine's: it gets an empty one.
	for name, target := range map[string]string{"kmsg": "null", "ptmx": "pts/ptmx", "fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2"} {
		if err := os.Symlink(target, filepath.Join(folder, name)); err != nil {
			return err
		}
	}
	return nil
}

// Of /proc: what container runtimes hide, and what they let nobody write to.
var (
	hiddenOfProc = []string{"acpi", "asound", "interrupts", "kcore", "keys", "latency_stats", "sched_debug", "scsi", "timer_list", "timer_stats"}
	fixedOfProc  = []string{"bus", "fs", "irq", "sys", "sysrq-trigger"}
)

// mountProc lets the node set what belongs to its own network, and none of the settings that are the whole machine's.
func mountProc(target string) error {
	if err := mountNew("proc", target, plainMount|unix.MS_NOEXEC, ""); err != nil {
		return err
	}
	for _, fixed := range fixedOfProc {
		path := filepath.Join(target, fixed)
		if _, err := os.Stat(path); err != nil {
			continue
		}
		if err := readOnly(path); err != nil {
			return err
		}
	}
	for _, hidden := range hiddenOfProc {
		path := filepath.Join(target, hidden)
		info, err := os.Stat(path)
		if err != nil {
			continue
		}
		if info.IsDir() {
			err = unix.Mount("hidden", path, "tmpfs", unix.MS_RDONLY|plainMount, "size=0,nr_inodes=1")
		} else {
			err = unix.Mount(filepath.Join(newRoot, "dev", "null"), path, "", unix.MS_BIND, "")
		}
		if err != nil {
			return fmt.Errorf("hide %s: %w", hidden, err)
		}
	}
	own := filepath.Join(target, "sys", "net")
	if err := unix.Mount(own, own, "", unix.MS_BIND, ""); err != nil {
		return err
	}
	return unix.Mount("", own, "", unix.MS_BIND|unix.MS_REMOUNT|plainMount|unix.MS_NOEXEC, "")
}

// mountCgroups shows the node its own groups as if there were no others.
func mountCgroups(cgroup Cgroup, target string) error {
	if cgroup.Version == 2 {
		return mountNew("cgroup2", target, plainMount|unix.MS_NOEXEC, "")
	}
	if err := mountNew("tmpfs", target, plainMount|unix.MS_NOEXEC, "mode=755"); err != nil {
		return err
	}
	for controllers := range cgroup.Folders {
		folder := filepath.Join(target, strings.TrimPrefix(controllers, "name="))
		if err := mountNew("cgroup", folder, plainMount|unix.MS_NOEXEC, controllers); err != nil {
			return err
		}
		// Controllers that share a hierarchy are looked for under each of their names.
		if names := strings.Split(controllers, ","); len(names) > 1 {
			for _, name := range names {
				if err := os.Symlink(controllers, filepath.Join(target, name)); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// leaveRootGroup makes room for groups that are limited: with version 2 one that has processes of its own can't have them.
func leaveRootGroup(version int) error {
	if version != 2 {
		return nil
	}
	group := filepath.Join(cgroupRoot, "init")
	if err := os.MkdirAll(group, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(group, "cgroup.procs"), []byte("0"), 0o644); err != nil {
		return err
	}
	return handDown(cgroupRoot, cgroupRoot)
}

func fill(node Node) error {
	for path, text := range node.Files {
		if err := writeNew(filepath.Join(newRoot, path), text); err != nil {
			return err
		}
	}
	for path, value := range node.KernelSettings {
		stand := filepath.Join(newRoot, "run", "kernel-settings", path)
		if err := writeNew(stand, value+"\n"); err != nil {
			return err
		}
		if err := unix.Mount(stand, filepath.Join(newRoot, "proc", "sys", path), "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("setting %s: %w", path, err)
		}
	}
	links := map[string]string{}
	for _, name := range usrLinks {
		if target, err := os.Readlink("/" + name); err == nil {
			links["/"+name] = target
		}
	}
	for path, target := range node.Links {
		links[path] = target
	}
	for path, target := range links {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(newRoot, path)), 0o755); err != nil {
			return err
		}
		if err := os.Symlink(target, filepath.Join(newRoot, path)); err != nil {
			return err
		}
	}
	return nil
}
