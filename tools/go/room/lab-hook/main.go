// Command lab-hook is what Git's hooks run in the repository of a learner (githooks(5)):
//
//	lab-hook pre-receive    asks whether a push may be accepted; its exit code says so
//	lab-hook post-receive   tells of one that was, and shows the pusher what comes of it
//
// It hands the push to the web process of the lab, over the socket in GITOPS_LAB_HOOKS, and shows what that says. It does what
// host/git/hooks/ask-daemon.ts does, in a hundredth of the time: a push runs it twice.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
)

func main() {
	if len(os.Args) != 2 || (os.Args[1] != "pre-receive" && os.Args[1] != "post-receive") {
		fmt.Fprintln(os.Stderr, "usage: lab-hook pre-receive | post-receive")
		os.Exit(2)
	}
	hook := os.Args[1]
	push, err := readPush(os.Stdin, os.Getenv)
	if err == nil {
		var accepted bool
		if accepted, err = ask(os.Getenv("GITOPS_LAB_HOOKS"), hook, push, os.Stdout); err == nil {
			if accepted {
				return
			}
			os.Exit(1)
		}
	}
	// Why, with the path of its socket, is not for the pusher.
	if hook == "pre-receive" {
		fmt.Fprintln(os.Stderr, "The lab does not answer, so nothing was accepted. Push again in a minute; if it stays so, tell your instructor.")
	} else {
		fmt.Fprintln(os.Stderr, "The push was accepted, but the lab does not answer. What it asks for is done when the lab is back.")
	}
	os.Exit(1)
}

// Ref is a branch or tag that a push moves.
type Ref struct {
	Ref    string `json:"ref"`
	OldOID string `json:"oldOid"`
	NewOID string `json:"newOid"`
}

// Where Git keeps the objects of a push that is not accepted yet.
var quarantine = []string{"GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_QUARANTINE_PATH"}

// readPush puts together what the web process is to know: what it said itself of the push, and what Git says of it.
func readPush(stdin io.Reader, env func(string) string) ([]byte, error) {
	push := map[string]any{}
	if told := env("GITOPS_LAB_PUSH"); told != "" {
		if err := json.Unmarshal([]byte(told), &push); err != nil {
			return nil, err
		}
	}
	refs := []Ref{}
	lines := bufio.NewScanner(stdin)
	for lines.Scan() {
		// A ref's name has no spaces: git-check-ref-format(1).
		if words := strings.SplitN(lines.Text(), " ", 3); len(words) == 3 {
			refs = append(refs, Ref{OldOID: words[0], NewOID: words[1], Ref: words[2]})
		}
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	places := map[string]string{}
	for _, name := range quarantine {
		if value := env(name); value != "" {
			places[name] = value
		}
	}
	push["refs"], push["quarantine"] = refs, places
	return json.Marshal(push)
}

// ask hands the push over and copies the answer's words to the pusher while they come. Reports whether the push is accepted.
func ask(socket, hook string, push []byte, pusher io.Writer) (bool, error) {
	web, err := net.Dial("unix", socket)
	if err != nil {
		return false, err
	}
	defer web.Close()
	// Of version 1.0, so that the answer comes as it is, and ends where the connection does.
	header := fmt.Sprintf("POST /hooks/%s HTTP/1.0\r\nhost: lab\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n", hook, len(push))
	if _, err := web.Write(append([]byte(header), push...)); err != nil {
		return false, err
	}
	return readAnswer(web, pusher)
}

func readAnswer(web io.Reader, pusher io.Writer) (bool, error) {
	answer := bufio.NewReader(web)
	status, err := answer.ReadString('\n')
	if err != nil {
		return false, err
	}
	words := strings.Fields(status)
	if len(words) < 2 || !strings.HasPrefix(words[0], "HTTP/1.") {
		return false, fmt.Errorf("no answer of HTTP: %q", status)
	}
	for {
		line, err := answer.ReadBytes('\n')
		if err != nil {
			return false, err
		}
		if len(bytes.TrimRight(line, "\r\n")) == 0 {
			break
		}
	}
	_, err = io.Copy(pusher, answer)
	// 200 accepts, 409 refuses; what is said reaches the pusher as lines that begin with "remote:".
	return words[1] == "200", err
}
