package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/fluxcd/pkg/sourceignore"
	"github.com/fluxcd/pkg/sourceignore/gitignore"
)

const (
	maxFiles     = 10_000
	maxTreeBytes = 32 << 20
)

// A file of the tree: a line of JSON like this, and after it as many bytes as it says.
type fileHeader struct {
	Path string `json:"path"`
	Size int64  `json:"size"`
}

// writeTree writes the files that come in below the root, and leaves there what Flux' artifact of them has.
func writeTree(input *bufio.Reader, root string) error {
	var total int64
	for count := 0; ; count++ {
		line, err := input.ReadBytes('\n')
		if errors.Is(err, io.EOF) && len(line) == 0 {
			return dropIgnored(root)
		}
		var header fileHeader
		if err != nil || json.Unmarshal(line, &header) != nil {
			return errors.New("the input is not in its form")
		}
		total += header.Size
		if count >= maxFiles || header.Size < 0 || total > maxTreeBytes {
			return errors.New("the input is too much")
		}
		if err := writeFile(root, header, input); err != nil {
			return err
		}
	}
}

func writeFile(root string, header fileHeader, input io.Reader) error {
	if !filepath.IsLocal(header.Path) {
		return errors.New("a path of the input leads out of the tree")
	}
	target := filepath.Join(root, header.Path)
	if err := os.MkdirAll(filepath.Dir(target), 0o700); err != nil {
		return fmt.Errorf("%q can't be written", header.Path)
	}
	file, err := os.OpenFile(target, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("%q can't be written", header.Path)
	}
	defer file.Close()
	if _, err := io.CopyN(file, input, header.Size); err != nil {
		return fmt.Errorf("%q can't be written", header.Path)
	}
	return nil
}

// dropIgnored removes what source-controller does not put into its artifact: without a .sourceignore that are certain
// names, with one the files that it names and what belongs to Git.
func dropIgnored(root string) error {
	domain := strings.Split(root, string(filepath.Separator))
	patterns, err := sourceignore.LoadIgnorePatterns(root, domain)
	if err != nil {
		return errors.New("a .sourceignore can't be read")
	}
	matcher := matcherOf(patterns, domain)
	var dropped []string
	err = filepath.Walk(root, func(path string, info os.FileInfo, err error) error {
		if err == nil && !info.IsDir() && matcher.Match(strings.Split(path, string(filepath.Separator)), false) {
			dropped = append(dropped, path)
		}
		return err
	})
	for _, path := range dropped {
		err = errors.Join(err, os.Remove(path))
	}
	if err != nil {
		return errors.New("the tree can't be read")
	}
	return nil
}

func matcherOf(patterns []gitignore.Pattern, domain []string) gitignore.Matcher {
	if len(patterns) == 0 {
		return sourceignore.NewDefaultMatcher(nil, domain)
	}
	return sourceignore.NewMatcher(append(sourceignore.VCSPatterns(domain), patterns...))
}
