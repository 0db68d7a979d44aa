package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

const cgroupRoot = "/sys/fs/cgroup"

// changeRoot makes this mount namespace's root a folder of the node's own: programs and libraries read-only, the state,
// what the configuration shows, and nothing else of the host. A pod that got at its node's files would find no more.
func changeRoot(config Config) error {
	// Before anything is mounted: nothing of it may show outside.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	root := filepath.Join(config.State, "root")
	steps := []func() error{
		func() error { return mountNew("tmpfs", root, 0, "mode=755") },
		func() error { return mountUsr(config.Usr, root) },
		func() error { return linkUsr(root) },
		func() error { return makeDevices(filepath.Join(root, "dev")) },
		func() error {
			return mountNew("tmpfs", filepath.Join(root, "run"), unix.MS_NOSUID|unix.MS_NODEV, "mode=755")
		},
		func() error {
			return mountNew("tmpfs", filepath.Join(root, "tmp"), unix.MS_NOSUID|unix.MS_NODEV, "mode=1777")
		},
		func() error { return mountProc(filepath.Join(root, "proc")) },
		func() error {
			return mountNew("sysfs", filepath.Join(root, "sys"), unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NOEXEC, "")
		},
		func() error { return mountCgroups(config.Cgroup, filepath.Join(root, cgroupRoot)) },
		func() error { return bind(filepath.Join(config.State, "var"), filepath.Join(root, "var"), true) },
		func() error { return fill(config, root) },
		func() error { return pivot(root) },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	// Kubelet and runtime pass mounts on to each other.
	return unix.Mount("", "/", "", unix.MS_REC|unix.MS_SHARED, "")
}

func mountNew(kind, target string, flags uintptr, data string) error {
	if err := os.MkdirAll(target, 0o755); err != nil {
		return err
	}
	if err := unix.Mount(kind, target, kind, flags, data); err != nil {
		return fmt.Errorf("mount %s on %s: %w", kind, target, err)
	}
	return nil
}

// bind shows a file or folder at another place, where it makes what is missing.
func bind(source, target string, writable bool) error {
	info, err := os.Stat(source)
	if errors.Is(err, os.ErrNotExist) && writable {
		if err := os.MkdirAll(source, 0o700); err != nil {
			return err
		}
		info, err = os.Stat(source)
	}
	if err != nil {
		return err
	}
	if info.IsDir() {
		err = os.MkdirAll(target, 0o755)
	} else if err = os.MkdirAll(filepath.Dir(target), 0o755); err == nil {
		err = os.WriteFile(target, nil, 0o644)
	}
	if err != nil {
		return err
	}
	if err := unix.Mount(source, target, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("bind %s to %s: %w", source, target, err)
	}
	if writable {
		return nil
	}
	return readOnly(target)
}

// readOnly makes a mount read-only and keeps what else it is: flags that a host sets must not be taken off.
func readOnly(target string) error {
	var stat unix.Statfs_t
	if err := unix.Statfs(target, &stat); err != nil {
		return err
	}
	// The kernel's ST_ and MS_ flags of these names have the same values.
	kept := uintptr(stat.Flags) & (unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC | unix.MS_NOATIME | unix.MS_NODIRATIME | unix.MS_RELATIME)
	if err := unix.Mount("", target, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY|kept, ""); err != nil {
		return fmt.Errorf("make %s read-only: %w", target, err)
	}
	return nil
}

func mountUsr(layers []string, root string) error {
	usr := filepath.Join(root, "usr")
	if len(layers) == 1 {
		return bind(layers[0], usr, false)
	}
	return mountNew("overlay", usr, unix.MS_RDONLY, "lowerdir="+strings.Join(layers, ":"))
}

// linkUsr gives the node the host's own arrangement of /bin, /lib and their like.
func linkUsr(root string) error {
	for _, name := range []string{"bin", "sbin", "lib", "lib32", "lib64", "libx32"} {
		path := "/" + name
		info, err := os.Lstat(path)
		if err != nil {
			continue
		}
		if info.Mode()&os.ModeSymlink == 0 {
			if err := bind(path, filepath.Join(root, name), false); err != nil {
				return err
			}
			continue
		}
		target, err := os.Readlink(path)
		if err != nil {
			return err
		}
		if err := os.Symlink(target, filepath.Join(root, name)); err != nil {
			return err
		}
	}
	return nil
}

// makeDevices makes those that every container runtime gives its containers, and no disk.
func makeDevices(folder string) error {
	if err := mountNew("tmpfs", folder, unix.MS_NOSUID, "mode=755"); err != nil {
		return err
	}
	before := unix.Umask(0)
	defer unix.Umask(before)
	for name, minor := range map[string]uint32{"null": 3, "zero": 5, "full": 7, "random": 8, "urandom": 9} {
		if err := unix.Mknod(filepath.Join(folder, name), unix.S_IFCHR|0o666, int(unix.Mkdev(1, minor))); err != nil {
			return fmt.Errorf("device %s: %w", name, err)
		}
	}
	if err := unix.Mknod(filepath.Join(folder, "tty"), unix.S_IFCHR|0o666, int(unix.Mkdev(5, 0))); err != nil {
		return err
	}
	if err := mountNew("devpts", filepath.Join(folder, "pts"), unix.MS_NOSUID|unix.MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620"); err != nil {
		return err
	}
	if err := mountNew("tmpfs", filepath.Join(folder, "shm"), unix.MS_NOSUID|unix.MS_NODEV, "mode=1777"); err != nil {
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

// mountProc lets the node set what belongs to its own network, and none of the settings that are the whole machine's.
func mountProc(target string) error {
	if err := mountNew("proc", target, unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return err
	}
	for _, fixed := range []string{"sys", "sysrq-trigger", "irq", "bus"} {
		path := filepath.Join(target, fixed)
		if _, err := os.Stat(path); err != nil {
			continue
		}
		if err := bind(path, path, false); err != nil {
			return err
		}
	}
	own := filepath.Join(target, "sys", "net")
	if err := unix.Mount(own, own, "", unix.MS_BIND, ""); err != nil {
		return err
	}
	return unix.Mount("", own, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
}

// mountCgroups shows the node its own groups as if there were no others.
func mountCgroups(cgroup Cgroup, target string) error {
	if cgroup.Version == 2 {
		return mountNew("cgroup2", target, unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
	}
	if err := mountNew("tmpfs", target, unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "mode=755"); err != nil {
		return err
	}
	for controllers := range cgroup.Folders {
		folder := filepath.Join(target, strings.TrimPrefix(controllers, "name="))
		if err := mountNew("cgroup", folder, unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, controllers); err != nil {
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

func fill(config Config, root string) error {
	for _, shown := range config.Binds {
		if err := bind(shown.Source, filepath.Join(root, shown.Target), shown.Writable); err != nil {
			return err
		}
	}
	for path, text := range config.Files {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(root, path)), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(root, path), []byte(text), 0o644); err != nil {
			return err
		}
	}
	for path, value := range config.KernelSettings {
		stand := filepath.Join(root, "run", "kernel-settings", path)
		if err := os.MkdirAll(filepath.Dir(stand), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(stand, []byte(value+"\n"), 0o444); err != nil {
			return err
		}
		if err := unix.Mount(stand, filepath.Join(root, "proc", "sys", path), "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("setting %s: %w", path, err)
		}
	}
	for path, target := range config.Links {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(root, path)), 0o755); err != nil {
			return err
		}
		if err := os.Symlink(target, filepath.Join(root, path)); err != nil {
			return err
		}
	}
	return nil
}

// pivot leaves the host's root behind, unreachable.
func pivot(root string) error {
	if err := os.Chdir(root); err != nil {
		return err
	}
	// The old root ends up on top of the new one, from where it is taken off: see pivot_root(2).
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("pivot_root: %w", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return err
	}
	return os.Chdir("/")
}
