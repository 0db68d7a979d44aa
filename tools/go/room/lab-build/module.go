package main

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

const (
	mostFiles   = 2000
	mostBytes   = 32 << 20
	longestPath = 1024
	mostFolders = 40
)

// foreign are files that the Go command gives to other programs than the compiler: `go help filetype`.
var foreign = regexp.MustCompile(`\.(?:s|S|sx|syso|c|cc|cpp|cxx|m|mm|h|hh|hpp|hxx|f|F|for|f90|swig|swigcxx)$`)

// unpack writes the files of a tar into a new folder.
func unpack(source io.Reader, folder string) error {
	if err := os.Mkdir(folder, 0o755); err != nil {
		return err
	}
	files, left := 0, int64(mostBytes)
	for reader := tar.NewReader(source); ; {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fault{refused, "The app's source is no tar."}
		}
		if header.Typeflag == tar.TypeDir || header.Typeflag == tar.TypeXGlobalHeader {
			continue
		}
		if files++; files > mostFiles {
			return fault{refused, fmt.Sprintf("The app has more than %d files.", mostFiles)}
		}
		name := strings.TrimPrefix(header.Name, "./")
		if err := check(header, name); err != nil {
			return err
		}
		if left -= header.Size; left < 0 {
			return fault{refused, fmt.Sprintf("The app's files have more than %d MiB.", mostBytes>>20)}
		}
		if err := writeFile(filepath.Join(folder, name), reader, header.Size); err != nil {
			return err
		}
	}
}

func check(header *tar.Header, name string) error {
	shown := strconv.QuoteToGraphic(name[:min(len(name), 200)])
	switch {
	case header.Typeflag != tar.TypeReg:
		return fault{refused, shown + " is no file: links and devices are not built."}
	case !filepath.IsLocal(name) || path.Clean(name) != name || strings.ContainsAny(name, "\x00\\"):
		return fault{refused, shown + " is no path within the app."}
	case len(name) > longestPath || strings.Count(name, "/") > mostFolders:
		return fault{refused, shown + " is too deep a path."}
	case foreign.MatchString(name):
		return fault{refused, shown + " is not Go, and the lab builds from Go alone."}
	}
	return nil
}

func writeFile(file string, content io.Reader, size int64) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	text := bytes.NewBuffer(make([]byte, 0, size))
	if _, err := io.Copy(text, content); err != nil {
		return fault{refused, "The app's source is no whole tar."}
	}
	return os.WriteFile(file, text.Bytes(), 0o644)
}

// borrowCache makes a cache that can be written to and has what is in another: Go's cache is files by the hash of what they
// are made of, which are written once, so a link to a file is as good as the file.
func borrowCache(from, to string) error {
	folders, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	if err := os.Mkdir(to, 0o755); err != nil {
		return err
	}
	for _, folder := range folders {
		if len(folder.Name()) != 2 {
			continue
		}
		files, err := os.ReadDir(filepath.Join(from, folder.Name()))
		if err != nil {
			return err
		}
		if err := os.Mkdir(filepath.Join(to, folder.Name()), 0o755); err != nil {
			return err
		}
		for _, file := range files {
			below := filepath.Join(folder.Name(), file.Name())
			if err := os.Symlink(filepath.Join(from, below), filepath.Join(to, below)); err != nil {
				return err
			}
		}
	}
	// Go looks for old files to remove when nobody has today.
	return os.WriteFile(filepath.Join(to, "trim.txt"), []byte(strconv.FormatInt(time.Now().Unix(), 10)), 0o644)
}
