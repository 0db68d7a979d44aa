package main

import (
	"encoding/json"
	"fmt"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// link carries messages, open files and the kernel's word on a process between the two sides of a room.
type link struct {
	fd    int
	mutex sync.Mutex
	// For what is received, by the one who does.
	text, extra []byte
}

// message is one of a link's. What each side sends, in which fields, is in agent.go.
type message struct {
	Kind string `json:"kind"`
	// Of the request that this is, or answers.
	Id uint64 `json:"id"`
	// Why a request failed; empty where it did not.
	Error   string   `json:"error,omitempty"`
	Address string   `json:"address,omitempty"`
	Program *Program `json:"program,omitempty"`
	Room    *Room    `json:"room,omitempty"`
	// Mounts are the targets of the mounts that come with it, in order.
	Mounts []string `json:"mounts,omitempty"`
	// Status is how a program ended, as wait(2) has it.
	Status int `json:"status,omitempty"`
}

const (
	// More than one message may hold: Unix sockets take some 200 KB in one piece.
	largestMessage = 1 << 18
	mostFiles      = 250
)

// newLink returns both ends. The kernel tells the outside end who sends.
func newLink() (outside *link, inside *os.File, err error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	for _, fd := range pair {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, largestMessage)
	}
	if err := unix.SetsockoptInt(pair[0], unix.SOL_SOCKET, unix.SO_PASSCRED, 1); err != nil {
		return nil, nil, err
	}
	return &link{fd: pair[0]}, os.NewFile(uintptr(pair[1]), "link"), nil
}

// send passes a message with open files; pid, where it is not 0, is a process that the other side is told of in its own
// numbers.
func (l *link) send(what message, files []int, pid int) error {
	text, err := json.Marshal(what)
	if err != nil {
		return err
	}
	if len(text) > largestMessage*3/4 {
		return fmt.Errorf("a message of %d bytes is too long", len(text))
	}
	var extra []byte
	if len(files) > 0 {
		extra = append(extra, unix.UnixRights(files...)...)
	}
	if pid != 0 {
		extra = append(extra, unix.UnixCredentials(&unix.Ucred{Pid: int32(pid), Uid: 0, Gid: 0})...)
	}
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return retried(func() error { return unix.Sendmsg(l.fd, text, extra, nil, 0) })
}

// receive waits for a message, the files that came with it, and the sender's process in this side's numbers.
func (l *link) receive() (message, []int, int, error) {
	if l.text == nil {
		l.text = make([]byte, largestMessage)
		l.extra = make([]byte, unix.CmsgSpace(4*mostFiles)+unix.CmsgSpace(unix.SizeofUcred))
	}
	text, extra := l.text, l.extra
	var length, extraLength int
	err := retried(func() (err error) {
		length, extraLength, _, _, err = unix.Recvmsg(l.fd, text, extra, unix.MSG_CMSG_CLOEXEC)
		return err
	})
	if err != nil {
		return message{}, nil, 0, err
	}
	if length == 0 {
		return message{}, nil, 0, os.ErrClosed
	}
	controls, err := unix.ParseSocketControlMessage(extra[:extraLength])
	if err != nil {
		return message{}, nil, 0, err
	}
	var files []int
	pid := 0
	for _, control := range controls {
		switch control.Header.Type {
		case unix.SCM_RIGHTS:
			if files, err = unix.ParseUnixRights(&control); err != nil {
				return message{}, nil, 0, err
			}
		case unix.SCM_CREDENTIALS:
			sender, err := unix.ParseUnixCredentials(&control)
			if err != nil {
				return message{}, nil, 0, err
			}
			pid = int(sender.Pid)
		}
	}
	var what message
	if err := json.Unmarshal(text[:length], &what); err != nil {
		closeAll(files)
		return message{}, nil, 0, err
	}
	return what, files, pid, nil
}

func retried(do func() error) error {
	for {
		if err := do(); err != unix.EINTR {
			return err
		}
	}
}

func closeAll(files []int) {
	for _, fd := range files {
		_ = unix.Close(fd)
	}
}
