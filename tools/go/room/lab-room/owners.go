package main

import (
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// waitCommand is what lab-room runs itself with to wait for the end of its standard input.
const waitCommand = "wait"

var (
	ownersMutex sync.Mutex
	ownersMade  = map[int]*os.File{}
)

// ownersOf returns a user namespace that says how owners look in a room: the maker's files are those of the room's root.
// The caller closes its copy.
func ownersOf(room Room) (*os.File, error) {
	ownersMutex.Lock()
	defer ownersMutex.Unlock()
	made, ok := ownersMade[room.Uid]
	if !ok {
		var err error
		if made, err = makeOwners(room); err != nil {
			return nil, fmt.Errorf("owners: %w", err)
		}
		ownersMade[room.Uid] = made
	}
	copied, err := unix.FcntlInt(made.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(copied), "owners"), nil
}

// makeOwners takes the namespace from a process that waits until it is taken: Linux has no other way to one.
func makeOwners(room Room) (*os.File, error) {
	idle := exec.Command("/proc/self/exe", waitCommand)
	mapping := []syscall.SysProcIDMap{{ContainerID: os.Getuid(), HostID: room.Uid, Size: 1}}
	idle.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER,
		Pdeathsig:   syscall.SIGKILL,
		UidMappings: mapping,
		GidMappings: []syscall.SysProcIDMap{{ContainerID: os.Getgid(), HostID: room.Uid, Size: 1}},
	}
	gate, err := idle.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := idle.Start(); err != nil {
		return nil, err
	}
	defer func() { _ = gate.Close(); _ = idle.Wait() }()
	return os.Open(fmt.Sprintf("/proc/%d/ns/user", idle.Process.Pid))
}
