package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

/*
A node's programs share one root and are root in their room: a container runtime and a kubelet mount, make groups and
networks. All of that is the room's own, and its root owns no file of the host.
*/

// nodePath is where a node finds programs.
const nodePath = "/opt/gitops-lab/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"

// usrLinks are the folders that most systems have as links into /usr.
var usrLinks = []string{"bin", "sbin", "lib", "lib32", "lib64", "libx32"}

// furniture opens what a room's first process is to see of the host, and where each belongs: itself, or all that a node has.
func furniture(room Room) (mounts []int, targets []string, err error) {
	if room.Node != nil {
		return nodeMounts(room)
	}
	if room.Uid == 0 {
		return nil, nil, nil
	}
	self, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	return openAll([]Bind{{Source: self, Target: stageProgram}}, room)
}

// nodeMounts opens the furniture of a node. After the mounts come the logs of the node's programs, in their order, whose
// targets are empty.
func nodeMounts(room Room) (mounts []int, targets []string, err error) {
	node := room.Node
	defer func() {
		if err != nil {
			closeAll(mounts)
		}
	}()
	add := func(fd int, target string, problem error) {
		if problem == nil {
			mounts, targets = append(mounts, fd), append(targets, target)
			return
		}
		err = errors.Join(err, fmt.Errorf("%s of the node: %w", target, problem))
	}
	usr, problem := openUsr(node.Usr, room)
	add(usr, "/usr", problem)
	for _, name := range usrLinks {
		info, problem := os.Lstat("/" + name)
		if problem != nil || info.Mode()&os.ModeSymlink != 0 {
			continue
		}
		fd, problem := openMount(Bind{Source: "/" + name, Target: "/" + name}, Room{})
		add(fd, "/"+name, problem)
	}
	state, problem := openState(room)
	add(state, "/var", problem)
	binds := append([]Bind{}, node.Binds...)
	for _, device := range append([]string{"/dev/tty"}, devices...) {
		binds = append(binds, Bind{Source: device, Target: device, Writable: true})
	}
	for _, bind := range binds {
		fd, problem := openMount(bind, room)
		add(fd, bind.Target, problem)
	}
	for _, program := range node.Programs {
		log, problem := openLog(program.Log)
		if problem != nil {
			add(0, program.Name, problem)
			continue
		}
		fd, problem := unix.FcntlInt(log.Fd(), unix.F_DUPFD_CLOEXEC, 0)
		_ = log.Close()
		add(fd, "", problem)
	}
	return mounts, targets, err
}

func openUsr(layers []string, room Room) (int, error) {
	if len(layers) == 1 {
		return openMount(Bind{Source: layers[0], Target: "/usr"}, Room{})
	}
	// Made out here, by whoever can read all of the layers.
	return newMount("overlay", map[string]string{"lowerdir": strings.Join(layers, ":")}, unix.MOUNT_ATTR_RDONLY|unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV)
}

// newMount makes a mount that is nowhere yet.
func newMount(kind string, options map[string]string, attributes int) (int, error) {
	context, err := unix.Fsopen(kind, unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1, err
	}
	defer unix.Close(context)
	for _, name := range sortedKeys(options) {
		if err := unix.FsconfigSetString(context, name, options[name]); err != nil {
			return -1, fmt.Errorf("%s of %s: %w", name, kind, err)
		}
	}
	if err := unix.FsconfigCreate(context); err != nil {
		return -1, fmt.Errorf("%s: %w", kind, err)
	}
	return unix.Fsmount(context, unix.FSMOUNT_CLOEXEC, attributes)
}

// openState empties the node's state and opens what holds it: a file system of its own where its size is limited. A node
// that starts again is a new one.
func openState(room Room) (int, error) {
	folder := room.Node.State
	if err := os.RemoveAll(folder); err != nil {
		return -1, err
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return -1, err
	}
	if room.Node.Disk > 0 {
		fd, err := newDisk(filepath.Join(folder, "disk"), room.Node.Disk)
		if err != nil {
			return -1, err
		}
		return fd, unix.Fchownat(fd, "", room.Uid, room.Uid, unix.AT_EMPTY_PATH)
	}
	if err := os.Chown(folder, room.Uid, room.Uid); err != nil {
		return -1, err
	}
	fd, err := unix.OpenTree(unix.AT_FDCWD, folder, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return -1, err
	}
	return fd, unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV})
}

// furnishNode makes this process' root the node's, and starts its programs.
func (s *inside) furnishNode(room Room, files []int, targets []string) error {
	if err := unix.Mount("root", newRoot, "tmpfs", plainMount, "mode=755,size=16m"); err != nil {
		return err
	}
	logs := []int{}
	for index, target := range targets {
		if target == "" {
			logs = append(logs, files[index])
		} else if err := attach(files[index], target); err != nil {
			return fmt.Errorf("%s: %w", target, err)
		}
	}
	steps := []func() error{
		makeTerminals,
		func() error { return mountNew("tmpfs", filepath.Join(newRoot, "run"), plainMount, "mode=755,size=64m") },
		func() error {
			return mountNew("tmpfs", filepath.Join(newRoot, "tmp"), plainMount, "mode=1777,size=64m")
		},
		func() error { return mountProc(filepath.Join(newRoot, "proc")) },
		func() error {
			return mountNew("sysfs", filepath.Join(newRoot, "sys"), unix.MS_RDONLY|plainMount|unix.MS_NOEXEC, "")
		},
		func() error { return mountCgroups(*room.Cgroup, filepath.Join(newRoot, cgroupRoot)) },
		func() error { return fill(*room.Node) },
		func() error { return pivot(newRoot) },
		// Kubelet and runtime pass mounts on to each other.
		func() error { return unix.Mount("", "/", "", unix.MS_REC|unix.MS_SHARED, "") },
		func() error { return leaveRootGroup(room.Cgroup.Version) },
		func() error { return s.setNetwork(room.Network) },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	for index, program := range room.Node.Programs {
		// The files of a request are closed with it.
		log, err := unix.FcntlInt(uintptr(logs[index]), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			return err
		}
		if program.Once {
			if err := s.children.succeed(program, "", log); err != nil {
				return err
			}
			continue
		}
		go s.children.keepRunning(program, log)
	}
	return nil
}

func (s *inside) setNetwork(network Network) error {
	for path, value := range network.Sysctls {
		if err := os.WriteFile(filepath.Join("/proc/sys/net", path), []byte(value), 0o644); err != nil {
			return err
		}
	}
	if network.Firewall == "" {
		return nil
	}
	firewall := Program{Name: "iptables-restore", Args: []string{"iptables-restore", "--wait"}, Env: map[string]string{"PATH": nodePath}}
	return s.children.succeed(firewall, network.Firewall, int(os.Stderr.Fd()))
}
