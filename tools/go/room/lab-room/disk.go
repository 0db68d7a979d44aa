package main

import (
	"fmt"
	"os"
	"os/exec"

	"golang.org/x/sys/unix"
)

// newDisk makes a file system of a size in a file and returns it as a mount that is nowhere yet. The file has no name any
// more when this returns, and the kernel frees both with the last mount: there is nothing to clean up.
func newDisk(path string, bytes int64) (int, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return -1, err
	}
	defer file.Close()
	defer os.Remove(path)
	if err := file.Truncate(bytes); err != nil {
		return -1, err
	}
	// No journal: the file system begins empty and is thrown away.
	format := exec.Command("mkfs.ext4", "-q", "-F", "-m", "0", "-O", "^has_journal", "-E", "lazy_itable_init=1,nodiscard", path)
	format.Env = []string{"PATH=/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin"}
	if output, err := format.CombinedOutput(); err != nil {
		return -1, fmt.Errorf("mkfs.ext4: %w: %s", err, output)
	}
	device, err := attachLoop(file)
	if err != nil {
		return -1, fmt.Errorf("loop device: %w", err)
	}
	defer device.Close()
	return newMount("ext4", map[string]string{"source": device.Name()}, unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV)
}

// attachLoop makes a block device of a file, which goes when nobody has it open or mounted.
func attachLoop(file *os.File) (*os.File, error) {
	control, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer control.Close()
	for {
		number, err := unix.IoctlRetInt(int(control.Fd()), unix.LOOP_CTL_GET_FREE)
		if err != nil {
			return nil, err
		}
		device, err := openLoop(number)
		if err != nil {
			return nil, err
		}
		config := unix.LoopConfig{Fd: uint32(file.Fd()), Info: unix.LoopInfo64{Flags: unix.LO_FLAGS_AUTOCLEAR | unix.LO_FLAGS_DIRECT_IO}}
		err = unix.IoctlLoopConfigure(int(device.Fd()), &config)
		if err == nil {
			return device, nil
		}
		_ = device.Close()
		// Somebody else took it this instant.
		if err != unix.EBUSY {
			return nil, err
		}
	}
}

// openLoop opens the device, and makes its name where nobody does that when the kernel adds one.
func openLoop(number int) (*os.File, error) {
	path := fmt.Sprintf("/dev/loop%d", number)
	if _, err := os.Stat(path); err != nil {
		const loopMajor = 7 // linux/major.h
		if err := unix.Mknod(path, unix.S_IFBLK|0o600, int(unix.Mkdev(loopMajor, uint32(number)))); err != nil && err != unix.EEXIST {
			return nil, err
		}
	}
	return os.OpenFile(path, os.O_RDWR, 0)
}
