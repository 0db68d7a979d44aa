package main

import (
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// longestLog is how long a log grows before it is begun anew; one that is full is kept beside it. What a room says is
// worth as much disk as that, and no more.
const longestLog = 8 << 20

// openLog returns a file to write to whose content goes to a log of the host's. Nobody in the room has that one open, or sees
// its folder; a link in its place is followed all the same by none.
func openLog(path string) (*os.File, error) {
	if path == "" {
		return os.OpenFile("/dev/null", os.O_WRONLY, 0)
	}
	log, err := openToAdd(path)
	if err != nil {
		return nil, err
	}
	reader, writer, err := os.Pipe()
	if err != nil {
		_ = log.Close()
		return nil, err
	}
	go keepLog(path, log, reader)
	return writer, nil
}

func keepLog(path string, log *os.File, from io.ReadCloser) {
	defer func() { _ = from.Close(); _ = log.Close() }()
	length := int64(0)
	if info, err := log.Stat(); err == nil {
		length = info.Size()
	}
	// Small: there is one for each program.
	piece := make([]byte, 4<<10)
	for {
		count, err := from.Read(piece)
		if count > 0 {
			written, _ := log.Write(piece[:count])
			length += int64(written)
		}
		if err != nil {
			return
		}
		if length < longestLog {
			continue
		}
		if os.Rename(path, path+".1") != nil {
			continue
		}
		if next, err := openToAdd(path); err == nil {
			_ = log.Close()
			log, length = next, 0
		}
	}
}

func openToAdd(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY|unix.O_NOFOLLOW, 0o600)
}
