package main

import (
	"encoding/json"
	"fmt"
	"os"
)

// Room is what host/room/config.ts writes. Paths are the host's unless said otherwise.
type Room struct {
	Hostname string `json:"hostname"`
	// Uid is the host's number of the room's root, and of its group; 0 is the account that makes the room. Nobody else has
	// it, so that what the room owns outside, or is counted by, is only its own.
	Uid int `json:"uid"`
	// Ids are how many numbers from Uid on the room has.
	Ids int `json:"ids"`
	// Socket is where programs are asked for, relative to the working folder: see serve.go.
	Socket string `json:"socket"`
	// Cgroup limits everything that belongs to the learner; none where no group can be made.
	Cgroup *Cgroup `json:"cgroup"`
	// Group within it that the room's programs are in.
	Group string `json:"group"`
	// GroupLimits are those of that group, as Cgroup.Limits are of the learner's.
	GroupLimits map[string]string `json:"groupLimits"`
	Network     Network           `json:"network"`
	// UserLimits are the kernel's per-user limits of the room, by file below /proc/sys/user.
	UserLimits map[string]string `json:"userLimits"`
	// Node is set for a Kubernetes node, whose programs share one root and may do in the room what root may.
	Node *Node `json:"node"`
	// Program is what `once` runs.
	Program *Program `json:"program"`
}

// Network says where the walls of a room have doors.
type Network struct {
	// Shared rooms have no network of their own.
	Shared bool `json:"shared"`
	// Addresses of the room's loopback, besides 127.0.0.1.
	Addresses []string `json:"addresses"`
	// Out are addresses in the room, host:port, that lead to one outside: host:port, or the path of a Unix socket.
	Out []Door `json:"out"`
	// In are addresses outside that lead to one in the room, host:port.
	In []Door `json:"in"`
	// Connect is a Unix socket outside by which the API server reaches into a node, with HTTP's CONNECT; relative to the
	// working folder.
	Connect string `json:"connect"`
	// Firewall is what iptables-restore is given in a node before any program runs.
	Firewall string `json:"firewall"`
	// Sysctls of the room's network, by path below /proc/sys/net.
	Sysctls map[string]string `json:"sysctls"`
}

// Door leads from an address to another.
type Door struct {
	From string `json:"from"`
	To   string `json:"to"`
}

// Bind shows a file or folder of the host in the room.
type Bind struct {
	Source   string `json:"source"`
	Target   string `json:"target"`
	Writable bool   `json:"writable"`
	// Own is what belongs to the lab, and may become the room's where a file system can't show it as that.
	Own bool `json:"own"`
}

// Program is something that runs in a room. Paths are those of its own view, but for Log and the sources of View.
type Program struct {
	Name string            `json:"name"`
	Args []string          `json:"args"`
	Env  map[string]string `json:"env"`
	Cwd  string            `json:"cwd"`
	// Log is the host's file that standard output and error are added to.
	Log string `json:"log"`
	// View is all that the program sees of the host's files, besides itself and the libraries that it is linked with.
	View []Bind `json:"view"`
	// Runs are the host's paths of further programs in the view, whose libraries belong there too.
	Runs []string `json:"runs"`
	// Scratch are folders that live in memory, by path, with the most that they hold, in bytes.
	Scratch map[string]int64 `json:"scratch"`
	// Files are small files of the program's own, by path.
	Files map[string]string `json:"files"`
	// Doors are ways out of the room that this program needs, as in Network.Out; they stay.
	Doors []Door `json:"doors"`
	// Proc shows it the room's processes in /proc, and with them where its own mounts come from.
	Proc bool `json:"proc"`
	// Expendable is what goes first where the learner's memory runs short: the control plane has it start again.
	Expendable bool `json:"expendable"`
	// FileSize is the longest file that it may write, in bytes, its log included; 0 is no limit.
	FileSize uint64 `json:"fileSize"`
	// OpenFiles is how many it may have open; 0 is the machine's own limit.
	OpenFiles uint64 `json:"openFiles"`
	// Processes is how many the room may have, threads included, when this program starts another; 0 is no limit. It
	// holds where no group does.
	Processes uint64 `json:"processes"`
	// CpuSeconds and DataBytes are limits of each process, of its time and of its own memory; 0 is the machine's own.
	CpuSeconds uint64 `json:"cpuSeconds"`
	DataBytes  uint64 `json:"dataBytes"`

	// Once, in a node, says that the next program waits until this one has succeeded; others are started again when they end.
	Once bool `json:"once"`
	// Awaits, in a node, is a file without which there is no use in starting.
	Awaits string `json:"awaits"`
}

// Node is the furniture of a Kubernetes node. Paths are the node's unless said otherwise.
type Node struct {
	// State is a folder of the host that is emptied whenever the node starts and holds the node's /var.
	State string `json:"state"`
	// Disk is the size in bytes of the file system that is made for it; 0 takes the folder as it is.
	Disk int64 `json:"disk"`
	// Usr are the host's folders that together are the node's /usr, read-only; what several have is taken from the first.
	Usr []string `json:"usr"`
	// Binds are further files and folders of the host that the node sees.
	Binds []Bind `json:"binds"`
	// Links are symbolic links, by path.
	Links map[string]string `json:"links"`
	// Files are the node's own small files, by path.
	Files map[string]string `json:"files"`
	// KernelSettings are what the node takes the machine's for, by path below /proc/sys. It can change none.
	KernelSettings map[string]string `json:"kernelSettings"`
	// Programs run in the node, in this order.
	Programs []Program `json:"programs"`
}

func readRoom(path string) (Room, error) {
	var room Room
	text, err := os.ReadFile(path)
	if err != nil {
		return room, err
	}
	if err := json.Unmarshal(text, &room); err != nil {
		return room, fmt.Errorf("%s: %w", path, err)
	}
	return room, nil
}
