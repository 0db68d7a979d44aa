package main

import (
	"encoding/json"
	"fmt"
	"os"
)

// Config is what host/node/config.ts writes. Paths are the host's unless said otherwise.
type Config struct {
	Hostname string `json:"hostname"`
	// State is emptied whenever the node starts and is the node's /var: a node that starts again is a new one.
	State string `json:"state"`
	// Usr are the folders that together are the node's /usr, read-only; what several have is taken from the first.
	Usr []string `json:"usr"`
	// Binds are further files and folders of the host that the node sees.
	Binds []Bind `json:"binds"`
	// Links are symbolic links in the node, by path.
	Links map[string]string `json:"links"`
	// Files are the node's own small files, by path.
	Files map[string]string `json:"files"`
	// KernelSettings are what the node takes the machine's for, by path below /proc/sys. It can change none.
	KernelSettings map[string]string `json:"kernelSettings"`
	// Cgroup limits everything that belongs to the learner.
	Cgroup Cgroup `json:"cgroup"`
	// Network is how the node and the host reach each other.
	Network Network `json:"network"`
	// Programs run in the node, in this order.
	Programs []Program `json:"programs"`
}

// Bind shows a file or folder of the host in the node.
type Bind struct {
	Source   string `json:"source"`
	Target   string `json:"target"`
	Writable bool   `json:"writable"`
}

// Network is the node's side of a wall with three kinds of doors.
type Network struct {
	// Address is the node's own, which pods and the API server know it by.
	Address string `json:"address"`
	// HostPorts are ports of the host's loopback that the node finds on its own loopback.
	HostPorts []int `json:"hostPorts"`
	// PodPorts are those of them that pods find as well, on Address.
	PodPorts []int `json:"podPorts"`
	// Socket is a Unix socket by which the API server reaches into the node, with HTTP's CONNECT; relative to the
	// working folder.
	Socket string `json:"socket"`
	// Firewall is what iptables-restore is given before any program runs.
	Firewall string `json:"firewall"`
	// Sysctls of the node's network, by path below /proc/sys/net.
	Sysctls map[string]string `json:"sysctls"`
}

// Program is something that runs in the node. Paths are the node's.
type Program struct {
	Name string            `json:"name"`
	Args []string          `json:"args"`
	Env  map[string]string `json:"env"`
	// Once says that the next program waits until this one has succeeded; others are started again when they end.
	Once bool `json:"once"`
	// Awaits is a file without which there is no use in starting.
	Awaits string `json:"awaits"`
	Log    string `json:"log"`
}

func readConfig(path string) (Config, error) {
	var config Config
	text, err := os.ReadFile(path)
	if err != nil {
		return config, err
	}
	if err := json.Unmarshal(text, &config); err != nil {
		return config, fmt.Errorf("%s: %w", path, err)
	}
	return config, nil
}
