package main

import (
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// devices are those that every container runtime gives its containers.
var devices = []string{"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"}

// viewOf opens what a program is to see of the host's files: what it names, its libraries, and the harmless devices. Returns
// the open mounts and where each belongs.
func viewOf(program Program, room Room) (mounts []int, targets []string, err error) {
	binds := append([]Bind{}, program.View...)
	runs := append([]string{}, program.Runs...)
	for _, shown := range program.View {
		if shown.Target == program.Args[0] {
			runs = append(runs, shown.Source)
		}
	}
	known := map[string]bool{}
	for _, path := range runs {
		libraries, err := librariesOf(path)
		if err != nil {
			return nil, nil, err
		}
		for _, library := range libraries {
			if !known[library] {
				known[library] = true
				binds = append(binds, Bind{Source: library, Target: library})
			}
		}
	}
	for _, device := range devices {
		binds = append(binds, Bind{Source: device, Target: device, Writable: true})
	}
	return openAll(binds, room)
}

func openAll(binds []Bind, room Room) (mounts []int, targets []string, err error) {
	for _, bind := range binds {
		fd, err := openMount(bind, room)
		if err != nil {
			closeAll(mounts)
			return nil, nil, fmt.Errorf("show %s: %w", bind.Target, err)
		}
		mounts = append(mounts, fd)
		targets = append(targets, bind.Target)
	}
	return mounts, targets, nil
}

// openMount opens a file or folder of the host as a mount that is nowhere yet. In a room with numbers of its own what the
// maker owns appears as the room's root's, and what that makes is the maker's on the disk: so the host's files stay as they
// are, and nobody outside of the room needs the right to its numbers.
func openMount(bind Bind, room Room) (int, error) {
	fd, err := unix.OpenTree(unix.AT_FDCWD, bind.Source, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_NO_AUTOMOUNT)
	if err != nil {
		return -1, err
	}
	attributes := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_NOSUID}
	if !bind.Writable {
		attributes.Attr_set |= unix.MOUNT_ATTR_RDONLY
	}
	if filepath.Dir(bind.Source) != "/dev" {
		attributes.Attr_set |= unix.MOUNT_ATTR_NODEV
	}
	if err := unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH, &attributes); err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	if room.Uid == 0 || isPublic(bind) {
		return fd, nil
	}
	owners, err := ownersOf(room)
	if err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	defer owners.Close()
	mapped := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_IDMAP, Userns_fd: uint64(owners.Fd())}
	err = unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH, &mapped)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) {
		// This file system, or this Linux, can't. What is the lab's becomes the room's; the rest must be open to everybody.
		err = nil
		if bind.Own {
			err = handOver(bind.Source, room.Uid)
		}
	}
	if err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// isPublic tells what everybody may read, and nobody is to write: programs, libraries, devices.
func isPublic(bind Bind) bool {
	if filepath.Dir(bind.Source) == "/dev" {
		return true
	}
	info, err := os.Stat(bind.Source)
	return err == nil && !bind.Writable && info.Mode().IsRegular() && info.Mode().Perm()&0o005 == 0o005
}

// handOver makes the room's user the owner of a tree, without following links out of it.
func handOver(tree string, uid int) error {
	return filepath.WalkDir(tree, func(path string, _ fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		return os.Lchown(path, uid, uid)
	})
}

// librariesOf returns the files that the kernel and the loader need to start a program: none for one that is linked whole.
// Where each is follows ld.so(8), without what a machine's configuration adds: the folders of the loader and of libc.
func librariesOf(program string) ([]string, error) {
	found := map[string]bool{}
	ordered := []string{}
	var add func(path string) error
	add = func(path string) error {
		file, err := elf.Open(path)
		var format *elf.FormatError
		if errors.As(err, &format) {
			return nil
		}
		if err != nil {
			return err
		}
		defer file.Close()
		for _, segment := range file.Progs {
			if segment.Type != elf.PT_INTERP {
				continue
			}
			name := make([]byte, segment.Filesz-1)
			if _, err := segment.ReadAt(name, 0); err != nil {
				return err
			}
			if loader := string(name); !found[loader] {
				found[loader] = true
				ordered = append(ordered, loader)
			}
		}
		names, err := file.ImportedLibraries()
		if err != nil {
			return nil
		}
		for _, name := range names {
			library := findLibrary(name)
			if library == "" {
				return fmt.Errorf("%s needs %s, which is in none of the system's folders", filepath.Base(path), name)
			}
			if found[library] {
				continue
			}
			found[library] = true
			ordered = append(ordered, library)
			if err := add(library); err != nil {
				return err
			}
		}
		return nil
	}
	return ordered, add(program)
}

func findLibrary(name string) string {
	for _, pattern := range []string{"/lib/*-linux-gnu*", "/usr/lib/*-linux-gnu*", "/lib64", "/usr/lib64", "/lib", "/usr/lib"} {
		folders, _ := filepath.Glob(pattern)
		for _, folder := range folders {
			path := filepath.Join(folder, name)
			if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
				return path
			}
		}
	}
	return ""
}
