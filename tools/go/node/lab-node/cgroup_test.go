package main

import (
	"os"
	"path/filepath"
	"testing"
)

// Two processes of a learner start at once: one finds the group that the other has made this instant.
func TestACpusetThatIsNotFilledYetIsFilled(t *testing.T) {
	root := t.TempDir()
	write := func(group, cpus string) string {
		folder := filepath.Join(root, group)
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
			if err := os.WriteFile(filepath.Join(folder, file), []byte(cpus+"\n"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		return folder
	}
	write(".", "0-1")
	write("lab", "")
	learner := write("lab/learner", "")
	if err := (Cgroup{Version: 1}).makeGroup("cpuset", learner); err != nil {
		t.Fatal(err)
	}
	for _, folder := range []string{"lab", "lab/learner"} {
		for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
			if value, _ := readWord(filepath.Join(root, folder, file)); value != "0-1" {
				t.Errorf("%s/%s is %q", folder, file, value)
			}
		}
	}
}
