package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// insideCommand is what lab-room runs itself with as the first process of a room.
const insideCommand = "inside"

// linkFile is the end of the link that a room's first process is born with.
const linkFile = 3

// inside is the room's side: it does what the outside asks for, in the room's own namespaces, and takes in what ends.
type inside struct {
	link     *link
	children *reaper
	// self is this program, as the room has it.
	self string
}

// runInside is the first process of a room. It ends when nobody is outside any more, and with it the room.
func runInside() error {
	unix.CloseOnExec(linkFile)
	side := &inside{link: &link{fd: linkFile}, children: newReaper()}
	for {
		what, files, _, err := side.link.receive()
		if err != nil {
			return err
		}
		// A door waits for whoever is to answer it, and nobody else is to wait for that.
		if what.Kind == "dial" {
			go side.answer(what, files)
			continue
		}
		side.answer(what, files)
	}
}

func (s *inside) answer(what message, files []int) {
	defer closeAll(files)
	reply := message{Kind: "done", Id: what.Id}
	var sent []int
	var err error
	switch what.Kind {
	case "furnish":
		err = s.furnish(*what.Room, files, what.Mounts)
	case "start":
		// Says itself that it did, before it can say how the program ended.
		if err = s.start(what, files); err == nil {
			return
		}
	case "listen":
		sent, err = listen(what.Address)
	case "dial":
		sent, err = dial(what.Address)
	default:
		err = fmt.Errorf("unknown request %q", what.Kind)
	}
	if err != nil {
		reply.Error = err.Error()
	}
	_ = s.link.send(reply, sent, 0)
	closeAll(sent)
}

func (s *inside) furnish(room Room, mounts []int, targets []string) error {
	if err := unix.Sethostname([]byte(room.Hostname)); err != nil {
		return err
	}
	// Before anything is mounted: nothing of it may show outside.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	for file, value := range room.UserLimits {
		err := os.WriteFile(filepath.Join("/proc/sys/user", file), []byte(value), 0o644)
		// A container that shows the kernel's settings to be read alone keeps these from its rooms, too.
		if err != nil && !errors.Is(err, unix.EROFS) {
			return fmt.Errorf("limit %s: %w", file, err)
		}
	}
	if !room.Network.Shared {
		if err := raiseLoopback(room.Network.Addresses); err != nil {
			return fmt.Errorf("loopback: %w", err)
		}
	}
	if room.Node != nil {
		return s.furnishNode(room, mounts, targets)
	}
	// Who makes rooms without root has no other files to show than those that this process sees.
	if room.Uid == 0 {
		s.self = "/proc/self/exe"
		return nil
	}
	s.self = stageProgram
	if len(mounts) != 1 {
		return errors.New("a room needs this program")
	}
	return emptyRoot(mounts[0])
}

// start begins a program. Its standard files come first, then the mounts of its view.
func (s *inside) start(what message, files []int) error {
	if len(files) < 3 || what.Program == nil {
		return errors.New("a program needs standard files")
	}
	mounts, targets := files[3:], what.Mounts
	if len(what.Program.View) > 0 {
		// Without root it is here that there is the right to show a file.
		var err error
		if mounts, targets, err = viewOf(*what.Program, Room{}); err != nil {
			return err
		}
		defer closeAll(mounts)
	}
	stage, err := stageFile(*what.Program, targets)
	if err != nil {
		return err
	}
	defer stage.Close()
	handed := []uintptr{uintptr(files[0]), uintptr(files[1]), uintptr(files[2]), stage.Fd()}
	for _, mount := range mounts {
		handed = append(handed, uintptr(mount))
	}
	ended, err := s.children.stage(s.self, handed, func(pid int) error {
		return s.link.send(message{Kind: "started", Id: what.Id}, nil, pid)
	})
	if err != nil {
		return err
	}
	go func() {
		_ = s.link.send(message{Kind: "ended", Id: what.Id, Status: int(<-ended)}, nil, 0)
	}()
	return nil
}

func listen(address string) ([]int, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	defer listener.Close()
	return descriptor(listener.(*net.TCPListener))
}

func dial(address string) ([]int, error) {
	connection, err := net.DialTimeout("tcp", address, dialPatience)
	if err != nil {
		return nil, err
	}
	defer connection.Close()
	return descriptor(connection.(*net.TCPConn))
}

// descriptor returns one of a socket's own, to be closed by whoever gets it.
func descriptor(socket interface{ File() (*os.File, error) }) ([]int, error) {
	file, err := socket.File()
	if err != nil {
		return nil, err
	}
	defer file.Close()
	copied, err := unix.FcntlInt(file.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	return []int{copied}, err
}

func raiseLoopback(addresses []string) error {
	loopback, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	for _, address := range addresses {
		parsed, err := netlink.ParseAddr(address + "/32")
		if err != nil {
			return err
		}
		if err := netlink.AddrAdd(loopback, parsed); err != nil {
			return err
		}
	}
	return netlink.LinkSetUp(loopback)
}
