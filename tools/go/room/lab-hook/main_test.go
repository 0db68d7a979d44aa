package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

const oid = "0123456789012345678901234567890123456789"

func env(values map[string]string) func(string) string {
	return func(name string) string { return values[name] }
}

func TestReadPush(t *testing.T) {
	stdin := strings.NewReader(oid + " " + strings.Repeat("0", 40) + " refs/heads/ä\n")
	text, err := readPush(stdin, env(map[string]string{
		"GITOPS_LAB_PUSH":      `{"learner":"ada","user":"ada"}`,
		"GIT_OBJECT_DIRECTORY": "./objects/incoming",
		"GIT_SOMETHING_ELSE":   "no",
		"GIT_QUARANTINE_PATH":  "",
	}))
	if err != nil {
		t.Fatal(err)
	}
	var push struct {
		Learner    string
		Refs       []Ref
		Quarantine map[string]string
	}
	if err := json.Unmarshal(text, &push); err != nil {
		t.Fatal(err)
	}
	if push.Learner != "ada" || len(push.Refs) != 1 || push.Refs[0].Ref != "refs/heads/ä" || push.Refs[0].OldOID != oid {
		t.Errorf("push is %s", text)
	}
	if len(push.Quarantine) != 1 || push.Quarantine["GIT_OBJECT_DIRECTORY"] != "./objects/incoming" {
		t.Errorf("quarantine is %v", push.Quarantine)
	}
	if text, err := readPush(strings.NewReader(""), env(nil)); err != nil || string(text) != `{"quarantine":{},"refs":[]}` {
		t.Errorf("an empty push is %s, %v", text, err)
	}
	if _, err := readPush(strings.NewReader(""), env(map[string]string{"GITOPS_LAB_PUSH": "{"})); err == nil {
		t.Error("half a push was taken")
	}
}

func TestReadAnswer(t *testing.T) {
	cases := []struct {
		name, answer, said string
		accepted, fails    bool
	}{
		{"accepted without a word", "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n", "", true, false},
		{"accepted with words", "HTTP/1.1 200 OK\r\n\r\nBuilt.\n", "Built.\n", true, false},
		{"refused", "HTTP/1.1 409 Conflict\r\nx: y\r\n\r\nrefused: no\n", "refused: no\n", false, false},
		{"cut off in its head", "HTTP/1.1 200 OK\r\nconn", "", false, true},
		{"nothing", "", "", false, true},
		{"of something else", "+OK hello\r\n\r\n", "", false, true},
	}
	for _, one := range cases {
		t.Run(one.name, func(t *testing.T) {
			var said bytes.Buffer
			accepted, err := readAnswer(strings.NewReader(one.answer), &said)
			if accepted != one.accepted || (err != nil) != one.fails || said.String() != one.said {
				t.Errorf("accepted %v, error %v, said %q", accepted, err, said.String())
			}
		})
	}
}
