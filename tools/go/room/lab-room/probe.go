package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// findings tell for each part of a room why this machine can't make it; an empty one can.
type findings struct {
	// UserNamespace is a namespace of users, and with it every other: mounts, processes, network.
	UserNamespace string `json:"userNamespace"`
	Mounts        string `json:"mounts"`
	Network       string `json:"network"`
	Proc          string `json:"proc"`
	Idmap         string `json:"idmap"`
	Seccomp       string `json:"seccomp"`
}

// probe tries the parts of a room, for data in a folder, and leaves nothing behind. As root the room has a number that no
// account has, as anybody else the maker's own.
func probe(folder string) error {
	room := Room{Hostname: "probe", Ids: 1}
	if givesNumbers() {
		room.Uid = probeUid
	}
	var found findings
	shown, err := os.MkdirTemp(folder, ".probe-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(shown)
	side, err := makeRoom(room)
	if err != nil {
		found.UserNamespace = err.Error()
		for _, other := range []*string{&found.Mounts, &found.Network, &found.Proc, &found.Seccomp} {
			*other = "not tried without a user namespace"
		}
		return json.NewEncoder(os.Stdout).Encode(found)
	}
	defer side.end()
	self, err := os.Executable()
	if err != nil {
		return err
	}
	// Each runs this program in a room, where it says what it is missing by its exit code.
	try := func(args ...string) string {
		program := Program{
			Name: "probe", Proc: true, Args: append([]string{"/program"}, args...), Cwd: "/",
			View: []Bind{{Source: self, Target: "/program"}, {Source: shown, Target: "/shown", Writable: true, Own: true}},
		}
		nothing, err := os.OpenFile("/dev/null", os.O_RDWR, 0)
		if err != nil {
			return err.Error()
		}
		defer nothing.Close()
		fd := int(nothing.Fd())
		running, err := side.start(program, [3]int{fd, fd, fd})
		if err != nil {
			return err.Error()
		}
		<-running.ended
		if running.status.ExitStatus() == 0 {
			return ""
		}
		return "tried, does not work"
	}
	// With wrong arguments the program ends with 1, if it begins at all.
	if try("probe-inside", "mounts") != "" {
		found.Mounts = "a root of its own was tried and does not work"
	}
	if try("probe-inside", "proc") != "" {
		found.Proc = "the machine's own /proc is masked, as in a container, so none can be mounted in a room"
	}
	if try("probe-inside", "seccomp") != "" {
		found.Seccomp = "a filter of system calls was tried and does not hold"
	}
	if listener, err := side.listenInside("127.0.0.1:0"); err != nil {
		found.Network = err.Error()
	} else {
		_ = listener.Close()
	}
	found.Idmap = probeIdmap(shown, room)
	return json.NewEncoder(os.Stdout).Encode(found)
}

// probeUid is the last of the numbers that rooms get: see host/room/numbers.ts.
const probeUid = 0x7ffe_0000

// givesNumbers tells whether whoever makes rooms can give them numbers of their own: root can that has them, which in a
// container it need not. Without them it is no more than an account outside, and its rooms are those of an account.
func givesNumbers() bool {
	if os.Getuid() != 0 {
		return false
	}
	// Format in user_namespaces(7).
	text, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		return true
	}
	for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		var first, outside, count uint64
		if _, err := fmt.Sscan(line, &first, &outside, &count); err == nil && first <= roomUids[0] && first+count > roomUids[1] {
			return true
		}
	}
	return false
}

// roomUids are the first and the last that rooms get: see host/room/ids.ts.
var roomUids = [2]uint64{0x7000_0000, 0x7fff_ffff}

func probeIdmap(folder string, room Room) string {
	if room.Uid == 0 {
		return ""
	}
	owners, err := ownersOf(room)
	if err != nil {
		return err.Error()
	}
	defer owners.Close()
	fd, err := unix.OpenTree(unix.AT_FDCWD, folder, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return err.Error()
	}
	defer unix.Close(fd)
	attributes := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_IDMAP, Userns_fd: uint64(owners.Fd())}
	if err := unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH, &attributes); err != nil {
		return "the file system can't show files as another owner's (" + err.Error() + "): they are handed over instead"
	}
	return ""
}

// probeInside looks, as a room's program, at one part of it.
func probeInside(part string) error {
	switch part {
	case "mounts":
		return os.WriteFile(filepath.Join("/shown", "written"), nil, 0o600)
	case "proc":
		_, err := os.Readlink("/proc/self")
		return err
	case "seccomp":
		if err := unix.Unshare(unix.CLONE_NEWUTS); err != unix.EPERM {
			return errors.New("not refused")
		}
		return nil
	default:
		return errors.New("unknown part")
	}
}
